"""Sessions whose engine does not come back: they must not look live for ever.

An engine that starts again tells which sessions it still holds. One that burnt down tells
nothing; so a session of which nothing was heard for a day, neither a chunk nor its engine,
is `lost`. What arrives of it after all is stored, and the session is live, or ended, again:
see `storage.writer`.
"""

import asyncio
import datetime as dt
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from control.audit import Act
from control.node_keys import CONTROL
from recorder.ports import Clock
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.tables import ChunkRow, EngineRow, SessionRow
from storage.writer import ENGINE_SILENT

LOOK_S: Final = 300.0
"""How often to look, and how long after the start: engines that were waiting for control
have been heard by then."""

_log = structlog.get_logger()


def lose_silent(session: Session, silent_s: float, now: dt.datetime) -> list[UUID]:
    """Mark lost the live sessions that nothing was heard of for so long; return them."""
    newest = (
        select(ChunkRow.session_id, func.max(ChunkRow.stored_at).label("at"))
        .group_by(ChunkRow.session_id)
        .subquery()
    )
    heard_at = func.coalesce(newest.c.at, SessionRow.ready_at, SessionRow.started_at)
    told_at = func.coalesce(EngineRow.keys_told_at, EngineRow.approved_at)
    before = now - dt.timedelta(seconds=silent_s)
    query = (
        select(SessionRow, heard_at.label("heard_at"))
        .outerjoin(newest, newest.c.session_id == SessionRow.id)
        .outerjoin(EngineRow, EngineRow.id == SessionRow.engine)
        .where(SessionRow.state == "live", heard_at < before)
        .where(EngineRow.id.is_(None) | (told_at < before))
        .with_for_update(of=SessionRow)
    )
    lost = []
    for row, at in session.execute(query).all():
        row.state, row.ended_at, row.end_reason = "lost", at, ENGINE_SILENT
        Act(CONTROL, now).note(
            session, "session.lost", str(row.id), f"engine {row.engine} does not come back"
        )
        lost.append(row.id)
    return lost


async def follow_silence(database: Database, silent_s: float, clock: Clock) -> None:
    """Mark lost what is lost, until cancelled."""

    def look() -> list[UUID]:
        with database.transaction() as session:
            return lose_silent(session, silent_s, clock.now())

    while True:
        await asyncio.sleep(LOOK_S)
        try:
            lost = await asyncio.to_thread(look)
        except StorageUnavailableError as error:
            _log.warning("silence.unseen", reason=str(error))
            continue
        for session_id in lost:
            _log.error(
                "session.lost",
                session_id=str(session_id),
                next_step="bring its engine back: what its spool holds is stored even now",
            )
