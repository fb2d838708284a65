"""The open segment of a session: where its events are written before they go on.

A write that fails is cut back to the last whole frame, so that what is on disk is
always a row of whole frames and, after a crash, at most one torn one.

Two threads meet here. The event loop appends; the disk thread syncs. Neither waits
for the other: each number has one writer, and `unsynced` is only appended to by
the one and shortened from its front by the other.
"""

import datetime as dt
import math
import os
import struct
import zlib
from pathlib import Path

_FRONT = struct.Struct(">II")
_JOIN_BYTES = 8192
"""Up to here copying the body behind its front is cheaper than a second vector."""


class Segment:
    """A file of frames that still grows. Its methods raise `OSError`."""

    __slots__ = (
        "_descriptor",
        "closed",
        "dirty",
        "due_ms",
        "first_at",
        "folder",
        "named",
        "sequence",
        "synced_bytes",
        "unsynced",
        "written_bytes",
    )

    def __init__(self, folder: str, sequence: int) -> None:
        self.folder = folder
        self.sequence = sequence
        self._descriptor = os.open(
            self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self.first_at: dt.datetime | None = None
        """Wall clock of the first event; None while the segment is empty."""
        self.due_ms: float = math.inf
        """When the segment must be sealed; never, while it is empty."""
        self.closed = False
        self.dirty = False
        """Whether the disk thread was told of this segment and has not come yet."""
        self.named = False
        """Whether the folder's entry for the file is known to be on disk."""
        self.written_bytes = 0
        self.synced_bytes = 0
        self.unsynced: list[bytes] = []
        """Bodies that may not be on disk yet: a failed sync must not be tried again, so
        they are written anew from here."""

    @property
    def path(self) -> Path:
        """The segment's file."""
        return Path(self.folder, f"{self.sequence}.open")

    def append(self, body: bytes) -> None:
        """Write one frame whole, or leave nothing of it behind."""
        front = _FRONT.pack(len(body), zlib.crc32(body))
        size_bytes = len(front) + len(body)
        if size_bytes <= _JOIN_BYTES:
            wrote_bytes = os.write(self._descriptor, front + body)
        else:
            wrote_bytes = os.writev(self._descriptor, (front, body))
        if wrote_bytes != size_bytes:
            self._write_rest(memoryview(front + body)[wrote_bytes:])
        self.written_bytes += size_bytes
        self.unsynced.append(body)

    def sync(self) -> None:
        """Bring everything written so far to the disk."""
        bodies, written_bytes = len(self.unsynced), self.written_bytes
        os.fdatasync(self._descriptor)
        if not self.named:
            sync_folder(Path(self.folder))
            self.named = True
        self.synced_bytes = written_bytes
        del self.unsynced[:bodies]

    def cut_to(self, size_bytes: int) -> None:
        """Drop everything behind `size_bytes`."""
        os.ftruncate(self._descriptor, size_bytes)
        self.written_bytes = size_bytes

    def read(self) -> bytes:
        """Return what is in the file."""
        return self.path.read_bytes()

    def close(self) -> None:
        """Let go of the file and leave it where it is."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)
            # The number may be given to another file: it must not be written to again.
            self._descriptor = -1

    def remove(self) -> None:
        """Let go of the file and delete it: its chunk is on disk."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write_rest(self, rest: memoryview) -> None:
        try:
            write_whole(self._descriptor, rest)
        except OSError:
            os.ftruncate(self._descriptor, self.written_bytes)
            raise


def write_whole(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of `content`, however many calls that takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk: a new file is lost without this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
