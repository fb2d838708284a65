"""Which commands a secret lets run: kept here, judged on the engine."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.command_rules import (
    CommandControl,
    CommandRule,
    MenuEntry,
    PatternError,
    RuleAction,
    matcher,
)
from bus.menu import MenuError, check
from control import file_rules, secrets
from control.command_requests import AllowCommand, BlockCommand, CommandSummary
from control.errors import ConflictError, InvalidError, NotFoundError
from recorder.session_info import TargetProtocol
from storage.access_tables import CommandRow
from storage.tables import SecretRow

ALLOW: Final = "allow"
MOST: Final = 200
"""Of rules and entries of one secret: each line is compared with every one."""


def block(session: Session, request: BlockCommand) -> CommandSummary:
    """Add or change a rule; raise `NotFoundError`, `ConflictError` or `InvalidError`."""
    try:
        matcher(request.pattern)
    except PatternError as error:
        raise InvalidError(str(error)) from error
    return _put(session, request.secret, request.name, request.action.value, request.pattern)


def allow(session: Session, request: AllowCommand) -> CommandSummary:
    """Add or change an entry; raise as `block` does."""
    try:
        check(MenuEntry(name=request.name, command=request.command))
    except MenuError as error:
        raise InvalidError(str(error)) from error
    return _put(session, request.secret, request.name, ALLOW, request.command)


def forget(session: Session, secret: str, name: str) -> None:
    """Take one away; raise `NotFoundError`."""
    row = session.get(CommandRow, (secrets.find(session, secret).id, name))
    if row is None:
        raise NotFoundError(
            f"`{secret}` has no command `{name}`; `proxyd secret commands {secret}` lists them"
        )
    session.delete(row)


def list_all(session: Session, secret: str) -> list[CommandSummary]:
    """Return all of a secret, by name; raise `NotFoundError`."""
    return [_summary(row) for row in _rows(session, secrets.find(session, secret))]


def control_of(session: Session, secret: SecretRow) -> CommandControl:
    """Return what the engine judges by."""
    rows = _rows(session, secret)
    return CommandControl(
        rules=tuple(
            CommandRule(name=row.name, pattern=row.text, action=RuleAction(row.action))
            for row in rows
            if row.action != ALLOW
        ),
        menu=tuple(
            MenuEntry(name=row.name, command=row.text) for row in rows if row.action == ALLOW
        ),
        files=file_rules.rules_of(session, secret),
    )


def _put(session: Session, secret: str, name: str, action: str, text: str) -> CommandSummary:
    owner = secrets.find(session, secret)
    if owner.protocol != TargetProtocol.SSH:
        raise InvalidError(f"`{secret}` is reached by RDP: commands are judged on SSH alone")
    row = session.get(CommandRow, (owner.id, name))
    if row is None:
        if len(_rows(session, owner)) >= MOST:
            raise InvalidError(f"`{secret}` has {MOST} rules and entries already: join some")
        row = CommandRow(secret_id=owner.id, name=name, action=action, text=text)
        session.add(row)
    elif (row.action == ALLOW) != (action == ALLOW):
        kind = "an entry of the menu" if row.action == ALLOW else "a rule"
        raise ConflictError(f"`{name}` is {kind} of `{secret}`: choose another name")
    row.action, row.text = action, text
    return _summary(row)


def _rows(session: Session, secret: SecretRow) -> list[CommandRow]:
    query = select(CommandRow).where(CommandRow.secret_id == secret.id)
    return list(session.scalars(query.order_by(CommandRow.name)))


def _summary(row: CommandRow) -> CommandSummary:
    return CommandSummary(name=row.name, action=row.action, text=row.text)
