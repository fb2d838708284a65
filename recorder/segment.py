"""The open segment of a session: where its events are written before they go on.

Each frame is encrypted before it is written. The file begins with a frame of its own, in
clear, that holds the wrapped data key: a segment can be read alone, by the storage side
alone.

A write that fails is cut back to the last whole frame, so that what is on disk is
always a row of whole frames and, after a crash, at most one torn one.

Two threads meet here. The event loop appends; the disk thread syncs. Neither waits
for the other: each number has one writer, and `unsynced` is only appended to by
the one and shortened from its front by the other.
"""

import datetime as dt
import errno
import math
import os
import struct
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
from isal.isal_zlib import crc32
from msgspec import Struct

from recorder.chunk import decrypt_frames, frame, whole_frame
from recorder.chunker import Written
from recorder.data_key import FRAME_OVERHEAD_BYTES, DataKey, WrappedKey
from recorder.errors import CorruptChunkError

_FRONT = struct.Struct(">II")
OVERHEAD_BYTES = _FRONT.size + FRAME_OVERHEAD_BYTES
"""What a frame takes on disk beside its body."""
_JOIN_BYTES = 8192
"""Up to here copying the body behind its front is cheaper than a second vector."""
_FAST_BYTES = 256 * 1024
"""A segment with so much at its first sync is full soon, and its frames are kept until then:
reading and decrypting them again costs more than that memory."""


class SegmentFront(Struct, frozen=True, kw_only=True):
    """What the first frame of a segment says."""

    session_id: UUID
    started_at: dt.datetime
    key: WrappedKey
    format: Literal[2] = 2


class Segment:
    """A file of frames that still grows. Its methods raise `OSError`."""

    __slots__ = (
        "_descriptor",
        "_frames",
        "_front",
        "_key",
        "closed",
        "dirty",
        "due_ms",
        "first_at",
        "folder",
        "named",
        "sequence",
        "suspect",
        "synced_bytes",
        "unsynced",
        "written",
        "written_bytes",
    )

    def __init__(self, folder: str, sequence: int, key: DataKey, front: bytes) -> None:
        self.folder = folder
        self.sequence = sequence
        self._key = key
        self._front = front
        self._frames = 0
        """How many frames were begun: each number is used once, whatever becomes of it."""
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
        self.suspect = False
        """Whether a sync has failed: what that one dropped, a later one reports as synced."""
        self.named = False
        """Whether the folder's entry for the file is known to be on disk."""
        self.written_bytes = self.synced_bytes = 0
        self.written: list[Written] | None = []
        """All its frames, of a segment that fills up before they are let go of."""
        self.unsynced: list[bytes] = []
        """Bodies that may not be on disk yet: a failed sync must not be tried again, so
        they are written anew from here."""
        try:
            write_whole(self._descriptor, front)
        except OSError:
            self.remove()
            raise
        self.written_bytes = len(front)

    @property
    def path(self) -> Path:
        """The segment's file."""
        return Path(self.folder, f"{self.sequence}.open")

    def next(self) -> "Segment":
        """Return the segment after this one, under the same key."""
        return Segment(self.folder, self.sequence + 1, self._key, self._front)

    def append(self, body: bytes) -> None:
        """Encrypt one frame and write it whole, or leave nothing of it behind."""
        counted, sealed = self._key.encrypt_frame(self.sequence, self._frames, body)
        self._frames += 1
        sealed_bytes, checksum = len(counted) + len(sealed), crc32(sealed, crc32(counted))
        front = _FRONT.pack(sealed_bytes, checksum) + counted
        size_bytes = len(front) + len(sealed)
        pieces = (front + sealed,) if size_bytes <= _JOIN_BYTES else (front, sealed)
        if len(pieces) == 1:
            wrote_bytes = os.write(self._descriptor, pieces[0])
        else:
            wrote_bytes = os.writev(self._descriptor, pieces)
        if wrote_bytes != size_bytes:
            self._write_rest(memoryview(front + sealed)[wrote_bytes:])
        self.written_bytes += size_bytes
        self.unsynced.append(body)
        if self.written is not None:
            self.written.append(Written(body, pieces))

    def sync(self) -> None:
        """Bring everything written so far to the disk; once that has failed, it always does."""
        if self.suspect:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.path))
        bodies, written_bytes = len(self.unsynced), self.written_bytes
        if written_bytes < _FAST_BYTES:
            self.written = None
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self.suspect = True
            raise
        if not self.named:
            sync_folder(Path(self.folder))
            self.named = True
        self.synced_bytes = written_bytes
        del self.unsynced[:bodies]

    def cut_to(self, size_bytes: int) -> None:
        """Drop every frame behind `size_bytes`; the file keeps its beginning."""
        self.written = None
        size_bytes = max(size_bytes, len(self._front))
        os.ftruncate(self._descriptor, size_bytes)
        self.written_bytes = size_bytes

    def frames(self) -> bytearray:
        """Return the frames in clear; raise `CorruptChunkError` where they are damaged."""
        return self._plain(self._read())

    def mended_frames(self) -> tuple[bytearray, int]:
        """Return what can be had of a damaged file, and how much of it cannot.

        What was written since the last sync is still in memory: a failed one may have
        dropped just that.
        """
        written = self._read()
        del written[self.written_bytes :]
        whole = whole_bytes(written)
        # Without its beginning the file tells nothing; what is in memory needs none.
        begins = written.startswith(self._front)
        kept = min(whole, self.synced_bytes) if begins else 0
        del written[kept:]
        frames = self._plain(written) if kept else written
        if kept == self.synced_bytes:
            for body in self.unsynced:
                frames += frame(body)
                kept += len(body) + OVERHEAD_BYTES
        return frames, max(0, self.written_bytes - kept)

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

    def _read(self) -> bytearray:
        with self.path.open("rb") as file:
            written = bytearray(os.fstat(file.fileno()).st_size)
            del written[file.readinto(written) :]
        return written

    def _plain(self, written: bytearray) -> bytearray:
        if not written.startswith(self._front):
            raise CorruptChunkError("the segment has lost its beginning")
        decrypt_frames(written, self._key, self.sequence, len(self._front))
        return written

    def _write_rest(self, rest: memoryview) -> None:
        try:
            write_whole(self._descriptor, rest)
        except OSError:
            os.ftruncate(self._descriptor, self.written_bytes)
            raise


def front_of(session_id: UUID, started_at: dt.datetime, key: WrappedKey) -> bytes:
    """Return what each segment of a session begins with."""
    front = SegmentFront(session_id=session_id, started_at=started_at, key=key)
    return frame(msgspec.msgpack.encode(front))


def read_front(written: bytes) -> tuple[SegmentFront, int] | None:
    """Return what a segment begins with and how long that is; None where it is damaged."""
    body = whole_frame(written, 0)
    if body is None:
        return None
    try:
        return _fronts.decode(body), _FRONT.size + len(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def whole_bytes(written: bytes | bytearray) -> int:
    """Return how many bytes of a segment are whole frames."""
    offset = 0
    while offset < len(written):
        body = whole_frame(written, offset)
        if body is None:
            break
        offset += _FRONT.size + len(body)
    return offset


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


_fronts = msgspec.msgpack.Decoder(SegmentFront)
