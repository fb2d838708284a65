"""The storage worker: stores what the bus brings, makes it searchable, deletes what is old."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from recorder.chunk import Chunk
from recorder.data_key import RecordingKeys
from recorder.ports import Clock, StorageReceipt
from recorder.thread_names import show_thread_name
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import ChunkRefusedError
from storage.indexer import Indexer
from storage.retention import Retention
from storage.signers import SignersOfMany
from storage.writer import Writer

_HOUR_S: Final = 3600.0


class Worker:
    """Joins the writer, which receipts wait for, and the indexer, which nobody waits for."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        keys: RecordingKeys,
        signers: SignersOfMany,
        retention_interval_s: float = _HOUR_S,
    ) -> None:
        self._writer = Writer(database, blobs, clock, keys, signers)
        self._indexer = Indexer(database, blobs, clock, keys)
        self.retention = Retention(database, blobs, clock)
        self._retention_interval_s = retention_interval_s

    def store_all(self, chunks: Sequence[Chunk]) -> list[StorageReceipt | ChunkRefusedError]:
        """Store what has come in one transaction; see `Writer.store_all`. Blocking."""
        outcomes = self._writer.store_all(chunks)
        self._indexer.wake()
        return outcomes

    def unindexed(self) -> int:
        """Return how many stored chunks are not searchable yet."""
        return self._indexer.unindexed()

    async def run(self) -> None:
        """Index until cancelled, beginning with what an earlier run left; delete by the way."""
        deleting = partial(self.retention.run_every, self._retention_interval_s)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_on_a_thread("indexer", self._indexer.run, self._indexer.stop))
            tasks.create_task(_on_a_thread("retention", deleting, self.retention.stop))


async def _on_a_thread(name: str, work: Callable[[], None], stop: Callable[[], None]) -> None:
    """Do blocking work until cancelled; then stop it, and wait for it."""
    with ThreadPoolExecutor(1, name, show_thread_name) as threads:
        running = asyncio.get_running_loop().run_in_executor(threads, work)
        try:
            await asyncio.shield(running)
        finally:
            stop()
            await asyncio.wait([running])
