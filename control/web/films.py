"""Films of desktops for a player that asks for parts of them.

A film is made when somebody first asks, and kept for a while in a file that
has no name: a player comes back for each jump, and nothing is left when we end. Who asks for
all of it is sent what is ready while it is made; one that nobody waits for any more is not.
"""

import contextlib
import os
import re
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from uuid import UUID

import anyio.to_thread
from anyio import CapacityLimiter

_KEPT: Final = 4
"""Films: their disk is bounded, and few people watch different ones at once."""
_MADE_AT_ONCE: Final = 2
"""Each keeps a processor busy."""
_PIECE_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True)
class Film:
    """One, whole. Its file goes with the last that refers to it."""

    file: IO[bytes] = field(repr=False)
    size_bytes: int

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
        self._making: CapacityLimiter | None = None

    def kept(self, session_id: UUID) -> Film | None:
        """Return the film of a session, if it is there whole."""
        return self._kept.get(session_id)

    async def of(self, session_id: UUID, pieces: Iterator[bytes]) -> Film:
        """Return the film of a session, made of `pieces` unless it is there.

        Raises what they raise.
        """
        if session_id not in self._kept:
            async with contextlib.aclosing(self.growing(session_id, pieces)) as growing:
                async for _ in growing:
                    pass
        self._kept.move_to_end(session_id)
        return self._kept[session_id]

    async def growing(self, session_id: UUID, pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield a film as it is made of `pieces`, and keep it once it is whole.

        Raises what they raise.
        """
        self._making = self._making or CapacityLimiter(_MADE_AT_ONCE)
        turn = object()
        await self._making.acquire_on_behalf_of(turn)
        try:
            if (film := self._kept.get(session_id)) is not None:
                async with contextlib.aclosing(film.part(0, film.size_bytes - 1)) as parts:
                    async for piece in parts:
                        yield piece
                return
            with contextlib.ExitStack() as closing:
                file = closing.enter_context(tempfile.TemporaryFile())
                while piece := await anyio.to_thread.run_sync(_next, pieces, file):
                    yield piece
                film = Film(file, file.tell())
                # From here on it is closed with the last that plays it.
                weakref.finalize(film, closing.pop_all().close)
            self._keep(session_id, film)
        finally:
            self._making.release_on_behalf_of(turn)

    def _keep(self, session_id: UUID, film: Film) -> None:
        self._kept[session_id] = film
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _next(pieces: Iterator[bytes], file: IO[bytes]) -> bytes:
    """Return the next piece that is not empty, once it is in `file`; empty at the end."""
    piece = next((one for one in pieces if one), b"")
    file.write(piece)
    file.flush()
    return piece


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
