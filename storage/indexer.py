"""Makes chunks searchable: the next unindexed chunk of a session -> keyframe and lines.

INVARIANT: of a session one chunk is worked on at a time, the first that waits, and it stays
locked until its lines are there: several workers neither skip a chunk nor do one twice.
"""

import contextlib
import datetime as dt
import threading
import time
from functools import partial
from typing import Final
from uuid import UUID

import sqlalchemy
import structlog
from msgspec import Struct, structs
from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from recorder.data_key import RecordingKeys
from recorder.ports import Clock
from recorder.replay.comprehend import Comprehension, Line, behind_gap, without_screens
from storage.blobs import BlobStore
from storage.child import Child
from storage.database import Database, Steps
from storage.errors import (
    ChildLostError,
    ChildSlowError,
    ChildUnavailableError,
    StorageUnavailableError,
)
from storage.reader import data_key_of
from storage.tables import ChunkRow, KeyframeRow, LineRow, OutlineRow, Table

_NOT_YET, _DONE, _GIVEN_UP = 0, 1, 2
_TRIES = 2
_LEAST_PATIENCE: Final = 1 / 32
"""Of the time limit: a hostile target can make each second of its own cost minutes of ours."""
_MOST_SLOW: Final = 256
_GAP_PATIENCE = dt.timedelta(minutes=10)
"""How long a chunk waits for one before it that has not arrived."""
_LINES_AT_ONCE = 500
"""Lines in one transaction: chunks that arrive meanwhile wait this long, and no longer."""
_LARGE_BYTES: Final = 65536
_KEPT_EVERY: Final = 10
"""Of large keyframes, desktops, one in ten chunks is kept once the next is there."""
_SETTLE_S: Final = 1.0
"""How long a new chunk is left alone: indexing takes the processor away from sessions."""
_IDLE_S: Final = 120.0
"""An unused child is let go after this."""
_RETRY_S = 5.0
_LONGEST_RETRY_S = 300.0
"""How seldom it is tried to start a child that does not start."""
_NOT_UNDERSTOOD: Final = "(proxyd: a chunk could not be understood: lines of it are missing)"
_NEXT = "chunks stay unindexed, and it is tried again; see what keeps processes from starting"

_CHUNKS: Final = Table.metadata.tables[ChunkRow.__tablename__]
_KEYFRAMES: Final = Table.metadata.tables[KeyframeRow.__tablename__]
_LINES: Final = Table.metadata.tables[LineRow.__tablename__]
_OUTLINES: Final = Table.metadata.tables[OutlineRow.__tablename__]


