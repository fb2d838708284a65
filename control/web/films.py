"""Films of desktops for a player that asks for parts of them.

A film is made whole when somebody first asks, one at a time, and kept for a while in a file
that has no name: a player comes back for each jump, and nothing is left when we end.
"""

import contextlib
import os
import re
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import IO, Final
from uuid import UUID

import anyio.to_thread
from anyio import CapacityLimiter

_KEPT: Final = 4
"""Films: their disk is bounded, and few people watch different ones at once."""
_PIECE_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True)
class Film:
    """One, whole. Its file goes with the last that refers to it."""

    file: IO[bytes] = field(repr=False)
    size_bytes: int

    async def part(self, first: int, last: int) -> AsyncIterator[bytes]:
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

    async def of(self, session_id: UUID, pieces: Iterable[bytes]) -> Film:
        """Return the film of a session, made of `pieces` unless it is there.

        Raises what they raise.
        """
        if session_id not in self._kept:
            self._making = self._making or CapacityLimiter(1)
            film = await anyio.to_thread.run_sync(_made, pieces, limiter=self._making)
            self._kept.setdefault(session_id, film)
        self._kept.move_to_end(session_id)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[session_id]


def _made(pieces: Iterable[bytes]) -> Film:
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(tempfile.TemporaryFile())
        size_bytes = sum(map(file.write, pieces))
        file.flush()
        film = Film(file, size_bytes)
        # From here on it is closed with the last that plays it.
        weakref.finalize(film, closing.pop_all().close)
        return film


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
