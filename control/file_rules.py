"""Which files a secret lets cross: kept here, judged on the engine."""

from typing import Final

from msgspec import structs
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.file_rules import Direction, FileRule, FileVerdict, GlobError, glob_matcher
from control import secrets
from control.errors import InvalidError, NotFoundError
from control.file_requests import FileRuleSummary, PutFileRule
from recorder.session_info import TargetProtocol
from storage.access_tables import FileRuleRow
from storage.tables import SecretRow

MOST: Final = 200
"""Of one secret: each file is compared with every one."""


def put(session: Session, request: PutFileRule) -> FileRuleSummary:
    """Add or change a rule; raise `NotFoundError` or `InvalidError`."""
    try:
        glob_matcher(request.glob)
    except GlobError as error:
        raise InvalidError(str(error)) from error
    owner = secrets.find(session, request.secret)
    if owner.protocol != TargetProtocol.SSH:
        raise InvalidError(
            f"`{request.secret}` is reached by RDP: rules about files are for SSH alone"
        )
    row = session.get(FileRuleRow, (owner.id, request.name))
    if row is None:
        if len(_rows(session, owner)) >= MOST:
            raise InvalidError(f"`{request.secret}` has {MOST} rules about files: join some")
        row = FileRuleRow(secret_id=owner.id, name=request.name)
        session.add(row)
    row.verdict, row.glob = request.verdict.value, request.glob
    row.directions = ",".join(sorted(set(request.directions), reverse=True))
    return FileRuleSummary(**structs.asdict(_rule(row)))


def forget(session: Session, secret: str, name: str) -> None:
    """Take one away; raise `NotFoundError`."""
    row = session.get(FileRuleRow, (secrets.find(session, secret).id, name))
    if row is None:
        raise NotFoundError(
            f"`{secret}` has no rule `{name}` about files; "
            f"`proxyd secret file-rules {secret}` lists them"
        )
    session.delete(row)


def list_all(session: Session, secret: str) -> list[FileRuleSummary]:
    """Return all of a secret, by name; raise `NotFoundError`."""
    rules = rules_of(session, secrets.find(session, secret))
    return [FileRuleSummary(**structs.asdict(rule)) for rule in rules]


def rules_of(session: Session, secret: SecretRow) -> tuple[FileRule, ...]:
    """Return what the engine judges by."""
    return tuple(map(_rule, _rows(session, secret)))


def _rows(session: Session, secret: SecretRow) -> list[FileRuleRow]:
    query = select(FileRuleRow).where(FileRuleRow.secret_id == secret.id)
    return list(session.scalars(query.order_by(FileRuleRow.name)))


def _rule(row: FileRuleRow) -> FileRule:
    return FileRule(
        name=row.name,
        verdict=FileVerdict(row.verdict),
        directions=tuple(map(Direction, row.directions.split(","))),
        glob=row.glob,
    )