def _next_chunk() -> Select[tuple[UUID, int, int, str]]:
    """Return what finds the oldest chunk before which nothing waits.

    So of a session one chunk is worked on, and one behind a gap once `patience_ends`.
    """
    before, earlier = _CHUNKS.alias(), _CHUNKS.alias()
    waits = exists().where(
        earlier.c.session_id == _CHUNKS.c.session_id,
        earlier.c.sequence < _CHUNKS.c.sequence,
        earlier.c.indexed == _NOT_YET,
    )
    follows = exists().where(
        before.c.session_id == _CHUNKS.c.session_id,
        before.c.sequence == _CHUNKS.c.sequence - 1,
    )
    late = _CHUNKS.c.stored_at < bindparam("patience_ends")
    return (
        select(_CHUNKS.c.session_id, _CHUNKS.c.sequence, _CHUNKS.c.first_ms, _CHUNKS.c.blob)
        .where(
            _CHUNKS.c.indexed == _NOT_YET, ~waits, or_(_CHUNKS.c.sequence == 0, follows, late)
        )
        .order_by(_CHUNKS.c.stored_at, _CHUNKS.c.session_id, _CHUNKS.c.sequence)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _named(table: sqlalchemy.Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return what picks the rows of one chunk."""
    number = table.c.sequence == bindparam("number")
    return table.c.session_id == bindparam("id"), number


def _adding(table: sqlalchemy.Table, **columns: str) -> Insert:
    names = {"session_id": "id", "sequence": "number", **columns}
    return insert(table).values({each: bindparam(name) for each, name in names.items()})


# Built once: every chunk passes through these, and building one costs more than running it.
_NEXT_CHUNK: Final = _next_chunk()
_LAST_KEYFRAME: Final = (
    select(_KEYFRAMES.c.sequence, _KEYFRAMES.c.state)
    .where(
        _KEYFRAMES.c.session_id == bindparam("id"),
        _KEYFRAMES.c.sequence <= bindparam("number"),
    )
    .order_by(_KEYFRAMES.c.sequence.desc())
    .limit(1)
)
_FORGET_LINES: Final = delete(_LINES).where(*_named(_LINES))
_ADD_LINES: Final = insert(_LINES)
_FORGET_OUTLINE: Final = delete(_OUTLINES).where(*_named(_OUTLINES))
_ADD_OUTLINE: Final = _adding(_OUTLINES, outline="outline")
_FORGET_KEYFRAME: Final = delete(_KEYFRAMES).where(*_named(_KEYFRAMES))
_ADD_KEYFRAME: Final = _adding(_KEYFRAMES, state="state")
_MARK: Final = update(_CHUNKS).where(*_named(_CHUNKS)).values(indexed=bindparam("outcome"))

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Job(Struct, frozen=True):
    session_id: UUID
    sequence: int
    state: bytes | None
    first_ms: int
    encoded: bytes | None
    data_key: bytes = b""

    @property
    def name(self) -> dict[str, UUID | int]:
        """Names the chunk in a statement."""
        return {"id": self.session_id, "number": self.sequence}


class Indexer:
    """Works through what is stored and not indexed, oldest first, sessions in order."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        keys: RecordingKeys,
        child: Child | None = None,
        retry_s: float = _RETRY_S,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._keys = keys
        self._child = child or Child()
        self._retry_s = retry_s
        self._patience: dict[UUID, float] = {}
        """Of sessions whose last chunk took too long: the share of time that the next has."""
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def unindexed(self) -> int:
        """Return how many stored chunks still wait; raise `StorageUnavailableError`."""
        query = select(func.count()).where(ChunkRow.indexed == _NOT_YET)
        with self._database.read() as session:
            return session.scalar(query) or 0

    def wake(self) -> None:
        """Say that a chunk was stored. Never waits."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` return soon; a chunk that is not done stays unindexed."""
        self._stopping.set()
        self._wake.set()
        self._child.stop()

    def run(self) -> None:
        """Index until stopped; wait for the database, and for a child, where there is none."""
        waited_s = 0.0
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                idle = not self.index_next()
                waited_s = 0.0
            except StorageUnavailableError as error:
                _log.warning("index.delayed", reason=str(error))
                self._stopping.wait(self._retry_s)
            except ChildUnavailableError as error:
                if not waited_s:
                    _log.error("index.child_unavailable", reason=str(error), next_step=_NEXT)
                waited_s = min(2 * waited_s or self._retry_s, _LONGEST_RETRY_S)
                self._stopping.wait(waited_s)
            else:
                if idle:
                    self._rest()
        self._child.stop()

    def _rest(self) -> None:
        """Wait for a chunk, and then a little: what brought it may still be at work."""
        if self._wake.wait(_IDLE_S):
            self._stopping.wait(_SETTLE_S)
        else:
            self._child.stop()

    def index_next(self) -> bool:
        """Index one chunk; return whether there was one.

        Raises `StorageUnavailableError` or `ChildUnavailableError`; the chunk is then still
        to be done.
        """
        with self._database.claiming() as within:
            job = within(self._take)
            if job is None:
                return False
            outcome = _DONE
            comprehension = self._understood(job)
            if comprehension is None:
                outcome = _GIVEN_UP
                comprehension = self._salvaged(job)
            if self._stopping.is_set():
                return False
            _keep(within, job, comprehension, outcome)
            return True

    def _take(self, session: Session) -> _Job | None:
        """Return the next job, and keep other workers off its chunk."""
        patience_ends = self._clock.now() - _GAP_PATIENCE
        row = session.execute(_NEXT_CHUNK, {"patience_ends": patience_ends}).first()
        if row is None:
            return None
        encoded = self._blobs.get(session, row.blob)
        return _Job(
            session_id=row.session_id,
            sequence=row.sequence,
            state=_state_before(session, row.session_id, row.sequence),
            first_ms=row.first_ms,
            encoded=encoded,
            data_key=b"" if encoded is None else data_key_of(encoded, self._keys),
        )

    def _understood(self, job: _Job) -> Comprehension | None:
        if job.encoded is None:
            self._give_up(job, "its bytes are gone from the blob store")
            return None
        share = self._patience.get(job.session_id, 1.0)
        for attempt in range(1, _TRIES + 1):
            try:
                done = self._child.comprehend(
                    job.state, job.encoded, job.data_key, share_of_time=share
                )
            except ChildLostError as error:
                if self._stopping.is_set():
                    return None
                is_slow = isinstance(error, ChildSlowError)
                if is_slow:
                    self._lose_patience(job.session_id, share)
                if is_slow or attempt == _TRIES:
                    self._give_up(job, str(error))
                    return None
            else:
                self._patience.pop(job.session_id, None)
                return done
        return None

    def _lose_patience(self, session_id: UUID, share: float) -> None:
        """Let the next chunks of a session take less time: other sessions wait meanwhile."""
        self._patience[session_id] = max(share / 2, _LEAST_PATIENCE)
        if len(self._patience) > _MOST_SLOW:
            del self._patience[next(iter(self._patience))]

    def _salvaged(self, job: _Job) -> Comprehension:
        """Return what was typed, run and sent, without screens; at worst that it lacks."""
        told = Line(at_ms=job.first_ms, kind="output", channel=None, text=_NOT_UNDERSTOOD)
        if job.encoded is not None and not self._stopping.is_set():
            with contextlib.suppress(ChildLostError):
                done = self._child.comprehend(
                    job.state,
                    job.encoded,
                    job.data_key,
                    with_screens=False,
                    share_of_time=self._patience.get(job.session_id, 1.0),
                )
                return structs.replace(done, lines=[told, *done.lines])
        return Comprehension(state=without_screens(job.state), lines=[told])

    def _give_up(self, job: _Job, reason: str) -> None:
        _log.error(
            "chunk.not_indexed",
            session=str(job.session_id),
            sequence=job.sequence,
            reason=reason,
        )


def _state_before(session: Session, session_id: UUID, sequence: int) -> bytes | None:
    """Return what the chunk before left; behind a gap, what the last one before that did."""
    if not sequence:
        return None
    newest = session.execute(_LAST_KEYFRAME, {"id": session_id, "number": sequence}).first()
    if newest is None or newest.sequence == sequence:
        return None if newest is None else newest.state
    return behind_gap(newest.state)


def _keep(within: Steps, job: _Job, comprehension: Comprehension, outcome: int) -> None:
    """Replace the chunk's lines, in several steps; the last one says that it is done."""
    lines = comprehension.lines
    starts = range(0, max(1, len(lines)), _LINES_AT_ONCE)
    for start in starts:
        step = partial(
            _put,
            job=job,
            lines=lines[start : start + _LINES_AT_ONCE],
            forgets=start == starts[0],
            closes=(comprehension, outcome) if start == starts[-1] else None,
        )
        within(step)
        # SQLite's lock is not fair: let a chunk that waits to be stored go first.
        time.sleep(0.001)


def _put(
    session: Session,
    job: _Job,
    lines: list[Line],
    forgets: bool,  # noqa: FBT001 - bound by name
    closes: tuple[Comprehension, int] | None,
) -> None:
    if forgets:
        session.execute(_FORGET_LINES, job.name)
    if lines:
        _insert(session, job, lines)
    if closes:
        _close(session, job, *closes)


def _insert(session: Session, job: _Job, lines: list[Line]) -> None:
    rows = [
        {
            "session_id": job.session_id,
            "sequence": job.sequence,
            "at_ms": line.at_ms,
            "kind": line.kind,
            "channel": line.channel,
            "text": line.text,
        }
        for line in lines
    ]
    session.execute(_ADD_LINES, rows)


def _close(session: Session, job: _Job, understood: Comprehension, outcome: int) -> None:
    if understood.outline:
        session.execute(_FORGET_OUTLINE, job.name)
        session.execute(_ADD_OUTLINE, {**job.name, "outline": understood.outline})
    following = {"id": job.session_id, "number": job.sequence + 1}
    session.execute(_FORGET_KEYFRAME, following)
    session.execute(_ADD_KEYFRAME, {**following, "state": understood.state})
    if job.state is not None and len(job.state) > _LARGE_BYTES and job.sequence % _KEPT_EVERY:
        session.execute(_FORGET_KEYFRAME, job.name)
    session.execute(_MARK, {**job.name, "outcome": outcome})
