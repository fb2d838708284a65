"""Who did what: one row an act, in the transaction of the act itself.

Logs are not this. A row is as durable as what it tells of.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.audit_requests import AuditEntry, ListAudit
from storage.database import Database
from storage.tables import AuditRow


class Act:
    """Someone acting now; writes down what they do."""

    def __init__(self, who: str, at: dt.datetime) -> None:
        self.who = who
        self.at = at

    def note(self, session: Session, action: str, subject: str, detail: str = "") -> None:
        """Write down that `action` (`noun.past_verb`) happened to `subject`."""
        session.add(
            AuditRow(at=self.at, who=self.who, action=action, subject=subject, detail=detail)
        )


class AuditOperations:
    """What operators ask of the trail. Reading it leaves no trace in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Any]]:
        """Say which request is whose."""
        return {ListAudit: self.list}

    def list(self, request: ListAudit, _who: str) -> Iterable[AuditEntry]:
        """List acts, newest first."""
        with self._database.read() as session:
            return list_all(session, request)


def list_all(session: Session, request: ListAudit) -> list[AuditEntry]:
    """Return the acts that were asked for, newest first."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(request.limit)
    wanted = {AuditRow.who: request.who, AuditRow.subject: request.subject}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if request.action is not None:
        noun = request.action + "."
        of_noun = AuditRow.action.startswith(noun, autoescape=True)
        query = query.where((AuditRow.action == request.action) | of_noun)
    if request.since is not None:
        query = query.where(AuditRow.at >= request.since)
    if request.until is not None:
        query = query.where(AuditRow.at <= request.until)
    return [entry(row) for row in session.scalars(query)]


def entry(row: AuditRow) -> AuditEntry:
    """Return a row as it is shown."""
    return AuditEntry(
        id=row.id,
        at=row.at,
        who=row.who,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
    )
