"""Builds a storage worker: chunks come in, are stored, and are understood."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from bus.contract import ChunkStored
from bus.errors import BusUnavailableError
from config.model import Settings
from control.audit import Act
from control.open_database import open_blob_store
from control.playback import Playback
from control.stored import IndexSearch, StoredChunks
from proxyd.metrics import Metrics, watch
from proxyd.surroundings import credentials_dir
from recorder.chunk import Chunk, ChunkHeader
from recorder.data_key import RecordingKeys
from recorder.ports import Clock, StorageReceipt
from storage import errors
from storage.database import Database
from storage.reader import Reader
from storage.search import Search
from storage.signers import StoredSigners
from storage.tables import ChunkRow
from storage.worker import Worker as StorageWorker

_REASONS: Final = {
    errors.ChunkConflictError: "conflict",
    errors.UntrustedChunkError: "untrusted",
}


class Worker:
    """One storage worker, and the ways to read what it stored."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        keys: RecordingKeys,
    ) -> None:
        blobs = open_blob_store(settings, credentials_dir())
        self._worker = StorageWorker(
            database, blobs, clock, keys, StoredSigners(database), settings.retention.interval_s
        )
        self.retention = self._worker.retention
        self._database, self._clock, self.metrics = database, clock, metrics
        reader, search = Reader(database, blobs), Search(database)
        self.search = IndexSearch(search, self.unindexed_chunks)
        self.chunks = StoredChunks(reader, keys)
        self.playback = Playback(reader, search, keys)
        watch(metrics.index_lag_seconds, self.index_lag_s)

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit. Blocking.

        Raises `recorder.errors.ChunkRefusedError` for a chunk that is in quarantine now, and
        `BusUnavailableError` while the store cannot be used.
        """
        (outcome,) = self.store_all([chunk])
        if isinstance(outcome, errors.ChunkRefusedError):
            raise outcome
        return outcome

    def store_all(
        self, chunks: Sequence[Chunk]
    ) -> list[StorageReceipt | errors.ChunkRefusedError]:
        """Store chunks in one transaction; return, in their order, what `store` would.

        Blocking. Raises `BusUnavailableError`; then none of them counts as stored.
        """
        with _storage_reached():
            outcomes = self._worker.store_all(chunks)
        for outcome in outcomes:
            if isinstance(outcome, errors.ChunkRefusedError):
                reason = _REASONS.get(type(outcome), "damaged")
                self.metrics.chunks_rejected_total.labels(reason=reason).inc()
        return outcomes

    def probe(self) -> None:
        """Raise `BusUnavailableError` where nothing could be stored now. Blocking."""
        with _storage_reached(), self._database.read() as session:
            session.execute(select(1))

    def missing_before(self, headers: Sequence[ChunkHeader]) -> list[tuple[int, int] | None]:
        """Return for each the span of the chunks between the last one stored and it.

        Blocking; raises `BusUnavailableError`.
        """
        before = [(each.session_id, each.sequence - 1) for each in headers]
        with _storage_reached(), self._database.read() as session:
            name = tuple_(ChunkRow.session_id, ChunkRow.sequence)
            query = select(ChunkRow.session_id, ChunkRow.sequence).where(name.in_(before))
            there = {(id_, sequence) for id_, sequence in session.execute(query)}
            return [
                None
                if each.sequence == 0 or (each.session_id, each.sequence - 1) in there
                else _span_before(session, each)
                for each in headers
            ]

    def mark_gap(self, after: ChunkStored, span: tuple[int, int]) -> None:
        """Note that these chunks will not come. Blocking; raises `BusUnavailableError`."""
        self.metrics.recording_gaps_total.inc()
        first, last = span
        with _storage_reached(), self._database.transaction() as session:
            act = Act("storage worker", self._clock.now())
            detail = f"chunks {first} to {last} are missing, and their engine has them not"
            act.note(session, "recording.gap", str(after.session_id), detail)

    async def run(self) -> None:
        """Index, and delete what is old enough, until cancelled."""
        await self._worker.run()

    def unindexed_chunks(self) -> int:
        """Return how many stored chunks cannot be searched yet. Blocking."""
        return self._worker.unindexed()

    def index_lag_s(self) -> float:
        """Return how long the oldest of them has waited. Blocking."""
        query = select(func.min(ChunkRow.stored_at)).where(ChunkRow.indexed == 0)
        with self._database.read() as session:
            oldest = session.scalar(query)
        return 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()


def _span_before(session: Session, header: ChunkHeader) -> tuple[int, int]:
    before = (ChunkRow.session_id == header.session_id, ChunkRow.sequence < header.sequence)
    newest = session.scalar(select(func.max(ChunkRow.sequence)).where(*before))
    return 0 if newest is None else newest + 1, header.sequence - 1


@contextmanager
def _storage_reached() -> Iterator[None]:
    try:
        yield
    except errors.StorageUnavailableError as error:
        raise BusUnavailableError(str(error)) from error
