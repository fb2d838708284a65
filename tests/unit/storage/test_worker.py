import asyncio
import contextlib
import time

from samples.chunks import INFO, KEYS, SESSION, Signers, chunk, three_chunks

from recorder.clock import SystemClock
from recorder.events import ChannelRequested, EndReason, SessionEnded, SessionStarted
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.search import Search
from storage.worker import Worker


@contextlib.asynccontextmanager
async def running(worker: Worker):
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(worker.run())
        yield
        task.cancel()


async def searchable(worker: Worker) -> None:
    def wait() -> None:
        deadline = time.monotonic() + 20
        while worker.unindexed() and time.monotonic() < deadline:
            time.sleep(0.02)

    await asyncio.to_thread(wait)
    assert worker.unindexed() == 0


async def test_what_is_stored_becomes_searchable(database: Database):
    worker = Worker(database, DatabaseBlobs(), SystemClock(), KEYS, Signers())
    first = chunk(
        [
            SessionStarted(at_ms=0, info=INFO),
            ChannelRequested(at_ms=5, channel=0, request="exec", detail=b"uname -a"),
        ]
    )
    last = chunk([SessionEnded(at_ms=9, reason=EndReason.CLIENT_LEFT)], first)
    async with running(worker):
        await asyncio.to_thread(worker.store_all, [first, last])
        await searchable(worker)
    assert [(hit.session, hit.kind) for hit in Search(database).search("uname")] == [
        (SESSION, "command")
    ]


async def test_a_worker_goes_on_where_the_last_one_stopped(database: Database):
    earlier = Worker(database, DatabaseBlobs(), SystemClock(), KEYS, Signers())
    await asyncio.to_thread(earlier.store_all, three_chunks())
    assert earlier.unindexed() == 3
    later = Worker(database, DatabaseBlobs(), SystemClock(), KEYS, Signers())
    async with running(later):
        await searchable(later)
