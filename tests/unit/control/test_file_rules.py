"""What operators say about the files of secrets, and what engines are told."""

import pytest
from sqlalchemy import select

from bus.file_rules import Direction, FileVerdict
from control import commands, file_rules, secrets
from control.audit import Act
from control.errors import InvalidError, NotFoundError
from control.file_operations import FileOperations
from control.file_requests import ForgetFileRule, KeepFiles, ListFileRules, PutFileRule
from recorder.session_info import TargetProtocol
from storage.access_tables import FileRuleRow
from storage.tables import AuditRow

from .conftest import presented, web1


@pytest.fixture
def operations(database, vault, clock):
    with database.transaction() as session:
        secrets.add(session, vault, web1(), clock.now())
    return FileOperations(database, lambda who: Act(who, clock.now()))


def rule(verdict="refuse", of="web1", **more):
    return PutFileRule(secret=of, name="it", verdict=FileVerdict(verdict), **more)


def test_rules_are_listed_changed_and_forgotten(operations, database):
    operations.put(rule(), "root")
    told = operations.put(
        rule("allow", directions=(Direction.DOWNLOAD,), glob="/srv/**"), "root"
    )
    assert list(operations.list(ListFileRules(secret="web1"), "root")) == [told]
    with database.read() as session:
        secret = secrets.find(session, "web1")
        control = commands.control_of(session, secret)
        details = list(session.scalars(select(AuditRow.detail).order_by(AuditRow.id)))
    [known] = control.files
    assert control.says_something
    assert (known.verdict, known.directions, known.glob) == (
        FileVerdict.ALLOW,
        (Direction.DOWNLOAD,),
        "/srv/**",
    )
    assert details == [
        "it (refuse upload, download): **",
        "it (allow download): /srv/**",
    ]
    operations.forget(ForgetFileRule(secret="web1", name="it"), "root")
    assert list(operations.list(ListFileRules(secret="web1"), "root")) == []


def test_what_makes_no_sense_is_refused_with_its_reason(operations, database, vault, clock):
    with database.transaction() as session:
        desktop = web1(name="desk", protocol=TargetProtocol.RDP)
        secrets.add(session, vault, desktop, clock.now())
    for error, request in (
        (InvalidError, rule(glob="etc")),
        (InvalidError, rule(of="desk")),
        (NotFoundError, rule(of="web9")),
    ):
        with pytest.raises(error):
            operations.put(request, "root")
    with pytest.raises(NotFoundError, match="file-rules web1"):
        operations.forget(ForgetFileRule(secret="web1", name="it"), "root")


def test_a_secret_has_so_many_rules_and_they_go_with_it(operations, database, monkeypatch):
    monkeypatch.setattr(file_rules, "MOST", 1)
    operations.put(rule(), "root")
    with pytest.raises(InvalidError):
        operations.put(
            PutFileRule(secret="web1", name="more", verdict=FileVerdict.ALLOW), "root"
        )
    with database.transaction() as session:
        secrets.remove(session, "web1")
    with database.read() as session:
        assert session.scalars(select(FileRuleRow)).all() == []


def test_how_much_of_files_is_kept_travels_with_the_grant(grants, issue, database, clock):
    issue()
    operations = FileOperations(database, lambda who: Act(who, clock.now()))
    for size_bytes in (0, 5_000_000_000, None):
        operations.keep(KeepFiles(secret="web1", files_bytes=size_bytes), "root")
        assert grants.redeem(presented(issue())).terms.files_bytes == size_bytes
    with database.read() as session:
        rows = session.scalars(
            select(AuditRow.detail).where(AuditRow.action == "secret.files_kept")
        ).all()
    assert rows == ["0", "5000000000", "as of others"]
