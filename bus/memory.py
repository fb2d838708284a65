"""The bus of a node that is engine and control in one process.

Requests and commands pass through the codec, so that what works here works between
nodes. They are not signed: no broker is in between, and a process that could forge a call
to itself could sign it as well. Chunks are stored by one thread: SQLite has one writer.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from bus import codec
from bus.contract import Command, CommandResult, Reply, Request
from bus.errors import BusError, BusUnavailableError
from bus.feed import Feed, Feeds
from bus.ports import Answer, Obey, Store
from recorder.chunk import Chunk
from recorder.errors import ChunkRefusedError
from recorder.ports import StorageReceipt
from recorder.thread_names import show_thread_name

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class MemoryBus:
    """An `EngineBus`, a `ControlBus` and a `ChunkSink`. Enter it; leaving ends the thread."""

    ship_limit_s = 10.0

    def __init__(self, answer_timeout_s: float, asker: str = "") -> None:
        """Say whose requests these are; without a name control answers none that needs one."""
        self._asker = asker
        self._answer_timeout_s = answer_timeout_s
        self._writer = ThreadPoolExecutor(1, "store", show_thread_name)
        self._answer: Answer | None = None
        self._store: Store | None = None
        self._engines: dict[str, Obey] = {}
        self._feeds = Feeds()

    async def __aenter__(self) -> Self:
        """Return the bus."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the chunk being stored finish, and end every feed."""
        self._feeds.cut("this node is stopping")
        await asyncio.to_thread(self._writer.shutdown, cancel_futures=True)

    # --- the engine's side

    async def request(self, message: Request) -> Reply:
        """Return control's answer; raise `BusUnavailableError` where none comes in time."""
        if self._answer is None:
            raise BusUnavailableError("control does not answer yet: try again")
        received = codec.decode_request(codec.encode(message))
        answer = self._answer
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                reply = await answer(received, self._asker)
        except TimeoutError:
            raise self._late("control") from None
        except BusError:
            raise
        except Exception as error:
            raise self._failed("control", message, error) from error
        return codec.decode_reply(codec.encode(reply))

    async def reach_storage(self) -> None:
        """Return where a worker is there; a store that fails shows when chunks are shipped."""
        if self._store is None:
            raise BusUnavailableError("the storage worker is not there yet")

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored.

        Raises `BusUnavailableError`, and `ChunkRefusedError` where it never will be.
        """
        if self._store is None:
            raise BusUnavailableError("the storage worker is not there yet")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, self._store, chunk)
        except (BusError, ChunkRefusedError):
            raise
        except Exception as error:
            raise BusUnavailableError(
                f"the storage worker did not store chunk {chunk.header.sequence}: {error}"
            ) from error

    def publish_live(self, feed_id: UUID, message: bytes) -> None:
        """Hand one message to the watcher of a feed."""
        self._feeds.put(feed_id, message)

    def obey(self, engine_id: str, handler: Obey) -> None:
        """Carry out the commands to `engine_id` with `handler`."""
        self._engines[engine_id] = handler

    # --- the side of control and of the storage worker

    def answer(self, handler: Answer) -> None:
        """Answer every engine's requests with `handler`."""
        self._answer = handler

    def store(self, handler: Store) -> None:
        """Store every engine's chunks with `handler`, which may block."""
        self._store = handler

    async def command(self, engine_id: str, command: Command) -> CommandResult:
        """Return what the engine answered; raise `BusUnavailableError`."""
        handler = self._engines.get(engine_id)
        if handler is None:
            raise BusUnavailableError(f"engine {engine_id} is not there")
        received = codec.decode_command(codec.encode(command))
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                result = await handler(received)
        except TimeoutError:
            raise self._late(f"engine {engine_id}") from None
        except BusError:
            raise
        except Exception as error:
            raise self._failed(f"engine {engine_id}", command, error) from error
        return codec.decode_result(codec.encode(result))

    def watch(self, feed_id: UUID) -> Feed:
        """Return what hears a live feed from now on; close it afterwards."""
        return self._feeds.watch(feed_id)

    # --- inside

    def _late(self, who: str) -> BusUnavailableError:
        return BusUnavailableError(f"{who} did not answer within {self._answer_timeout_s:g} s")

    def _failed(self, who: str, message: Request | Command, error: Exception) -> BusError:
        kind = type(message).__name__
        _log.error("message.failed", message=kind, by=who, exc_info=error)
        return BusUnavailableError(f"{who} could not answer {kind}: see its log")
