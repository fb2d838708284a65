"""What nodes ask of the bus: the same from RabbitMQ and from the in-process twin."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from bus.contract import Command, CommandResult, Reply, Request
from bus.feed import Feed
from recorder.chunk import Chunk, ChunkHeader
from recorder.errors import ChunkRefusedError
from recorder.ports import StorageReceipt

Answer = Callable[[Request, str], Awaitable[Reply]]
"""Is handed the request and who asks: the issuer whose signature held, not a claim."""
Obey = Callable[[Command], Awaitable[CommandResult]]
Store = Callable[[Chunk], StorageReceipt]
"""Blocking: returns after the commit; may be called twice with the same chunk.

Raises `recorder.errors.ChunkRefusedError` where sending it again does not help, and
`BusUnavailableError` while the store is out of reach: that is no fault of the chunk.
"""
StoreAll = Callable[[Sequence[Chunk]], Sequence[StorageReceipt | ChunkRefusedError]]
"""As `Store`, many at once and in their order: what `Store` would return, or raise as refusal.

Whatever it raises, none of them counts as stored.
"""
Missing = Callable[[Sequence[ChunkHeader]], Sequence[tuple[int, int] | None]]
"""Blocking: for each, first and last of the chunks that should lie before it and do not."""


class Opened(Protocol):
    """A message whose signature holds, that was meant for us, and that came once."""

    @property
    def issuer(self) -> str:
        """Who said it."""
        ...

    @property
    def nonce(self) -> bytes:
        """What the answer has to name."""
        ...

    @property
    def body(self) -> bytes:
        """What was said."""
        ...


class Identity(Protocol):
    """Signs what a node says and opens what it is told: `bus.identity`. For one thread."""

    name: str

    def sign(self, audience: str, body: bytes, reply_to_nonce: bytes | None = None) -> bytes:
        """Return `body` in an envelope; raise `BadMessageError` where it is too large."""
        ...

    def open(self, envelope: bytes, reply_to_nonce: bytes | None = None) -> Opened:
        """Return what it holds; raise `BadMessageError` where it is to be dropped.

        `reply_to_nonce` is the nonce of the question that this must answer.
        """
        ...


class EngineBus(Protocol):
    """The engine's side."""

    @property
    def ship_limit_s(self) -> float:
        """How long `ship` may take before it is worth to send the chunk again."""
        ...

    async def request(self, message: Request) -> Reply:
        """Return control's answer; raise `BusUnavailableError` where none comes in time."""
        ...

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored.

        Raises `BusUnavailableError`, and `ChunkRefusedError` where it never will be.
        """
        ...

    async def reach_storage(self) -> None:
        """Return once storage says that it could take a chunk; else `BusUnavailableError`."""
        ...

    def publish_live(self, feed_id: UUID, message: bytes) -> None:
        """Hand one sealed message to the watcher of a feed; never waits.

        What cannot be handed over at once is dropped: `bus.sealed_feed` lets him notice.
        """
        ...

    def obey(self, engine_id: str, handler: Obey) -> None:
        """Carry out the commands to `engine_id` with `handler`."""
        ...


class ControlBus(Protocol):
    """Control's side."""

    def answer(self, handler: Answer) -> None:
        """Answer every engine's requests with `handler`."""
        ...

    async def command(self, engine_id: str, command: Command) -> CommandResult:
        """Return what the engine answered; raise `BusUnavailableError`."""
        ...

    def watch(self, feed_id: UUID) -> Feed:
        """Return what hears a live feed from now on; close it afterwards."""
        ...
