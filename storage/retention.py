"""Deletes recordings that are old enough, and leaves a trace of each.

What goes is the bytes, the index and the screens. What stays is the session, the digest of
every chunk, a tombstone and a row in the audit trail: whoever holds a copy, or the log of
sessions, can still prove what was there.

INVARIANT: a held session is never deleted. Hold and deletion take the lock of its row.
INVARIANT: the trace commits before anything is gone; what was cut short is taken up again.
"""

import datetime as dt
import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Literal
from uuid import UUID

import structlog
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from recorder.ports import Clock
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.orphans import Orphans
from storage.retention_tables import RetentionRow, TombstoneRow
from storage.tables import (
    AuditRow,
    ChunkRow,
    KeyframeRow,
    LineRow,
    OutlineRow,
    SessionRow,
)

Scope = Literal["default", "site", "secret"]
SCHEDULE: Final = "retention"
"""Who deletes where no operator asked for it."""
_CHUNKS_AT_ONCE: Final = 100
_LINES_AT_ONCE: Final = 2000
"""What one transaction deletes: a chunk that arrives meanwhile waits no longer than that."""
_GONE: Final = ""
_GIVEN_UP: Final = 2

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Rule(Struct, frozen=True, kw_only=True):
    """How long recordings are kept: a secret's goes before its site's, that before all."""

    scope: Scope
    name: str
    """Of the secret or site; empty for the default."""
    days: int | None
    """After the end of a session. None: for ever."""


class Deleted(Struct, frozen=True, kw_only=True):
    """A recording that is gone, or would be."""

    session_id: UUID
    reason: str
    """The rule."""
    ended_at: dt.datetime


