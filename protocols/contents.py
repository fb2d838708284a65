"""A file's contents as they cross in one direction: how much, and their digest."""

import hashlib
from typing import Protocol


class Contents(Protocol):
    """Takes the file contents of one message, slice by slice."""

    def __call__(self, piece: memoryview, /) -> None:
        """Take the next slice; it is valid during the call only."""
        ...


class Stream:
    """One file's contents as they cross in one direction."""

    __slots__ = ("_expected_offset", "_sha256", "size_bytes")

    def __init__(self) -> None:
        self.size_bytes = 0
        self._expected_offset = 0
        self._sha256: hashlib._Hash | None = hashlib.sha256()

    def at(self, offset: int) -> Contents:
        """Return who takes the contents at `offset`. Out of order there is no digest."""
        if offset != self._expected_offset:
            self._sha256 = None
        return self.take

    def take(self, piece: memoryview | bytes) -> None:
        """Count and digest the next contents."""
        self.size_bytes += len(piece)
        self._expected_offset += len(piece)
        if self._sha256 is not None:
            self._sha256.update(piece)

    def digest(self) -> bytes:
        """Return the SHA-256 of what crossed, or nothing if it crossed out of order."""
        return self._sha256.digest() if self._sha256 is not None else b""
