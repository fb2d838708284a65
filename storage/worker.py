"""The storage worker: stores what the bus brings, and makes it searchable behind that."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from recorder.chunk import Chunk
from recorder.data_key import RecordingKeys
from recorder.ports import Clock, StorageReceipt
from recorder.signing import KnownSigners
from recorder.thread_names import show_thread_name
from storage.blobs import BlobStore
from storage.database import Database
from storage.indexer import Indexer
from storage.writer import Writer


class Worker:
    """Joins the writer, which receipts wait for, and the indexer, which nobody waits for."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        keys: RecordingKeys,
        signers: KnownSigners,
    ) -> None:
        self._writer = Writer(database, blobs, clock, keys, signers)
        self._indexer = Indexer(database, blobs, clock, keys)

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit; see `Writer.store`. Blocking."""
        receipt = self._writer.store(chunk)
        self._indexer.wake()
        return receipt

    def unindexed(self) -> int:
        """Return how many stored chunks are not searchable yet."""
        return self._indexer.unindexed()

    async def run(self) -> None:
        """Index until cancelled, beginning with what an earlier run left."""
        with ThreadPoolExecutor(1, "indexer", show_thread_name) as threads:
            work = asyncio.get_running_loop().run_in_executor(threads, self._indexer.run)
            try:
                await asyncio.shield(work)
            finally:
                self._indexer.stop()
                await asyncio.wait([work])