class Retention:
    """Applies the rules. Blocking; every method raises `StorageUnavailableError`."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._stopping = threading.Event()
        self.orphans = Orphans(database, blobs, clock)

    def due(self, limit: int = 1000) -> list[Deleted]:
        """Return what the rules would delete now, oldest first."""
        with self._database.read() as session:
            return _due(session, self._clock.now(), limit)

    def run(self, who: str = SCHEDULE) -> Iterator[Deleted]:
        """Delete all that is due, beginning with what was cut short; yield each when gone."""
        for session_id in self._unfinished():
            self._empty(session_id)
        while found := self.due():
            begun = [one for one in found if self._begin(one, who)]
            for one in begun:
                self._empty(one.session_id)
                yield one
            if not begun:
                return

    def run_every(self, interval_s: float) -> None:
        """Run now and then until stopped; what the database does not allow waits."""
        while not self._stopping.wait(interval_s):
            try:
                for one in self.run():
                    _log.info(
                        "recording.deleted", session=str(one.session_id), reason=one.reason
                    )
                    if self._stopping.is_set():
                        return
            except StorageUnavailableError as error:
                _log.warning("retention.delayed", reason=str(error))

    def stop(self) -> None:
        """Let `run_every` return soon."""
        self._stopping.set()

    def _begin(self, one: Deleted, who: str) -> bool:
        """Leave the trace; False where somebody was faster, be it with a hold."""
        now = self._clock.now()

        def work(session: Session) -> bool:
            row = session.get_one(SessionRow, one.session_id, with_for_update=True)
            if row.hold_reason is not None or row.deleted_at is not None:
                return False
            row.deleted_at = now
            session.add(_tombstone(session, one, who, now))
            session.add(
                AuditRow(
                    at=now,
                    who=who,
                    action="recording.deleted",
                    subject=str(one.session_id),
                    detail=one.reason,
                )
            )
            session.execute(
                update(ChunkRow)
                .where(ChunkRow.session_id == one.session_id, ChunkRow.indexed == 0)
                .values(indexed=_GIVEN_UP)
            )
            return True

        return self._database.write(work)

    def _unfinished(self) -> list[UUID]:
        query = select(TombstoneRow.session_id).where(TombstoneRow.finished_at.is_(None))
        with self._database.read() as session:
            return list(session.scalars(query))

    def _empty(self, session_id: UUID) -> None:
        """Delete piece by piece."""
        steps: tuple[Callable[..., bool], ...] = (
            self._delete_blobs,
            _delete_lines,
            _delete_keyframes,
            _delete_outlines,
            self._finish,
        )
        for step in steps:
            while self._database.write(partial(step, session_id=session_id)):
                pass

    def _delete_blobs(self, session: Session, session_id: UUID) -> bool:
        query = (
            select(ChunkRow)
            .where(ChunkRow.session_id == session_id, ChunkRow.blob != _GONE)
            .order_by(ChunkRow.sequence)
            .limit(_CHUNKS_AT_ONCE)
            .with_for_update()
        )
        rows = list(session.scalars(query))
        self._blobs.delete(session, [row.blob for row in rows])
        for row in rows:
            row.blob = _GONE
        return bool(rows)

    def _finish(self, session: Session, session_id: UUID) -> bool:
        session.get_one(TombstoneRow, session_id).finished_at = self._clock.now()
        return False


def rules(session: Session) -> list[Rule]:
    """Return every rule."""
    query = select(RetentionRow).order_by(RetentionRow.scope, RetentionRow.name)
    return [
        Rule(scope=_scope(row.scope), name=row.name, days=row.days)
        for row in session.scalars(query)
    ]


def set_rule(session: Session, rule: Rule) -> None:
    """Put a rule in the place of the one with the same scope and name, if any."""
    unset_rule(session, rule.scope, rule.name)
    session.add(RetentionRow(scope=rule.scope, name=rule.name, days=rule.days))


def unset_rule(session: Session, scope: Scope, name: str) -> bool:
    """Remove a rule; return whether there was one."""
    gone = session.execute(
        delete(RetentionRow)
        .where(RetentionRow.scope == scope, RetentionRow.name == name)
        .returning(RetentionRow.scope)
    )
    return bool(gone.all())


def _due(session: Session, now: dt.datetime, limit: int) -> list[Deleted]:
    every = rules(session)
    found: list[Deleted] = []
    for rule in every:
        if rule.days is None:
            continue
        query = _expired(rule, every, now - dt.timedelta(days=rule.days)).limit(limit)
        found += [
            Deleted(session_id=row.id, reason=_in_words(rule), ended_at=row.ended_at)
            for row in session.execute(query)
        ]
    return sorted(found, key=lambda one: one.ended_at)[:limit]


def _expired(rule: Rule, every: list[Rule], before: dt.datetime) -> Select[UUID, dt.datetime]:
    # A session that was lost with its engine has no better end than this.
    ended_at = func.coalesce(SessionRow.ended_at, SessionRow.started_at)
    return (
        select(SessionRow.id, ended_at.label("ended_at"))
        .where(_is_subject_to(rule, every), ended_at < before)
        .where(
            SessionRow.state != "live",
            SessionRow.hold_reason.is_(None),
            SessionRow.deleted_at.is_(None),
        )
        .order_by(ended_at, SessionRow.id)
    )


def _is_subject_to(rule: Rule, every: list[Rule]) -> ColumnElement[bool]:
    secrets = [other.name for other in every if other.scope == "secret"]
    sites = [other.name for other in every if other.scope == "site"]
    match rule.scope:
        case "secret":
            return SessionRow.secret == rule.name
        case "site":
            return and_(SessionRow.site == rule.name, SessionRow.secret.not_in(secrets))
        case "default":
            return ~or_(SessionRow.secret.in_(secrets), SessionRow.site.in_(sites))


def _in_words(rule: Rule) -> str:
    return f"{rule.scope} {rule.name}".strip() + f": {rule.days} days"


def _scope(text: str) -> Scope:
    scopes: dict[str, Scope] = {"default": "default", "site": "site", "secret": "secret"}
    return scopes[text]


def _tombstone(session: Session, one: Deleted, who: str, now: dt.datetime) -> TombstoneRow:
    query = (
        select(ChunkRow.digest, ChunkRow.size_bytes)
        .where(ChunkRow.session_id == one.session_id)
        .order_by(ChunkRow.sequence)
    )
    chunks = list(session.execute(query))
    return TombstoneRow(
        session_id=one.session_id,
        deleted_at=now,
        finished_at=None,
        who=who,
        reason=one.reason,
        chunks=len(chunks),
        size_bytes=sum(size for _, size in chunks),
        root=hashlib.sha256(b"".join(digest for digest, _ in chunks)).digest(),
    )


def _delete_lines(session: Session, session_id: UUID) -> bool:
    some = (
        select(LineRow.id).where(LineRow.session_id == session_id).limit(_LINES_AT_ONCE)
    ).scalar_subquery()
    gone = session.execute(delete(LineRow).where(LineRow.id.in_(some)).returning(LineRow.id))
    return bool(gone.all())


def _delete_keyframes(session: Session, session_id: UUID) -> bool:
    some = (
        select(KeyframeRow.sequence)
        .where(KeyframeRow.session_id == session_id)
        .limit(_CHUNKS_AT_ONCE)
    ).scalar_subquery()
    gone = session.execute(
        delete(KeyframeRow)
        .where(KeyframeRow.session_id == session_id, KeyframeRow.sequence.in_(some))
        .returning(KeyframeRow.sequence)
    )
    return bool(gone.all())


def _delete_outlines(session: Session, session_id: UUID) -> bool:
    session.execute(delete(OutlineRow).where(OutlineRow.session_id == session_id))
    return False
