import asyncio
import threading
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, chunk
from samples.recordings import SMALL

from bus import codec
from bus.contract import (
    Command,
    CommandResult,
    Done,
    MessageUser,
    Reply,
    Request,
    SessionReady,
    WatchSession,
)
from bus.errors import BadMessageError, BusUnavailableError, FeedCutError
from bus.memory import MemoryBus
from recorder.chunk import Chunk
from recorder.clock import SystemClock
from recorder.errors import ChunkRefusedError
from recorder.events import ClientData, EndReason, SessionEnded
from recorder.ports import StorageReceipt
from recorder.shipper import Shipper
from recorder.spool import Spool
from storage.errors import DamagedChunkError

READY = SessionReady(session_id=SESSION)
WATCH = WatchSession(session_id=SESSION, watching=True)
FIRST = chunk([ClientData(at_ms=0, channel=0, data=b"x")])
LAST = chunk([SessionEnded(at_ms=1, reason=EndReason.CLIENT_LEFT)], FIRST)


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    async with MemoryBus(answer_timeout_s=0.05) as bus:
        yield bus


def receipt(of: Chunk) -> StorageReceipt:
    header = of.header
    return StorageReceipt(
        session_id=header.session_id, sequence=header.sequence, digest=of.digest
    )


async def never(message: object, asker: str = "") -> Reply:
    await asyncio.Event().wait()
    return Done()


async def test_a_request_is_answered(bus: MemoryBus):
    asked: list[Request] = []

    async def answer(request: Request, asker: str) -> Reply:
        asked.append(request)
        return Done()

    bus.answer(answer)
    assert await bus.request(READY) == Done()
    assert asked == [READY]


async def test_control_is_told_who_asks():
    asking: list[str] = []

    async def answer(request: Request, asker: str) -> Reply:
        asking.append(asker)
        return Done()

    async with MemoryBus(answer_timeout_s=1, asker="engine-1") as bus:
        bus.answer(answer)
        await bus.request(READY)
    assert asking == ["engine-1"]


async def test_what_is_passed_on_was_on_the_wire(bus: MemoryBus):
    async def answer(request: Request, asker: str) -> Reply:
        assert request is not READY
        return Done()

    bus.answer(answer)
    await bus.request(READY)


async def test_a_request_before_control_is_there_says_so(bus: MemoryBus):
    with pytest.raises(BusUnavailableError, match="does not answer yet"):
        await bus.request(READY)


async def test_a_request_waits_only_so_long(bus: MemoryBus):
    bus.answer(never)
    with pytest.raises(BusUnavailableError, match=r"control did not answer within 0.05 s"):
        await bus.request(READY)


async def test_a_defect_of_control_is_told_to_its_log_and_not_to_the_engine(
    bus: MemoryBus, capsys: pytest.CaptureFixture[str]
):
    async def answer(request: Request, asker: str) -> Reply:
        raise ValueError("the password is hunter2")

    bus.answer(answer)
    with pytest.raises(BusUnavailableError) as raised:
        await bus.request(READY)
    assert "hunter2" not in str(raised.value)
    assert "message.failed" in capsys.readouterr().out


async def test_a_message_that_is_too_large_goes_nowhere(bus: MemoryBus):
    bus.answer(never)
    bus.obey("engine-1", never)
    large = MessageUser(session_id=SESSION, text="x" * codec.MAX_MESSAGE_BYTES)
    with pytest.raises(BadMessageError):
        await bus.command("engine-1", large)


async def test_a_command_reaches_its_engine_and_no_other(bus: MemoryBus):
    obeyed: list[str] = []

    def engine(name: str):
        async def obey(command: Command) -> CommandResult:
            obeyed.append(name)
            return CommandResult(done=True, detail=name)

        return obey

    bus.obey("engine-1", engine("engine-1"))
    bus.obey("engine-2", engine("engine-2"))
    assert await bus.command("engine-2", WATCH) == CommandResult(done=True, detail="engine-2")
    assert obeyed == ["engine-2"]


async def test_a_command_to_an_engine_that_is_not_there_says_so(bus: MemoryBus):
    with pytest.raises(BusUnavailableError, match="engine engine-9 is not there"):
        await bus.command("engine-9", WATCH)


async def test_a_command_waits_only_so_long(bus: MemoryBus):
    bus.obey("engine-1", never)
    with pytest.raises(BusUnavailableError, match="engine engine-1 did not answer"):
        await bus.command("engine-1", WATCH)


async def test_a_defect_of_an_engine_is_told(bus: MemoryBus):
    async def obey(command: Command) -> CommandResult:
        raise RuntimeError("a defect")

    bus.obey("engine-1", obey)
    with pytest.raises(BusUnavailableError, match="could not answer WatchSession"):
        await bus.command("engine-1", WATCH)


async def test_chunks_are_stored_one_at_a_time_by_one_thread(bus: MemoryBus):
    threads: list[str] = []

    def store(chunk: Chunk) -> StorageReceipt:
        threads.append(threading.current_thread().name)
        time.sleep(0.002)
        return receipt(chunk)

    bus.store(store)
    async with asyncio.TaskGroup() as tasks:
        shipped = [tasks.create_task(bus.ship(FIRST)) for _ in range(5)]
    assert {task.result() for task in shipped} == {receipt(FIRST)}
    assert len(set(threads)) == 1
    assert threading.main_thread().name not in threads


async def test_a_chunk_before_the_worker_is_there_is_not_stored(bus: MemoryBus):
    with pytest.raises(BusUnavailableError, match="not there yet"):
        await bus.ship(FIRST)


async def test_a_chunk_that_is_refused_for_good_is_told_as_such(bus: MemoryBus):
    def store(chunk: Chunk) -> StorageReceipt:
        raise DamagedChunkError("it does not decode")

    bus.store(store)
    with pytest.raises(ChunkRefusedError):
        await bus.ship(FIRST)


async def test_a_store_that_fails_and_recovers_gets_every_chunk(tmp_path, bus: MemoryBus):
    stored: list[Chunk] = []
    failures = [OSError("database is locked")] * 2

    def store(chunk: Chunk) -> StorageReceipt:
        if failures:
            raise failures.pop()
        stored.append(chunk)
        return receipt(chunk)

    bus.store(store)
    with pytest.raises(BusUnavailableError, match="chunk 0: database is locked"):
        await bus.ship(FIRST)
    spool = Spool(tmp_path, SMALL, SystemClock(), KEYS)
    spool.prepare()
    spool.begin(SESSION, b"x").segment.close()
    spool.add(FIRST)
    spool.add(LAST)
    shipper = Shipper(spool, bus, SystemClock())
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(shipper.run())
        await asyncio.sleep(0)
        await shipper.drained()
        running.cancel()
    assert [kept.digest for kept in stored] == [FIRST.digest, LAST.digest]


async def test_a_watcher_hears_a_feed_from_now_on(bus: MemoryBus):
    bus.publish_live(SESSION, b"before")
    feed = bus.watch(SESSION)
    bus.publish_live(SESSION, b"one")
    bus.publish_live(UUID(int=8), b"another feed")
    bus.publish_live(SESSION, b"two")
    assert [await feed.get(), await feed.get()] == [b"one", b"two"]


async def test_leaving_the_bus_ends_every_feed():
    async with MemoryBus(answer_timeout_s=1) as bus:
        feed = bus.watch(SESSION)
    with pytest.raises(FeedCutError, match="is stopping"):
        await feed.get()
