"""Puts the spool in order after a stop of any kind, before sessions begin.

Whatever byte the engine died at, each whole frame ends up in exactly one chunk, the
chain holds, and the session has an end. A damaged file is put aside and holds up
nothing else. Being killed in here is harmless: the next recovery goes on.

The data keys died with the engine, so frames are sealed as they lie: what they hold, and
whether the session had just ended, the storage side finds out.
"""

import datetime as dt
import shutil
from pathlib import Path
from uuid import UUID

import structlog
from msgspec import Struct

from recorder.chunk import (
    GENESIS,
    Chunk,
    ChunkHeader,
    Digest,
    EndManifest,
    SealReason,
    decode,
    digest_of,
    encode_as_written,
)
from recorder.chunker import Link
from recorder.data_key import WrappedKey
from recorder.errors import CorruptChunkError
from recorder.events import EndReason
from recorder.segment import SegmentFront, read_front, whole_bytes
from recorder.spool import Spool

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Recovered(Struct, frozen=True, kw_only=True):
    """What a recovery found."""

    sessions: tuple[UUID, ...] = ()
    """Those whose end was not sealed: nearly all of them were cut off."""
    cut_bytes: int = 0
    """Torn bytes behind the last whole frames."""
    quarantined: int = 0
    """Damaged files that were put aside."""


def recover(spool: Spool) -> Recovered:
    """Seal what was left open and count what waits; blocking."""
    cut_off: list[UUID] = []
    cut_bytes = quarantined = 0
    for session_id in spool.sessions():
        session = _Session(spool, session_id)
        try:
            if session.recover():
                cut_off.append(session_id)
        except OSError as error:
            _log.error(
                "spool.unrecovered",
                session_id=str(session_id),
                error=str(error),
                next_step="what is in this folder stays there; mend the disk, then restart",
            )
        cut_bytes += session.cut_bytes
        quarantined += session.quarantined
    return Recovered(sessions=tuple(cut_off), cut_bytes=cut_bytes, quarantined=quarantined)


