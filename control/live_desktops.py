"""What live desktop sessions show, as pictures: for operators, and for whoever serves a page.

What was stored before the feed began is drawn first, from the newest keyframe on, so the
first picture is whole. Pictures are made by a process of the storage side, one for each
watcher, and never on an engine.

INVARIANT: a picture holds only what the engine sealed for this watcher or storage verified.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final
from uuid import UUID

from bus.errors import FeedCutError
from control.errors import ControlError
from control.following import FollowedSessions, Joined
from control.ports import ChunkReader
from control.requests import LivePicture
from storage.errors import ChildLostError, ChildUnavailableError
from storage.live_pictures import LivePictures

PICTURE_S: Final = 0.1
"""Ten pictures a second at most; one that nobody could look at is not made."""
STORED_LIMIT_S: Final = 10.0
"""What was recorded before the feed began is stored by then, or shows as a gap."""
_LOOK_S: Final = 0.1
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""A process that is further behind the session than this is given up."""
_ANY: Final = 2**31 - 1


class LiveDesktops:
    """Makes pictures of live desktop sessions."""

    def __init__(self, followed: FollowedSessions, chunks: ChunkReader) -> None:
        self._followed, self._chunks = followed, chunks

    async def pictures(self, session_id: UUID) -> AsyncGenerator[LivePicture]:
        """Yield what the session shows, whenever that changed, until it ends.

        Each is a whole picture; a reader that is slow gets fewer of them. Raises `BusError`
        as `FollowedSessions.follow` does, and `ControlError` where no picture can be made.
        """
        try:
            async with self._followed.joined(session_id) as joined:
                first = joined.first_sequence
                pictures, sequence = await asyncio.to_thread(self._begin, session_id, first)
                try:
                    async with _waiting(joined) as waiting:
                        await self._catch_up(pictures, session_id, sequence, first)
                        shown = self._shown(pictures, waiting)
                        async with contextlib.aclosing(shown):
                            async for picture in shown:
                                yield picture
                finally:
                    pictures.stop()
        except (ChildLostError, ChildUnavailableError) as error:
            raise ControlError(f"no picture can be made: {error}") from error

    def _begin(self, session_id: UUID, first: int | None) -> tuple[LivePictures, int]:
        """Return what draws, and the number of the chunk that it needs next."""
        sequence, state = self._chunks.keyframe(session_id, _ANY if first is None else first)
        return LivePictures(state), sequence

    async def _catch_up(
        self, pictures: LivePictures, session_id: UUID, sequence: int, first: int | None
    ) -> None:
        """Draw what is stored, from chunk `sequence` until the feed begins."""
        until_s = asyncio.get_running_loop().time() + STORED_LIMIT_S
        while first is None or sequence < first:
            taken = await asyncio.to_thread(
                self._take_stored, pictures, session_id, sequence, first
            )
            late = asyncio.get_running_loop().time() > until_s
            if taken == sequence and (first is None or late):
                await asyncio.to_thread(pictures.lose)
                return
            if taken == sequence:
                await asyncio.sleep(_LOOK_S)
            sequence = taken

    def _take_stored(
        self, pictures: LivePictures, session_id: UUID, sequence: int, first: int | None
    ) -> int:
        """Take the chunks that are there in a row; return the number of the next one."""
        for chunk in self._chunks.chunks(session_id, sequence):
            if chunk.sequence != sequence or sequence == first or not chunk.data_key:
                break
            pictures.take_chunk(chunk.encoded, chunk.data_key)
            sequence += 1
        return sequence

    async def _shown(
        self, pictures: LivePictures, waiting: "_Waiting"
    ) -> AsyncGenerator[LivePicture]:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + PICTURE_S
            drawn = await asyncio.to_thread(pictures.picture)
            if drawn is not None:
                yield LivePicture(at_ms=drawn.at_ms, png=drawn.png)
            await asyncio.sleep(due_s - loop.time())
            bodies = await waiting.some()
            if not bodies:
                return
            await asyncio.to_thread(pictures.take, bodies)


class _Waiting:
    """Frame bodies that came and were not drawn yet; bounded in bytes."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._bytes = 0
        self._news = asyncio.Event()
        self._over: BaseException | bool = False

    async def read(self, bodies: AsyncIterator[bytes]) -> None:
        """Take what comes until there is no more; keep what it broke off with."""
        try:
            async for body in bodies:
                self._add(body)
        except Exception as error:  # noqa: BLE001 - raised where the bodies are waited for
            self._over = error
        else:
            self._over = True
        self._news.set()

    def _add(self, body: bytes) -> None:
        self._bodies.append(body)
        self._bytes += len(body)
        self._news.set()
        if self._bytes > MAX_WAITING_BYTES:
            raise FeedCutError("the desktop draws faster than pictures are made; watch again")

    async def some(self) -> list[bytes]:
        """Wait for bodies; return all that came, or none at the end of the session."""
        while not self._bodies:
            if isinstance(self._over, BaseException):
                raise self._over
            if self._over:
                return []
            self._news.clear()
            await self._news.wait()
        some, self._bodies, self._bytes = self._bodies, [], 0
        return some


@contextlib.asynccontextmanager
async def _waiting(joined: Joined) -> AsyncIterator[_Waiting]:
    """Read the feed meanwhile: it cuts off whoever is far behind."""
    waiting = _Waiting()
    # No TaskGroup may span a `yield` of an async generator; this task is awaited below.
    reading = asyncio.create_task(waiting.read(joined.bodies))  # noqa: TID251
    try:
        yield waiting
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
