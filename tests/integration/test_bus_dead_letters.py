"""What a worker does with chunks that it cannot store: alone, and among others."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

import pika
import pika.exceptions
import pytest
from samples.buses import (
    FIRST,
    SITE,
    OnBroker,
    consuming,
    nothing_missing,
    other,
    receipt,
    working,
)
from samples.chunks import SESSION
from samples.recordings import until

from bus import topology
from bus.consumer import Storage
from bus.dead_letters import DeadLetters
from bus.errors import BusUnavailableError
from recorder.chunk import Chunk
from recorder.errors import ChunkRefusedError
from recorder.ports import StorageReceipt


async def test_a_poison_chunk_becomes_a_dead_letter_and_the_others_flow(bus: OnBroker):
    poison, deliveries, stored = FIRST, [0], []

    def store(chunk: Chunk) -> StorageReceipt:
        if chunk.digest == poison.digest:
            deliveries[0] += 1
            raise ValueError("a defect that this chunk meets each time")
        stored.append(chunk.digest)
        return receipt(chunk)

    letters = DeadLetters(bus.vhost.parameters(), (SITE,))
    async with working(bus, store), asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        poisonous = tasks.create_task(refused(bus, poison))
        await until(lambda: deliveries[0] > 0)
        for healthy in map(other, range(20)):
            assert await bus.engine().ship(healthy) == receipt(healthy)
        assert "a dead letter" in await poisonous
        assert deliveries == [topology.TRIES]
        [letter] = await asyncio.to_thread(letters.all)
        assert (letter.engine, letter.session, letter.sequence) == ("engine-1", str(SESSION), 0)
        assert [letter] == await asyncio.to_thread(letters.all), "a look changed something"
    assert len(stored) == 20
    async with working(bus, receipt):
        assert [letter] == await asyncio.to_thread(letters.replay, lambda _: True)
        await until(lambda: bus.vhost.depth(topology.site_chunks(SITE).name) == 0)
    assert await asyncio.to_thread(letters.all) == []


async def refused(bus: OnBroker, poison: Chunk) -> str:
    with pytest.raises(ChunkRefusedError) as raised:
        await bus.engine().ship(poison)
    return str(raised.value)


class Together:
    """Stores all or nothing, as a transaction does, and knows what it was handed."""

    def __init__(self, fails: Callable[[Chunk], Exception | None] = lambda _: None) -> None:
        self._fails = fails
        self.batches: list[int] = []
        self.stored: set[bytes] = set()

    def __call__(self, chunks: Sequence[Chunk]) -> list[StorageReceipt]:
        self.batches.append(len(chunks))
        for each in chunks:
            if error := self._fails(each):
                raise error
        self.stored |= {each.digest for each in chunks}
        return [receipt(each) for each in chunks]

    def storage(self) -> Storage:
        return Storage(
            store_all=self, probe=lambda: None, missing=nothing_missing, lost=lambda *_: None
        )


async def backlog(
    bus: OnBroker, chunks: Iterable[Chunk]
) -> list[asyncio.Future[StorageReceipt]]:
    """Let chunks lie in the queue that no worker takes them from."""
    async with working(bus, receipt):
        pass
    shipping = [asyncio.ensure_future(bus.engine().ship(one)) for one in chunks]  # noqa: TID251 - a test's
    queue = topology.site_chunks(SITE).name
    await until(lambda: bus.vhost.depth(queue) == len(shipping))
    return shipping


async def test_what_has_come_is_stored_together_and_a_single_chunk_at_once(bus: OnBroker):
    made = [other(number) for number in range(40)]
    waiting = await backlog(bus, made)
    together = Together()
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        assert await asyncio.gather(*waiting) == [receipt(each) for each in made]
        assert len(together.batches) < 10
        together.batches.clear()
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        assert together.batches == [1]


async def test_of_a_backlog_with_a_poison_chunk_all_others_are_stored(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    poison = made[4].digest

    def fails(chunk: Chunk) -> Exception | None:
        return ValueError("a defect") if chunk.digest == poison else None

    together = Together(fails)
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n, one in enumerate(outcomes) if isinstance(one, ChunkRefusedError)] == [4]
    assert len(together.stored) == 9
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 1


async def test_a_chunk_whose_key_is_missing_waits_and_holds_up_no_other(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    keyless, key_is_back = made[4].digest, threading.Event()

    def fails(chunk: Chunk) -> Exception | None:
        if chunk.digest != keyless or key_is_back.is_set():
            return None
        return BusUnavailableError("the recording key is not in this database")

    async with consuming(bus, Together(fails).storage()), asyncio.timeout(60):
        await asyncio.gather(*waiting[:4], *waiting[5:])
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        assert not waiting[4].done()
        key_is_back.set()
        assert await waiting[4] == receipt(made[4])
    assert bus.vhost.depth(topology.site_dead(SITE).name) == 0


async def test_a_chunk_that_its_worker_dies_of_takes_none_of_the_backlog_with_it(bus: OnBroker):
    made = [other(number) for number in range(10)]
    waiting = await backlog(bus, made)
    deadly = made[4].digest

    def fails(chunk: Chunk) -> Exception | None:
        return pika.exceptions.StreamLostError("gone") if chunk.digest == deadly else None

    together = Together(fails)
    async with consuming(bus, together.storage()), asyncio.timeout(60):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [n for n, one in enumerate(outcomes) if isinstance(one, Exception)] == [4]
    assert "a dead letter" in str(outcomes[4])
    assert len(together.stored) == 9


async def test_a_dead_letter_is_discarded_only_when_it_is_meant(bus: OnBroker):
    def store(chunk: Chunk) -> StorageReceipt:
        raise ValueError("a defect")

    async with working(bus, store):
        for number in range(2):
            with pytest.raises(ChunkRefusedError):
                await bus.engine().ship(other(number))
    letters = DeadLetters(bus.vhost.parameters(), (SITE,))
    both = await asyncio.to_thread(letters.all)
    gone = await asyncio.to_thread(letters.discard, lambda one: one.id == both[0].id)
    assert gone == both[:1]
    assert await asyncio.to_thread(letters.all) == both[1:]


async def test_a_worker_that_dies_of_a_chunk_does_not_die_for_ever(bus: OnBroker):
    """As SIGKILL would: the connection goes, the chunk was not acknowledged."""
    seen: list[bytes] = []

    def store(chunk: Chunk) -> StorageReceipt:
        seen.append(chunk.digest)
        raise pika.exceptions.StreamLostError("the worker is gone")

    async with working(bus, store), asyncio.timeout(60):
        assert "a dead letter" in await refused(bus, FIRST)
    assert len(seen) == topology.TRIES
