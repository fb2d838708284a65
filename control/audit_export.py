"""Copies the audit trail to a syslog server, every row and in order.

INVARIANT: a row counts as copied only after it was handed over; the place is kept in the
database, so an outage or a restart on either side delays rows and loses none. After a
crash the last batch may go out twice: the `id` in each message tells.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from config.errors import ConfigError
from config.model import AuditSettings
from control import audit
from control.audit_requests import AuditEntry
from control.syslog import message
from control.syslog_link import SyslogLink, linked
from recorder.ports import Clock
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.tables import AuditExportRow, AuditRow

BATCH_ROWS: Final = 100
"""An outage of a week is caught up a batch at a time: memory stays bounded."""
_POLL_S: Final = 1.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 1.0, 60.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class AuditExport:
    """One destination."""

    def __init__(self, settings: AuditSettings, database: Database, clock: Clock) -> None:
        self._settings, self._database, self._clock = settings, database, clock
        self._hostname = socket.getfqdn() or "-"
        self.problem = ""
        """Why the last try failed; empty where it did not."""

    async def run(self) -> None:
        """Copy rows until cancelled. Nothing that goes wrong out there ends it."""
        if not self._settings.syslog:
            return
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                async with linked(self._settings) as link:
                    delay_s = _FIRST_DELAY_S
                    await self._copy(link)
            except (OSError, TimeoutError, StorageUnavailableError, ConfigError) as error:
                self._failed(error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def unexported_s(self) -> float:
        """Return how long the oldest row that was not copied has waited. Blocking."""
        if not self._settings.syslog:
            return 0.0
        with self._database.read() as session:
            after = select(func.min(AuditRow.id)).where(AuditRow.id > self._place(session))
            oldest = session.get(AuditRow, session.scalar(after) or 0)
        return 0.0 if oldest is None else (self._clock.now() - oldest.at).total_seconds()

    async def _copy(self, link: SyslogLink) -> None:
        while True:
            entries = await asyncio.to_thread(self._next)
            if entries:
                await link.send([message(one, self._hostname) for one in entries])
                await asyncio.to_thread(self._arrived, entries[-1].id)
                self._works()
            else:
                await asyncio.sleep(_POLL_S)

    def _next(self) -> Sequence[AuditEntry]:
        with self._database.read() as session:
            place = self._place(session)
            newest = session.scalar(select(func.max(AuditRow.id))) or 0
        if newest <= place:
            return ()
        with self._database.transaction() as session:
            _settle(session)
            rows = session.scalars(
                select(AuditRow)
                .where(AuditRow.id > place)
                .order_by(AuditRow.id)
                .limit(BATCH_ROWS)
            )
            return [audit.entry(row) for row in rows]

    def _place(self, session: Session) -> int:
        row = session.get(AuditExportRow, self._settings.syslog)
        return 0 if row is None else row.last_id

    def _arrived(self, last_id: int) -> None:
        with self._database.transaction() as session:
            session.merge(
                AuditExportRow(
                    destination=self._settings.syslog,
                    last_id=last_id,
                    exported_at=self._clock.now(),
                )
            )

    def _failed(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if why != self.problem:
            _log.warning(
                "audit.unexported",
                syslog=self._settings.syslog,
                error=why,
                next_step="rows wait in the database and follow; see that the server runs",
            )
        self.problem = why

    def _works(self) -> None:
        if self.problem:
            _log.info("audit.exported_again", syslog=self._settings.syslog)
        self.problem = ""


def _settle(session: Session) -> None:
    """Wait until no row can still come in with a smaller number than one that is there.

    SQLite has one writer. PostgreSQL gives numbers before the commit: this lock is had
    when all who write rows have committed.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE audit IN SHARE MODE"))
