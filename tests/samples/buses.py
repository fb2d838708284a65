"""The two buses behind one face, so that the same tests hold for both."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from peers.rabbitmq import USER, VirtualHost
from samples.chunks import SESSION, chunk

from bus import topology
from bus.consumer import ChunkConsumer, Storage
from bus.contract import Done, SessionReady
from bus.identity import Identity
from bus.memory import MemoryBus
from bus.ports import ControlBus, EngineBus, Missing, Store, StoreAll
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from bus.rabbitmq_control import RabbitControlBus
from recorder.chunk import Chunk, ChunkHeader
from recorder.clock import SystemClock
from recorder.errors import ChunkRefusedError
from recorder.events import ClientData
from recorder.ports import StorageReceipt

ENGINES = ("engine-1", "engine-2")
SITE = "default"
READY = SessionReady(session_id=SESSION)
FIRST = chunk([ClientData(at_ms=0, channel=0, data=b"x")])


class Bus(Protocol):
    """One bus with two engines, a control node and a worker on it."""

    control: ControlBus

    def engine(self, engine_id: str = "engine-1") -> EngineBus: ...

    async def store(self, handler: Store) -> None: ...


class Keys:
    """Everybody knows everybody."""

    def __init__(self) -> None:
        names = (topology.CONTROL, topology.STORAGE, *ENGINES, "engine-3")
        self._keys = {name: Ed25519PrivateKey.generate() for name in names}

    def identity(self, name: str) -> Identity:
        return Identity(name, self._keys[name], self._known, SystemClock())

    def _known(self, name: str) -> tuple[bytes, ...] | None:
        key = self._keys.get(name)
        return None if key is None else (key.public_key().public_bytes_raw(),)


class InProcess:
    """`bus.memory`."""

    def __init__(self, bus: MemoryBus) -> None:
        self.control = bus

    def engine(self, engine_id: str = "engine-1") -> EngineBus:
        return self.control

    async def store(self, handler: Store) -> None:
        self.control.store(handler)


class OnBroker:
    """`bus.rabbitmq`, `bus.rabbitmq_control` and `bus.consumer`, as if on four machines."""

    def __init__(self, vhost: VirtualHost, stack: AsyncExitStack, limit_s: float) -> None:
        self.vhost = vhost
        self.keys = Keys()
        self._stack = stack
        self.engines: dict[str, RabbitEngineBus] = {}
        self.control = RabbitControlBus(
            vhost.parameters(), self.keys.identity(topology.CONTROL), (SITE,), limit_s
        )
        self._limit_s = limit_s

    async def start(self) -> None:
        await self._stack.enter_async_context(self.control)
        await up(self.control)
        for engine_id in ENGINES:
            identity = self.keys.identity(engine_id)
            address = EngineAddress(site=SITE, engine_id=engine_id)
            bus = RabbitEngineBus(self.vhost.parameters(), identity, address, self._limit_s)
            self.engines[engine_id] = await self._stack.enter_async_context(bus)
        for bus in self.engines.values():
            await up(bus)

    def engine(self, engine_id: str = "engine-1") -> RabbitEngineBus:
        return self.engines[engine_id]

    async def store(self, handler: Store) -> None:
        await self._stack.enter_async_context(working(self, handler))


async def up(bus: RabbitEngineBus | RabbitControlBus) -> None:
    async with asyncio.timeout(20):
        await bus.wires.wait_up()


def nothing_missing(headers: Sequence[ChunkHeader]) -> list[None]:
    return [None] * len(headers)


@asynccontextmanager
async def working(
    bus: OnBroker,
    store: Store,
    *,
    probe: Callable[[], None] = lambda: None,
    missing: Missing = nothing_missing,
    lost: Callable[..., None] = lambda *_: None,
    user: str = USER,
) -> AsyncIterator[ChunkConsumer]:
    """A worker on a thread of its own, which stores one by one whatever comes together."""
    storage = Storage(store_all=one_by_one(store), probe=probe, missing=missing, lost=lost)
    async with consuming(bus, storage, user) as consumer:
        yield consumer


@asynccontextmanager
async def consuming(
    bus: OnBroker, storage: Storage, user: str = USER
) -> AsyncIterator[ChunkConsumer]:
    """A worker on a thread of its own."""
    connected = threading.Event()
    consumer = ChunkConsumer(
        bus.vhost.parameters(user),
        bus.keys.identity(topology.STORAGE),
        (SITE,),
        storage,
        connected.set,
    )
    thread = threading.Thread(target=consumer.run, name="consumer")
    thread.start()
    try:
        assert await asyncio.to_thread(connected.wait, 20), "the worker did not connect"
        yield consumer
    finally:
        consumer.stop()
        await asyncio.to_thread(thread.join, 20)


def one_by_one(store: Store) -> StoreAll:
    """Store many with what stores one. What it raises for one, it raises for all."""

    def store_all(chunks: Sequence[Chunk]) -> list[StorageReceipt | ChunkRefusedError]:
        outcomes: list[StorageReceipt | ChunkRefusedError] = []
        for each in chunks:
            try:
                outcomes.append(store(each))
            except ChunkRefusedError as error:
                outcomes.append(error)
        return outcomes

    return store_all


def receipt(of: Chunk) -> StorageReceipt:
    header = of.header
    return StorageReceipt(
        session_id=header.session_id, sequence=header.sequence, digest=of.digest
    )


def other(number: int) -> Chunk:
    """The only chunk of another session."""
    events = [ClientData(at_ms=0, channel=0, data=b"%d" % number)]
    return chunk(events, session_id=UUID(int=100 + number))


async def answered(request: object, asker: str) -> Done:
    """What control says to everything."""
    return Done()
