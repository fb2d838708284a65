"""Exports on their way to whoever asked, made on threads of their own.

An export takes seconds to begin and minutes to end: those who only look must not wait for it,
and nobody has so many made that others get none.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Final

import anyio.to_thread
from anyio import CapacityLimiter

from control.errors import ConflictError

_THREADS: Final = 2
"""Each keeps a processor busy, and so does what it asks."""
_PER_PERSON: Final = 3
"""Some are processes: what waits for a slow reader holds its memory."""


class Exports:
    """For one event loop."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._threads: CapacityLimiter | None = None

    async def made(self, who: str, pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
        """Yield an export as it is made; raise `ConflictError` where `who` has too many.

        Raises what `pieces` raise.
        """
        if self._of[who] >= _PER_PERSON:
            raise ConflictError(f"{_PER_PERSON} exports of yours are under way: wait for one")
        self._threads = self._threads or CapacityLimiter(_THREADS)
        self._of[who] += 1
        try:
            while piece := await anyio.to_thread.run_sync(
                next_piece, pieces, limiter=self._threads
            ):
                yield piece
        finally:
            self._of -= Counter([who])  # And no trace of him at none.
            await anyio.to_thread.run_sync(close, pieces, limiter=self._threads)


def next_piece(pieces: Iterator[bytes]) -> bytes:
    """Return the next piece that is not empty; empty at the end."""
    return next((one for one in pieces if one), b"")


def close(pieces: Iterator[bytes]) -> None:
    """End what makes them, at once."""
    if isinstance(pieces, Generator):
        pieces.close()
