"""A live session as a page watches it: frames for the player, from the screen as it is.

The feed, the chunks and where they meet are `recorder.replay.live_view`'s. Here is what
waits: for the feed, which is the node's, and for chunks, which are the database's.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Protocol, TypeVar
from uuid import UUID

from bus.errors import BusError
from control.errors import ControlError, UnreachableError
from recorder.chunk import Chunk
from recorder.errors import CorruptChunkError
from recorder.events import ClientData, decode_burst
from recorder.ports import Clock
from recorder.replay.alis import MAGIC, LiveStream
from recorder.replay.comprehend import Screen
from recorder.replay.live_view import LiveView

_WAITING: Final = 256
"""Frames that the watcher has not been sent; the feed itself is bounded in bytes."""
_LOOK_S: Final = 0.2
"""How often to ask for the chunk that closes the hole before the feed, at first."""
_LOOK_LATER_S: Final = 2.0
_AT_FIRST: Final = 25
_CLOSE_LIMIT_S: Final = 5.0

T = TypeVar("T")
Send = Callable[[bytes], Awaitable[None]]
"""Sends one message to the watcher; raises where he is gone."""


class Stored(Protocol):
    """What is stored of live sessions. Blocking."""

    def screen_now(self, session_id: UUID, channel: int | None) -> tuple[int, Screen | None]:
        """Return where to go on, and what was shown there."""
        ...

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[Chunk]:
        """Yield the stored chunks from one on."""
        ...


class Watchers:
    """Who watches what through this page. For one event loop."""

    def __init__(self) -> None:
        self._watching: dict[UUID, Counter[str]] = {}

    def of(self, session_id: UUID) -> list[str]:
        """Return their names."""
        return sorted(self._watching.get(session_id, ()))

    @contextlib.contextmanager
    def one(self, session_id: UUID, who: str) -> Iterator[None]:
        """Count `who` in while entered."""
        names = self._watching.setdefault(session_id, Counter())
        names[who] += 1
        try:
            yield
        finally:
            names[who] -= 1
            if not names[who]:
                del names[who]
            if not names:
                self._watching.pop(session_id, None)


class Watch:
    """One watcher of one session. Run it once."""

    def __init__(
        self,
        session_id: UUID,
        channel: int | None,
        stored: Stored,
        feed: AsyncIterator[bytes],
        clock: Clock,
    ) -> None:
        self._session_id, self._channel = session_id, channel
        self._stored, self._feed, self._clock = stored, feed, clock
        self._view = LiveView(channel)
        self._stream = LiveStream()
        self._began_ms = clock.monotonic_ms()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self._failure: ControlError | None = None
        self.ended = False
        """Whether the session is over, and not only the feed."""

    async def run(self, send: Send) -> None:
        """Send the stream until the session ends.

        Raises `UnreachableError` where it breaks off before, and what `send` raises.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read())
                await self._show(send)
                reading.cancel()
        except ExceptionGroup as group:
            # Only the showing can fail: what the feed says comes through the queue.
            raise group.exceptions[0] from None
        if self._failure is not None:
            raise self._failure
        self.ended = self._view.ended
        await send(self._stream.end(self._now_ms))

    async def _show(self, send: Send) -> None:
        await send(MAGIC)
        await asyncio.to_thread(self._begin)
        await send(self._reset())
        looks, size = 0, self._view.size
        while not self._view.ended:
            look_s = _LOOK_S if looks < _AT_FIRST else _LOOK_LATER_S
            try:
                async with asyncio.timeout(None if self._view.joined else look_s):
                    body = await self._queue.get()
            except TimeoutError:
                looks += 1
                if await asyncio.to_thread(self._store):
                    size = self._view.size
                    await send(self._reset())
                continue
            if body is None:
                return
            drawn = self._view.feed(body)
            if self._view.size != size:
                size = self._view.size
                await send(self._stream.resized(self._now_ms, size))
            if drawn:
                await send(self._stream.output(self._now_ms, drawn))
            if typed := self._typed(body):
                await send(self._stream.typed(self._now_ms, typed))

    @property
    def _now_ms(self) -> int:
        return self._clock.monotonic_ms() - self._began_ms

    def _begin(self) -> None:
        sequence, screen = self._stored.screen_now(self._session_id, self._channel)
        self._view = LiveView(self._channel, next_sequence=sequence, screen=screen)
        self._store()

    def _store(self) -> bool:
        """Hand the view the chunks that it lacks; return whether there was one."""
        before = self._view.next_sequence
        for chunk in self._stored.chunks(self._session_id, before):
            try:
                self._view.store(chunk)
            except CorruptChunkError as error:
                raise UnreachableError(
                    f"session {self._session_id} cannot be watched: {error}"
                ) from error
        return self._view.next_sequence != before

    def _reset(self) -> bytes:
        screen = self._view.redraw()
        return self._stream.reset(self._now_ms, self._view.size, screen)

    def _typed(self, body: bytes) -> bytes:
        keys = b"".join(
            event.data
            for event in decode_burst(body)
            if isinstance(event, ClientData) and event.channel == self._view.channel
        )
        return keys.decode(errors="replace").encode()

    async def _read(self) -> None:
        try:
            async for body in self._feed:
                await self._queue.put(body)
        except BusError as error:
            self._failure = UnreachableError(
                f"session {self._session_id} cannot be followed: {error}"
            )
        await self._queue.put(None)


async def across(feed: AsyncIterator[T], loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T]:
    """Yield from a feed that belongs to another event loop, which runs in another thread."""

    async def step() -> T | None:
        return await anext(feed, None)

    async def close() -> None:
        if isinstance(feed, AsyncGenerator):
            await feed.aclose()

    try:
        while True:
            stepping = asyncio.run_coroutine_threadsafe(step(), loop)
            one = await asyncio.wrap_future(stepping)
            if one is None:
                return
            yield one
    finally:
        closing = asyncio.run_coroutine_threadsafe(close(), loop)
        # A step that was cancelled a moment ago may still be at it, and then closes itself.
        with contextlib.suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await asyncio.wrap_future(closing)
