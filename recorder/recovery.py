"""Puts the spool in order after a stop of any kind, before sessions begin.

Whatever byte the engine died at, each whole frame ends up in exactly one chunk, the
chain holds, and the session has an end. A damaged file is put aside and holds up
nothing else. Being killed in here is harmless: the next recovery goes on.
"""

import datetime as dt
import hashlib
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
    SealReason,
    decode,
    frame,
    read_frames,
)
from recorder.chunker import Chunker, Link, whole_bytes
from recorder.errors import CorruptChunkError
from recorder.events import (
    EndReason,
    Event,
    SessionEnded,
    SessionStarted,
    decode_burst,
    encode_burst,
)
from recorder.spool import Spool

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Recovered(Struct, frozen=True, kw_only=True):
    """What a recovery found."""

    sessions: tuple[UUID, ...] = ()
    """Those that had not ended: they were cut off."""
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
        self._folder = spool.folder(session_id)
        self._previous: Link | None = None
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
        numbers = sorted({int(file.stem) for file in self._folder.glob("[0-9]*.*")})
        for number in numbers:
            chunk, segment = self._folder / f"{number}.chunk", self._folder / f"{number}.open"
            if chunk.exists() and self._take_chunk(chunk):
                segment.unlink(missing_ok=True)
            elif segment.exists():
                self._take_segment(segment, last=number == numbers[-1])
        if self._previous is None:
            # Nothing whole was ever written: the session was not told that it may begin.
            shutil.rmtree(self._folder)
        elif not self._ended:
            self._seal(b"", self._previous.header.sequence + 1, [])
        if self._cut_off:
            _log.warning("spool.recovered", session_id=str(self._id), cut_bytes=self.cut_bytes)
        return self._cut_off

    def _take_chunk(self, file: Path) -> bool:
        encoded, number = file.read_bytes(), int(file.stem)
        try:
            chunk = self._checked(encoded, number)
        except CorruptChunkError as error:
            self._put_aside(file, str(error))
            self._stand_in(number, hashlib.sha256(encoded).digest())
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
        # Its checksum holds for every byte: unpacking would only slow the start down.
        return chunk

    def _take_segment(self, file: Path, *, last: bool) -> None:
        number, written = int(file.stem), file.read_bytes()
        frames = written[: whole_bytes(written)]
        tail = written[len(frames) :]
        events = [event for body in read_frames(frames) for event in decode_burst(body)]
        if tail and not _is_torn(tail):
            self._put_aside(file, f"damaged at byte {len(frames)}")
        self.cut_bytes += len(tail)
        if events or number:
            self._seal(frames, number, events, cut_bytes=len(tail), last=last)
        file.unlink(missing_ok=True)

    def _seal(
        self,
        frames: bytes,
        number: int,
        events: list[Event],
        *,
        cut_bytes: int = 0,
        last: bool = True,
    ) -> None:
        """Seal what was left open; where it is the last and has no end, it gets one."""
        if number and (self._previous is None or self._previous.header.sequence != number - 1):
            self._stand_in(number - 1, GENESIS)
        end_reason = (
            events[-1].reason if events and isinstance(events[-1], SessionEnded) else None
        )
        if end_reason is None and last:
            self._cut_off, end_reason = True, EndReason.ENGINE_CRASHED
            ended = SessionEnded(at_ms=self._last_ms(events), reason=end_reason)
            frames += frame(encode_burst([ended]))
            events = [*events, ended]
        chunker = Chunker(self._id, self._previous)
        chunk = chunker.seal(
            frames,
            SealReason.RECOVERED,
            first_at=self._first_at(events),
            end_reason=end_reason,
            cut_bytes=cut_bytes,
        )
        self._spool.add(chunk)
        self._follow(chunk)

    def _follow(self, chunk: Chunk) -> None:
        self._previous, self._whole = Link(header=chunk.header, digest=chunk.digest), True
        self._ended = chunk.header.end_reason is not None

    def _last_ms(self, events: list[Event]) -> int:
        before_ms = 0 if self._previous is None else self._previous.header.last_ms
        return events[-1].at_ms if events else before_ms

    def _first_at(self, events: list[Event]) -> dt.datetime:
        """Count on from what is known: the file's own time is that of its last write."""
        first = events[0] if events else None
        if isinstance(first, SessionStarted):
            return first.info.started_at
        if self._previous is None:
            return self._changed_at()
        header = self._previous.header
        first_ms = header.last_ms if first is None else first.at_ms
        return header.first_at + dt.timedelta(milliseconds=first_ms - header.first_ms)

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
            events=0,
            input_bytes=0,
            output_bytes=0,
        )
        self._previous, self._whole = Link(header=header, digest=digest), False

    def _changed_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._folder.stat().st_mtime, dt.UTC)

    def _put_aside(self, file: Path, why: str) -> None:
        self._spool.quarantine(file, self._id, why)
        self.quarantined += 1


def _end_reason(events: list[Event]) -> EndReason | None:
    last = events[-1] if events else None
    return last.reason if isinstance(last, SessionEnded) else None


def _is_torn(tail: bytes) -> bool:
    """Say whether a crash alone explains `tail`: a frame cut short, or zeros."""
    size_bytes = int.from_bytes(tail[:4], "big")
    return len(tail) < 8 + size_bytes or not any(tail)
