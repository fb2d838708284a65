"""Makes chunks searchable: the next unindexed chunk of a session -> keyframe and lines.

INVARIANT: of a session one chunk is worked on at a time, the first that waits, and it stays
locked until its lines are there: several workers neither skip a chunk nor do one twice.
"""

import contextlib
import datetime as dt
import threading
import time
from functools import partial
from itertools import islice
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct
from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from recorder.data_key import RecordingKeys
from recorder.ports import Clock
from recorder.replay.comprehend import Comprehension, Line, behind_gap, without_screens
from storage.blobs import BlobStore
from storage.child import Child
from storage.database import Database, Steps
from storage.errors import ChildLostError, ChildUnavailableError, StorageUnavailableError
from storage.reader import data_key_of
from storage.tables import ChunkRow, KeyframeRow, LineRow, OutlineRow

_NOT_YET, _DONE, _GIVEN_UP = 0, 1, 2
_TRIES = 2
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
_NEXT = "chunks stay unindexed, and it is tried again; see what keeps processes from starting"

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Job(Struct, frozen=True):
    session_id: UUID
    sequence: int
    state: bytes | None
    encoded: bytes | None
    data_key: bytes = b""


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
        query = (
            select(ChunkRow)
            .where(ChunkRow.indexed == _NOT_YET, self._is_its_turn())
            .order_by(ChunkRow.stored_at, ChunkRow.session_id, ChunkRow.sequence)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = session.scalar(query)
        if row is None:
            return None
        encoded = self._blobs.get(session, row.blob)
        return _Job(
            session_id=row.session_id,
            sequence=row.sequence,
            state=_state_before(session, row),
            encoded=encoded,
            data_key=b"" if encoded is None else data_key_of(encoded, self._keys),
        )

    def _is_its_turn(self) -> ColumnElement[bool]:
        """Whether nothing before it waits, so that of a session one chunk is worked on."""
        before = aliased(ChunkRow)
        earlier = aliased(ChunkRow)
        waits = exists().where(
            earlier.session_id == ChunkRow.session_id,
            earlier.sequence < ChunkRow.sequence,
            earlier.indexed == _NOT_YET,
        )
        follows = exists().where(
            before.session_id == ChunkRow.session_id,
            before.sequence == ChunkRow.sequence - 1,
        )
        patience_ends = self._clock.now() - _GAP_PATIENCE
        return ~waits & or_(ChunkRow.sequence == 0, follows, ChunkRow.stored_at < patience_ends)

    def _understood(self, job: _Job) -> Comprehension | None:
        if job.encoded is None:
            self._give_up(job, "its bytes are gone from the blob store")
            return None
        for attempt in range(1, _TRIES + 1):
            try:
                return self._child.comprehend(job.state, job.encoded, job.data_key)
            except ChildLostError as error:
                if self._stopping.is_set():
                    return None
                if attempt == _TRIES:
                    self._give_up(job, str(error))
        return None

    def _salvaged(self, job: _Job) -> Comprehension:
        """Return what was typed, run and sent, without screens; at worst nothing."""
        if job.encoded is not None and not self._stopping.is_set():
            with contextlib.suppress(ChildLostError):
                return self._child.comprehend(
                    job.state, job.encoded, job.data_key, with_screens=False
                )
        return Comprehension(state=without_screens(job.state), lines=[])

    def _give_up(self, job: _Job, reason: str) -> None:
        _log.error(
            "chunk.not_indexed",
            session=str(job.session_id),
            sequence=job.sequence,
            reason=reason,
        )


def _state_before(session: Session, row: ChunkRow) -> bytes | None:
    """Return what the chunk before left; behind a gap, what the last one before that did."""
    frame = session.get(KeyframeRow, (row.session_id, row.sequence))
    if frame is not None or not row.sequence:
        return None if frame is None else frame.state
    older = session.scalar(
        select(KeyframeRow)
        .where(KeyframeRow.session_id == row.session_id, KeyframeRow.sequence < row.sequence)
        .order_by(KeyframeRow.sequence.desc())
        .limit(1)
    )
    return None if older is None else behind_gap(older.state)


def _keep(within: Steps, job: _Job, comprehension: Comprehension, outcome: int) -> None:
    """Replace the chunk's lines, in several steps; the last one says that it is done."""
    within(lambda session: _forget_lines(session, job))
    lines = iter(comprehension.lines)
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        within(partial(_insert, job=job, lines=batch))
        # SQLite's lock is not fair: let a chunk that waits to be stored go first.
        time.sleep(0.001)
    within(lambda session: _close(session, job, comprehension, outcome))


def _forget_lines(session: Session, job: _Job) -> None:
    session.execute(
        delete(LineRow).where(
            LineRow.session_id == job.session_id, LineRow.sequence == job.sequence
        )
    )


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
    session.execute(insert(LineRow), rows)


def _close(session: Session, job: _Job, understood: Comprehension, outcome: int) -> None:
    if understood.outline:
        session.merge(
            OutlineRow(
                session_id=job.session_id, sequence=job.sequence, outline=understood.outline
            )
        )
    following = job.sequence + 1
    session.execute(
        delete(KeyframeRow).where(
            KeyframeRow.session_id == job.session_id, KeyframeRow.sequence == following
        )
    )
    session.add(
        KeyframeRow(session_id=job.session_id, sequence=following, state=understood.state)
    )
    if job.state is not None and len(job.state) > _LARGE_BYTES and job.sequence % _KEPT_EVERY:
        session.execute(
            delete(KeyframeRow).where(
                KeyframeRow.session_id == job.session_id, KeyframeRow.sequence == job.sequence
            )
        )
    session.execute(
        update(ChunkRow)
        .where(ChunkRow.session_id == job.session_id, ChunkRow.sequence == job.sequence)
        .values(indexed=outcome)
    )
