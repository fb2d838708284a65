"""Sessions as operators see them, and as engines report on them."""

import datetime as dt
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from control.errors import ConflictError, NotFoundError
from control.requests import ListSessions, SessionSummary
from recorder.events import EndReason
from storage.retention_tables import TombstoneRow
from storage.tables import SessionRow
from storage.writer import is_complete


def find(session: Session, session_id: UUID) -> SessionRow:
    """Return the session; raise `NotFoundError`."""
    row = session.get(SessionRow, session_id)
    if row is None:
        raise NotFoundError(
            f"no session has the id {session_id}; `proxyd session list` shows them"
        )
    return row


def find_locked(session: Session, session_id: UUID) -> SessionRow:
    """Return the session, and keep workers off its row; raise `NotFoundError`."""
    find(session, session_id)
    return session.get_one(SessionRow, session_id, with_for_update=True, populate_existing=True)


def find_recording(session: Session, session_id: UUID) -> SessionRow:
    """Return the session; raise `NotFoundError` where its recording was deleted."""
    row = find(session, session_id)
    if row.deleted_at is not None:
        tombstone = session.get_one(TombstoneRow, session_id)
        raise NotFoundError(
            f"the recording of session {session_id} was deleted at "
            f"{row.deleted_at:%Y-%m-%d %H:%M} UTC by {tombstone.who} ({tombstone.reason}); "
            "the digests of its chunks are kept"
        )
    return row


def find_live(session: Session, session_id: UUID) -> SessionRow:
    """Return the live session; raise `NotFoundError` or `ConflictError`."""
    row = find(session, session_id)
    if row.state != "live":
        raise ConflictError(f"session {session_id} is not live: it is {row.state}")
    return row


def list_all(session: Session, wanted: ListSessions) -> list[SessionSummary]:
    """Return sessions, newest first; raise `NotFoundError` for one that is to be behind."""
    query = narrowed(wanted)
    if wanted.after is not None:
        last = find(session, wanted.after)
        same_moment = (SessionRow.started_at == last.started_at) & (SessionRow.id > last.id)
        query = query.where((SessionRow.started_at < last.started_at) | same_moment)
    return [summary(row) for row in session.scalars(query.limit(wanted.limit))]


def narrowed(wanted: ListSessions) -> Select[SessionRow]:
    """Return the query for sessions, newest first; not what `after` and `limit` say."""
    query = select(SessionRow).order_by(SessionRow.started_at.desc(), SessionRow.id)
    equal = {
        SessionRow.state: "live" if wanted.live else wanted.state,
        SessionRow.user: wanted.user,
        SessionRow.secret: wanted.secret,
        SessionRow.protocol: wanted.protocol,
        SessionRow.site: wanted.site,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(SessionRow.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(SessionRow.started_at < wanted.until)
    return query


def live_of(session: Session, **of: str) -> list[SessionRow]:
    """Return the live sessions of a `user`, a `secret`, a `credential_id`."""
    query = select(SessionRow).where(SessionRow.state == "live").filter_by(**of)
    return list(session.scalars(query))


def ready(session: Session, session_id: UUID, now: dt.datetime) -> None:
    """Note that the target took the login."""
    find(session, session_id).ready_at = now


def fail(session: Session, session_id: UUID, reason: EndReason, now: dt.datetime) -> None:
    """Note that a session ended without a recording, unless chunks of it came after all."""
    row = find_locked(session, session_id)
    if row.state == "live" and row.chunks == 0:
        row.state, row.ended_at, row.end_reason = "interrupted", now, reason


def lose(session: Session, engine_id: str, kept: tuple[UUID, ...], now: dt.datetime) -> int:
    """Mark an engine's live sessions lost, all but those `kept`; return how many."""
    lost = session.execute(
        update(SessionRow)
        .where(
            SessionRow.engine == engine_id,
            SessionRow.state == "live",
            SessionRow.id.not_in(kept),
        )
        .values(state="lost", ended_at=now, end_reason=EndReason.ENGINE_CRASHED)
        .returning(SessionRow.id)
    )
    return len(lost.all())


def summary(row: SessionRow) -> SessionSummary:
    """Return a session as lists show it."""
    return SessionSummary(
        id=row.id,
        protocol=row.protocol,
        state=row.state,
        user=row.user,
        secret=row.secret,
        target=row.target,
        site=row.site,
        engine=row.engine,
        client_address=row.client_address,
        started_at=row.started_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        chunks=row.chunks,
        input_bytes=row.input_bytes,
        output_bytes=row.output_bytes,
        complete=is_complete(row),
        hold_reason=row.hold_reason,
        deleted_at=row.deleted_at,
    )
