"""What nodes ask of the bus: the same from RabbitMQ and from the in-process twin."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol
from uuid import UUID

from bus.contract import Command, CommandResult, Reply, Request
from recorder.chunk import Chunk
from recorder.ports import StorageReceipt

Answer = Callable[[Request, str], Awaitable[Reply]]
"""Is handed the request and who asks: the issuer whose signature held, not a claim."""
Obey = Callable[[Command], Awaitable[CommandResult]]
Store = Callable[[Chunk], StorageReceipt]
"""Blocking: returns after the commit; may be called twice with the same chunk.

Raises `recorder.errors.ChunkRefusedError` where sending it again does not help.
"""


class EngineBus(Protocol):
    """The engine's side."""

    async def request(self, message: Request) -> Reply:
        """Return control's answer; raise `BusUnavailableError` where none comes in time."""
        ...

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored.

        Raises `BusUnavailableError`, and `ChunkRefusedError` where it never will be.
        """
        ...

    def publish_live(self, session_id: UUID, body: bytes) -> None:
        """Hand one frame body to whoever watches; never waits, drops the slowest watcher."""
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

    def watch(self, session_id: UUID) -> AsyncIterator[bytes]:
        """Yield frame bodies of a live session until it ends or the reader stops."""
        ...
