"""Builds a storage worker: chunks come in, are stored, and are understood."""

from typing import Final

from sqlalchemy import func, select

from config.model import Settings
from control.open_database import open_blob_store
from control.stored import IndexSearch, StoredChunks
from proxyd.control import credentials_dir
from proxyd.metrics import Metrics, watch
from recorder.chunk import Chunk
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
        self._database, self._clock, self._metrics = database, clock, metrics
        self.search = IndexSearch(Search(database))
        self.chunks = StoredChunks(Reader(database, blobs), keys)
        watch(metrics.index_lag_seconds, self.index_lag_s)

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit. Blocking.

        Raises `recorder.errors.ChunkRefusedError` for a chunk that is in quarantine now.
        """
        try:
            return self._worker.store(chunk)
        except errors.ChunkRefusedError as error:
            reason = _REASONS.get(type(error), "damaged")
            self._metrics.chunks_rejected_total.labels(reason=reason).inc()
            raise

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