class _Session:
    """The folder of one session, gone through from its first file to its last."""

    def __init__(self, spool: Spool, session_id: UUID) -> None:
        self._spool = spool
        self._id = session_id
        self._signer = spool.keys.signer
        self._folder = spool.folder(session_id)
        self._previous: Link | None = None
        self._key: WrappedKey | None = None
        """The session's data key, as whatever came before had it."""
        self._whole = True
        """Whether `_previous` could be read, so that its digest binds the next chunk."""
        self._ended = False
        self._cut_off = False
        self.cut_bytes = 0
        self.quarantined = 0

    def recover(self) -> bool:
        """Put the folder in order; say whether the session had been cut off."""
        for making in self._folder.glob("*.tmp"):
            making.unlink()
        self._previous = self._spool.link(self._id)
        self._key = self._previous.header.key if self._previous else None
        shipped = -1 if self._previous is None else self._previous.header.sequence
        numbers = self._numbers()
        for number in numbers:
            chunk, segment = self._folder / f"{number}.chunk", self._folder / f"{number}.open"
            if (chunk.exists() and self._take_chunk(chunk)) or number <= shipped:
                segment.unlink(missing_ok=True)
            elif segment.exists():
                self._take_segment(segment, last=number == numbers[-1])
        if self._previous is None:
            # Nothing whole was ever written: the session was not told that it may begin.
            shutil.rmtree(self._folder)
        elif not self._ended:
            self._cut_off = True
            self._seal(b"", self._previous.header.sequence + 1, last=True)
        if self._cut_off:
            _log.warning("spool.recovered", session_id=str(self._id), cut_bytes=self.cut_bytes)
        return self._cut_off

    def _numbers(self) -> list[int]:
        """Return those of the chunks and segments, without segments that were not begun."""
        numbers = sorted({int(file.stem) for file in self._folder.glob("[0-9]*.*")})
        while len(numbers) > 1 and self._is_unbegun(*numbers[-2:]):
            (self._folder / f"{numbers.pop()}.open").unlink()
        return numbers

    def _is_unbegun(self, before: int, number: int) -> bool:
        """Say whether a segment holds nothing yet, and the one before was not sealed.

        The session's end is sealed with that one then: what it holds tells when that was.
        """
        sealed = [self._folder / f"{each}.chunk" for each in (before, number)]
        if any(chunk.exists() for chunk in sealed):
            return False
        written = (self._folder / f"{number}.open").read_bytes()
        front = read_front(written)
        return not written or (front is not None and front[1] == len(written))

    def _take_chunk(self, file: Path) -> bool:
        encoded, number = file.read_bytes(), int(file.stem)
        try:
            chunk = self._checked(encoded, number)
        except CorruptChunkError as error:
            self._put_aside(file, str(error))
            self._stand_in(number, digest_of(encoded))
            return False
        self._spool.take_over(self._id, number, len(encoded))
        self._follow(chunk)
        return True

    def _checked(self, encoded: bytes, number: int) -> Chunk:
        chunk = decode(encoded)
        header, previous = chunk.header, self._previous
        if (header.session_id, header.sequence) != (self._id, number):
            raise CorruptChunkError("the chunk is not the one that its file name says")
        follows = (
            self._whole and previous is not None and previous.header.sequence == number - 1
        )
        if previous is not None and follows and header.previous_digest != previous.digest:
            raise CorruptChunkError("the chunk does not follow the one before it")
        return chunk

    def _take_segment(self, file: Path, *, last: bool) -> None:
        number, written = int(file.stem), file.read_bytes()
        front, front_bytes = read_front(written) or (None, 0)
        whole = whole_bytes(written) if front else 0
        frames, tail = written[front_bytes:whole], written[whole:]
        if front is not None:
            self._key = front.key
        if tail and not _is_torn(tail):
            self._put_aside(file, f"damaged at byte {whole}")
        self.cut_bytes += len(tail)
        if frames or number:
            self._cut_off = self._cut_off or last
            self._seal(frames, number, front, cut_bytes=len(tail), last=last)
        file.unlink(missing_ok=True)

    def _seal(
        self,
        frames: bytes,
        number: int,
        front: SegmentFront | None = None,
        *,
        cut_bytes: int = 0,
        last: bool,
    ) -> None:
        """Seal what was left open; where it is the last, it is the session's end."""
        if number and (self._previous is None or self._previous.header.sequence != number - 1):
            self._stand_in(number - 1, GENESIS)
        before = self._previous
        header = ChunkHeader(
            session_id=self._id,
            sequence=number,
            sealed=SealReason.RECOVERED,
            first_ms=0 if before is None else before.header.last_ms,
            last_ms=0 if before is None else before.header.last_ms,
            first_at=self._first_at(front),
            previous_digest=GENESIS if before is None else before.digest,
            frames_bytes=len(frames),
            end_reason=EndReason.ENGINE_CRASHED if last else None,
            cut_bytes=cut_bytes,
            codec="frames",
            key=self._key,
            engine_id=self._signer.engine_id,
            signing_key=self._signer.key_id,
            manifest=EndManifest(last_sequence=number) if last else None,
        )
        chunk = encode_as_written(header, [frames], self._signer)
        self._spool.add(chunk)
        self._follow(chunk)

    def _follow(self, chunk: Chunk) -> None:
        self._previous, self._whole = Link(header=chunk.header, digest=chunk.digest), True
        self._key = chunk.header.key or self._key
        self._ended = chunk.header.end_reason is not None

    def _first_at(self, front: SegmentFront | None) -> dt.datetime:
        """Count on from what is known: the file's own time is that of its last write."""
        if self._previous is not None:
            header = self._previous.header
            return header.first_at + dt.timedelta(milliseconds=header.last_ms - header.first_ms)
        return self._changed_at() if front is None else front.started_at

    def _stand_in(self, number: int, digest: Digest) -> None:
        """Go on after a chunk that cannot be read: its gap will show."""
        known = self._previous
        header = ChunkHeader(
            session_id=self._id,
            sequence=number,
            sealed=SealReason.RECOVERED,
            first_ms=0 if known is None else known.header.last_ms,
            last_ms=0 if known is None else known.header.last_ms,
            first_at=self._changed_at() if known is None else known.header.first_at,
            previous_digest=GENESIS,
            frames_bytes=0,
        )
        self._previous, self._whole = Link(header=header, digest=digest), False

    def _changed_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._folder.stat().st_mtime, dt.UTC)

    def _put_aside(self, file: Path, why: str) -> None:
        self._spool.quarantine(file, self._id, why)
        self.quarantined += 1


def _is_torn(tail: bytes) -> bool:
    """Say whether a crash alone explains `tail`: a frame cut short, or zeros."""
    size_bytes = int.from_bytes(tail[:4], "big")
    return len(tail) < 8 + size_bytes or not any(tail)
