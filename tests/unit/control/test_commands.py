"""What operators say about the commands of secrets, and what engines are told."""

import pytest
from sqlalchemy import select

from bus.command_rules import RuleAction
from control import commands, secrets
from control.audit import Act
from control.command_operations import CommandOperations
from control.command_requests import AllowCommand, BlockCommand, ForgetCommand, ListCommands
from control.errors import ConflictError, InvalidError, NotFoundError
from storage.access_tables import CommandRow
from storage.tables import AuditRow

from .conftest import web1


@pytest.fixture
def operations(database, vault, clock):
    with database.transaction() as session:
        secrets.add(session, vault, web1(), clock.now())
    return CommandOperations(database, lambda who: Act(who, clock.now()))


def block(pattern="rm", action="notice", of="web1"):
    return BlockCommand(secret=of, name="no-rm", pattern=pattern, action=RuleAction(action))


def test_rules_and_entries_are_listed_changed_and_forgotten(operations, database):
    operations.block(block(), "root")
    operations.block(block(pattern="rm -rf", action="end"), "root")
    operations.allow(AllowCommand(secret="web1", name="who", command="id -un"), "root")
    assert [(each.name, each.action, each.text) for each in listed(operations)] == [
        ("no-rm", "end", "rm -rf"),
        ("who", "allow", "id -un"),
    ]
    with database.read() as session:
        control = commands.control_of(session, secrets.find(session, "web1"))
        actions = list(session.scalars(select(AuditRow.action).order_by(AuditRow.id)))
    assert [rule.name for rule in control.rules] == ["no-rm"]
    assert [entry.command for entry in control.menu] == ["id -un"]
    assert actions == ["secret.command_blocked"] * 2 + ["secret.command_allowed"]
    operations.forget(ForgetCommand(secret="web1", name="no-rm"), "root")
    assert [each.name for each in listed(operations)] == ["who"]


def listed(operations):
    return operations.list(ListCommands(secret="web1"), "root")


def test_what_makes_no_sense_is_refused_with_its_reason(operations):
    operations.block(block(), "root")
    for error, request in (
        (InvalidError, block(pattern="(")),
        (NotFoundError, block(of="web9")),
        (ConflictError, AllowCommand(secret="web1", name="no-rm", command="id")),
        (InvalidError, AllowCommand(secret="web1", name="x", command="echo '$a'")),
    ):
        act = operations.allow if isinstance(request, AllowCommand) else operations.block
        with pytest.raises(error):
            act(request, "root")
    with pytest.raises(NotFoundError, match="secret commands web1"):
        operations.forget(ForgetCommand(secret="web1", name="other"), "root")


def test_a_secret_takes_its_rules_with_it(operations, database):
    operations.block(block(), "root")
    with database.transaction() as session:
        secrets.remove(session, "web1")
    with database.read() as session:
        assert not list(session.scalars(select(CommandRow)))
