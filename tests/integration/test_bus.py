"""What every bus does. The in-process one and the broker's pass the same tests."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from peers.rabbitmq import VirtualHost
from samples.buses import FIRST, READY, Bus, InProcess, OnBroker, receipt
from samples.chunks import KEYS, SESSION, chunk, three_chunks
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
from bus.errors import BadMessageError, BusUnavailableError
from bus.memory import MemoryBus
from recorder.chunk import Chunk
from recorder.clock import SystemClock
from recorder.errors import ChunkRefusedError
from recorder.events import ClientData
from recorder.ports import StorageReceipt
from recorder.shipper import Shipper
from recorder.spool import Spool

WATCH = WatchSession(session_id=SESSION, watching=True)


waits_in_vain = pytest.mark.parametrize("limit_s", [2])


@pytest.fixture(params=["memory", "rabbitmq"])
async def bus(request: pytest.FixtureRequest, limit_s: float) -> AsyncIterator[Bus]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield InProcess(await stack.enter_async_context(MemoryBus(limit_s, "engine-1")))
        else:
            vhost: VirtualHost = request.getfixturevalue("vhost")
            broker = OnBroker(vhost, stack, limit_s)
            await broker.start()
            yield broker


async def never(message: object, asker: str = "") -> Reply:
    await asyncio.Event().wait()
    return Done()


async def test_a_request_is_answered_and_its_asker_known(bus: Bus):
    asked: list[tuple[Request, str]] = []

    async def answer(request: Request, asker: str) -> Reply:
        asked.append((request, asker))
        return Done()

    bus.control.answer(answer)
    assert await bus.engine().request(READY) == Done()
    assert asked == [(READY, "engine-1")]


async def test_many_requests_at_once_get_each_its_own_answer(bus: Bus):
    async def answer(request: Request, asker: str) -> Reply:
        await asyncio.sleep(0.01)
        assert isinstance(request, SessionReady)
        if request.session_id.int % 2:
            raise BadMessageError(str(request.session_id.int))
        return Done()

    async def ask(number: int) -> str:
        try:
            await bus.engine().request(SessionReady(session_id=UUID(int=number)))
        except BadMessageError as error:
            return str(error)
        return "done"

    bus.control.answer(answer)
    answers = await asyncio.gather(*map(ask, range(20)))
    assert answers == [str(number) if number % 2 else "done" for number in range(20)]


async def test_a_request_before_control_is_there_says_so(bus: Bus):
    with pytest.raises(BusUnavailableError, match="does not answer yet"):
        await bus.engine().request(READY)


@waits_in_vain
async def test_a_request_waits_only_so_long(bus: Bus):
    bus.control.answer(never)
    with pytest.raises(BusUnavailableError, match=r"control did not answer within 2 s"):
        await bus.engine().request(READY)


async def test_a_database_that_is_away_is_told_as_such(bus: Bus):
    async def answer(request: Request, asker: str) -> Reply:
        raise BusUnavailableError("the control node cannot use its database")

    bus.control.answer(answer)
    with pytest.raises(BusUnavailableError, match="cannot use its database"):
        await bus.engine().request(READY)


async def test_a_defect_of_control_is_told_to_its_log_and_not_to_the_engine(
    bus: Bus, capsys: pytest.CaptureFixture[str]
):
    async def answer(request: Request, asker: str) -> Reply:
        raise ValueError("the password is hunter2")

    bus.control.answer(answer)
    with pytest.raises(BusUnavailableError, match="could not answer SessionReady") as raised:
        await bus.engine().request(READY)
    assert "hunter2" not in str(raised.value)
    assert "message.failed" in capsys.readouterr().out


async def test_a_message_that_is_too_large_goes_nowhere(bus: Bus):
    large = MessageUser(session_id=SESSION, text="x" * codec.MAX_MESSAGE_BYTES)
    bus.engine().obey("engine-1", never)
    with pytest.raises(BadMessageError):
        await bus.control.command("engine-1", large)


async def test_a_command_reaches_its_engine_and_no_other(bus: Bus):
    obeyed: list[str] = []

    def engine(name: str):
        async def obey(command: Command) -> CommandResult:
            obeyed.append(name)
            return CommandResult(done=True, detail=name)

        return obey

    for name in ("engine-1", "engine-2"):
        bus.engine(name).obey(name, engine(name))
    answer = await bus.control.command("engine-2", WATCH)
    assert answer == CommandResult(done=True, detail="engine-2")
    assert obeyed == ["engine-2"]


async def test_a_command_to_an_engine_that_is_not_there_says_so(bus: Bus):
    with pytest.raises(BusUnavailableError, match="engine-9"):
        await bus.control.command("engine-9", WATCH)


async def test_a_defect_of_an_engine_is_told(bus: Bus):
    async def obey(command: Command) -> CommandResult:
        raise RuntimeError("a defect")

    bus.engine().obey("engine-1", obey)
    with pytest.raises(BusUnavailableError, match="could not answer WatchSession"):
        await bus.control.command("engine-1", WATCH)


async def test_a_chunk_is_stored_and_its_receipt_comes_back(bus: Bus):
    stored: list[Chunk] = []

    def store(chunk: Chunk) -> StorageReceipt:
        stored.append(chunk)
        return receipt(chunk)

    await bus.store(store)
    made = three_chunks()
    assert [await bus.engine().ship(one) for one in made] == [receipt(one) for one in made]
    assert [one.encoded for one in stored] == [one.encoded for one in made]
    await bus.engine().reach_storage()


async def test_a_chunk_of_a_megabyte_goes_through(bus: Bus):
    large = chunk([ClientData(at_ms=0, channel=0, data=secrets.token_bytes(1024 * 1024))])
    await bus.store(receipt)
    assert await bus.engine().ship(large) == receipt(large)


async def test_a_chunk_before_the_worker_is_there_is_not_stored(bus: Bus):
    with pytest.raises(BusUnavailableError):
        await bus.engine().ship(FIRST)
    with pytest.raises(BusUnavailableError):
        await bus.engine().reach_storage()


async def test_a_chunk_that_is_refused_for_good_is_told_as_such(bus: Bus):
    def store(chunk: Chunk) -> StorageReceipt:
        raise ChunkRefusedError("it does not decode")

    await bus.store(store)
    with pytest.raises(ChunkRefusedError, match="it does not decode"):
        await bus.engine().ship(FIRST)


async def test_a_store_that_fails_and_recovers_gets_every_chunk_in_order(tmp_path, bus: Bus):
    stored: list[bytes] = []
    failures: list[Exception] = [
        BusUnavailableError("the database is away"),
        ValueError("a defect"),
    ]

    def store(chunk: Chunk) -> StorageReceipt:
        if failures:
            raise failures.pop()
        stored.append(chunk.digest)
        return receipt(chunk)

    await bus.store(store)
    spool = Spool(tmp_path, SMALL, SystemClock(), KEYS)
    spool.prepare()
    spool.begin(SESSION, b"x").segment.close()
    made = three_chunks()
    for one in made:
        spool.add(one)
    shipper = Shipper(spool, bus.engine(), SystemClock())
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(shipper.run())
        await asyncio.sleep(0)
        await shipper.drained()
        running.cancel()
    assert stored == [one.digest for one in made]
    assert spool.sessions() == ()


async def test_a_watcher_hears_his_own_feed_in_its_order(bus: Bus):
    feed = bus.control.watch(UUID(int=7))
    other = bus.control.watch(UUID(int=8))
    for feed_id, message in ((7, b"one"), (8, b"another's"), (9, b"nobody's"), (7, b"two")):
        bus.engine().publish_live(UUID(int=feed_id), message)
    async with asyncio.timeout(30):
        assert [await feed.get(), await feed.get()] == [b"one", b"two"]
        assert await other.get() == b"another's"
