"""The bus over RabbitMQ when things go wrong, on a real broker."""

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest
from samples.buses import (
    FIRST,
    READY,
    SITE,
    OnBroker,
    answered,
    receipt,
    up,
    working,
)
from samples.chunks import SESSION, chunk, three_chunks
from samples.recordings import until

from bus import topology
from bus.contract import CommandResult, Done, ResendChunks
from bus.errors import BusUnavailableError, FeedCutError
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from recorder.chunk import Chunk, ChunkHeader
from recorder.events import ClientData
from recorder.ports import StorageReceipt

waits_in_vain = pytest.mark.parametrize("limit_s", [3])


async def within(seconds: float, succeeds: Callable[[], Awaitable[object]]) -> None:
    """Try until it works."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await succeeds()
            except BusUnavailableError:
                await asyncio.sleep(0.1)
            else:
                return


@waits_in_vain
async def test_a_database_that_is_away_is_no_strike_against_a_chunk(bus: OnBroker):
    away, tries = threading.Event(), [0]
    away.set()

    def store(chunk: Chunk) -> StorageReceipt:
        tries[0] += 1
        if away.is_set():
            raise BusUnavailableError("the database is away")
        return receipt(chunk)

    def probe() -> None:
        if away.is_set():
            raise BusUnavailableError("the database is away")

    async with working(bus, store, probe=probe), asyncio.timeout(60):
        shipping = asyncio.ensure_future(bus.engine().ship(FIRST))  # noqa: TID251 - a test's
        await until(lambda: tries[0] > 2)
        with pytest.raises(BusUnavailableError, match="did not answer"):
            await bus.engine().reach_storage()
        away.clear()
        assert await shipping == receipt(FIRST)
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 0


async def test_a_gap_is_asked_for_again_and_marked_when_it_stays(bus: OnBroker):
    made, asked, marked = three_chunks(), [], []

    def missing(headers: Sequence[ChunkHeader]) -> list[tuple[int, int] | None]:
        return [(1, 1) if each.sequence == 2 else None for each in headers]

    async def obey(command: object) -> CommandResult:
        asked.append(command)
        return CommandResult(done=False, detail="it is not here")

    def lost(after: object, span: tuple[int, int]) -> None:
        marked.append(span)

    bus.engine().obey("engine-1", obey)
    async with working(bus, receipt, missing=missing, lost=lost):
        for one in (made[0], made[2], made[2]):
            await bus.engine().ship(one)
        await until(lambda: marked)
    assert asked == [ResendChunks(session_id=SESSION, first=1, last=1)]
    assert marked == [(1, 1)]


async def test_a_full_queue_refuses_and_forgets_nothing(bus: OnBroker, monkeypatch):
    monkeypatch.setattr(topology, "_MAX_WAITING_CHUNK_BYTES", 2000)
    async with working(bus, receipt):
        pass
    held, queue = [], topology.site_chunks(SITE).name
    large = [ClientData(at_ms=0, channel=0, data=secrets.token_bytes(1500))]
    for number in range(20):
        one = chunk(large, session_id=UUID(int=200 + number))
        shipping = asyncio.ensure_future(bus.engine().ship(one))  # noqa: TID251 - a test's
        # Either it is refused, or it lies there; which of both may take its time.
        await until(lambda: shipping.done() or bus.vhost.depth(queue) > len(held))  # noqa: B023
        if shipping.done():
            break
        held.append(shipping)
    with pytest.raises(BusUnavailableError, match="queue is full"):
        await shipping
    assert held
    async with working(bus, receipt):
        for stored in held:
            await stored


async def test_a_chunk_that_nobody_takes_is_not_lost_but_sent_back(bus: OnBroker):
    with pytest.raises(BusUnavailableError, match="nobody takes messages of"):
        await bus.engine().ship(FIRST)


@waits_in_vain
async def test_a_broker_short_of_disk_blocks_chunks_but_not_what_engines_hear(bus: OnBroker):
    async with working(bus, receipt):
        broker = bus.vhost.broker
        await asyncio.to_thread(broker.ctl, "set_disk_free_limit", "100000GB")
        try:
            # The broker says so to whoever publishes next.
            for _ in range(2):
                with pytest.raises(BusUnavailableError):
                    await bus.engine().ship(FIRST)
            await until(lambda: bus.engine().wires.publisher.link.blocked)
            with pytest.raises(BusUnavailableError, match="disk or memory is low"):
                await bus.engine().request(READY)
        finally:
            await asyncio.to_thread(broker.ctl, "set_disk_free_limit", "50MB")
        await within(40, lambda: bus.engine().ship(FIRST))


async def test_answers_go_to_the_connection_that_an_engine_made_last(bus: OnBroker):
    """The broker may not know for half a minute that the one before it leads nowhere."""
    bus.control.answer(answered)
    address = EngineAddress(site=SITE, engine_id="engine-1")
    identity = bus.keys.identity("engine-1")
    async with RabbitEngineBus(bus.vhost.parameters(), identity, address, 20) as again:
        await up(again)
        for _ in range(4):
            assert await again.request(READY) == Done()


async def test_connections_cut_by_the_broker_are_made_anew(bus: OnBroker):
    bus.control.answer(answered)
    feed = bus.control.watch(SESSION)
    bus.engine().publish_live(SESSION, b"one")
    assert await feed.get() == b"one"
    vhost, reason = bus.vhost.name, "an administrator's whim"
    await asyncio.to_thread(
        bus.vhost.broker.ctl, "close_all_connections", "--vhost", vhost, reason
    )
    with pytest.raises(FeedCutError):
        async with asyncio.timeout(60):
            await feed.get()
    await within(30, lambda: bus.engine().request(READY))
    async with working(bus, receipt):
        await within(30, lambda: bus.engine().ship(FIRST))
