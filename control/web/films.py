"""Films of desktops for a player that asks for parts of them.

A film is made when somebody first asks, and kept for a while in a file that has no name: a
player comes back for each jump, and nothing is left when we end. Who asks for all of it is
sent what is ready while it is made.

INVARIANT: no film waits for who reads it. It is made as fast as it can be, and given up only
when nobody waits for it any more.
"""

import asyncio
import contextlib
import os
import re
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from uuid import UUID

import anyio.to_thread
from anyio import CapacityLimiter

from control.web.exports import close, next_piece

_KEPT: Final = 4
"""Films: their disk is bounded, and few people watch different ones at once."""
_MADE_AT_ONCE: Final = 2
"""Each keeps a processor busy."""
_PIECE_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(eq=False)
class Film:
    """One, as far as it is made. Its file goes with the last that refers to it."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile, repr=False)
    size_bytes: int = 0

    def __post_init__(self) -> None:
        weakref.finalize(self, self.file.close)

    async def part(self, first: int, last: int) -> AsyncGenerator[bytes]:
        """Yield its bytes from `first` to `last`, both of them included."""
        while first <= last:
            wanted = min(_PIECE_BYTES, last + 1 - first)
            piece = await anyio.to_thread.run_sync(os.pread, self.file.fileno(), wanted, first)
            if not piece:
                return
            yield piece
            first += len(piece)


class Films:
    """For one event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, Film] = OrderedDict()
        self._made: dict[UUID, _Making] = {}
        self._turns: CapacityLimiter | None = None

    def kept(self, session_id: UUID) -> Film | None:
        """Return the film of a session, if it is there whole."""
        return self._kept.get(session_id)

    async def of(self, session_id: UUID, pieces: Iterator[bytes]) -> Film:
        """Return the film of a session, made of `pieces` unless it is there.

        Raises what they raise.
        """
        if session_id not in self._kept:
            async with self._making(session_id, pieces) as making:
                return await making.whole()
        self._kept.move_to_end(session_id)
        return self._kept[session_id]

    async def growing(self, session_id: UUID, pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield a film as it is made of `pieces`, which nobody reads if it is made already.

        Raises what they raise.
        """
        if (film := self._kept.get(session_id)) is not None:
            async with contextlib.aclosing(film.part(0, film.size_bytes - 1)) as parts:
                async for piece in parts:
                    yield piece
            return
        async with (
            self._making(session_id, pieces) as making,
            contextlib.aclosing(making.grown()) as parts,
        ):
            async for piece in parts:
                yield piece

    @contextlib.asynccontextmanager
    async def _making(
        self, session_id: UUID, pieces: Iterator[bytes]
    ) -> AsyncIterator["_Making"]:
        """Let it be made while anybody is in here."""
        self._turns = self._turns or CapacityLimiter(_MADE_AT_ONCE)
        making = self._made.get(session_id)
        if making is None or making.has_failed:
            making = self._made[session_id] = _Making(pieces, self._turns)
        making.waiting += 1
        try:
            yield making
        finally:
            making.waiting -= 1
            if not making.waiting:
                if self._made.get(session_id) is making:
                    del self._made[session_id]
                if making.is_whole:
                    self._keep(session_id, making.film)
                await making.end()

    def _keep(self, session_id: UUID, film: Film) -> None:
        self._kept[session_id] = film
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class _Making:
    """A film that is being made, for all who wait for it. The last of them ends it."""

    def __init__(self, pieces: Iterator[bytes], turns: CapacityLimiter) -> None:
        self.film = Film()
        self.waiting = 0
        self._news = asyncio.Event()
        # Awaited in `end`: no TaskGroup may span those who come and go.
        self._task = asyncio.create_task(self._make(pieces, turns))  # noqa: TID251
        self._task.add_done_callback(self._tell)

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a film."""
        return self._task.done() and not self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        done = self._task.done() and not self._task.cancelled()
        return done and self._task.exception() is None

    async def whole(self) -> Film:
        """Wait for all of it; raise what its pieces raised."""
        await asyncio.wait({self._task})
        self._task.result()
        return self.film

    async def grown(self) -> AsyncGenerator[bytes]:
        """Yield it from the beginning, as it grows; raise what its pieces raised."""
        sent_bytes = 0
        while True:
            news, is_over = self._news, self._task.done()
            parts = self.film.part(sent_bytes, self.film.size_bytes - 1)
            async with contextlib.aclosing(parts):
                async for piece in parts:
                    sent_bytes += len(piece)
                    yield piece
            if is_over:
                self._task.result()
                return
            await news.wait()

    async def end(self) -> None:
        """Make no more of it."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _make(self, pieces: Iterator[bytes], turns: CapacityLimiter) -> None:
        turn = object()
        await turns.acquire_on_behalf_of(turn)
        try:
            while size_bytes := await anyio.to_thread.run_sync(_next, pieces, self.film.file):
                self.film.size_bytes += size_bytes
                self._tell()
        finally:
            await anyio.to_thread.run_sync(close, pieces)
            turns.release_on_behalf_of(turn)

    def _tell(self, _task: object = None) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _next(pieces: Iterator[bytes], file: IO[bytes]) -> int:
    """Put the next piece into `file`; return its size, 0 at the end."""
    piece = next_piece(pieces)
    file.write(piece)
    file.flush()
    return len(piece)


def wanted_part(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Return first and last byte of what a Range header asks for (RFC 9110 14.2).

    All of it where there is none that we know; None where nothing of it is there.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return 0, size_bytes - 1
    if not match[1]:
        return max(0, size_bytes - int(match[2])), size_bytes - 1
    first = int(match[1])
    last = min(int(match[2]), size_bytes - 1) if match[2] else size_bytes - 1
    return (first, last) if first <= last else None
