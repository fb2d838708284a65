"""Makes chunks of segments, each linked to the one before it.

Sans-io: frames and times go in, a sealed chunk comes out. Nothing here sleeps,
writes or reads a clock. Sealing the same frames twice gives the same chunk, so a
seal that failed on the disk is simply tried again.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from msgspec import Struct

from recorder.chunk import (
    GENESIS,
    Chunk,
    ChunkHeader,
    Digest,
    SealReason,
    encode,
    read_frames,
    whole_frame,
)
from recorder.events import (
    ClientData,
    EndReason,
    Event,
    TargetData,
    TargetErrorData,
    decode_burst,
)

_SHOWN: Final = (TargetData, TargetErrorData)


class Link(Struct, frozen=True, kw_only=True):
    """What the next chunk must know of the chunk before it."""

    header: ChunkHeader
    digest: Digest


class _Count:
    """What a chunk's header says of its events. A chunk may hold ten thousand: be brief."""

    def __init__(self, at_ms: int) -> None:
        self.first_ms: int | None = None
        self.last_ms = at_ms
        self.events = self.input_bytes = self.output_bytes = 0

    def add(self, burst: list[Event]) -> None:
        """Count the events of one burst."""
        if not burst:
            return
        if self.first_ms is None:
            self.first_ms = burst[0].at_ms
        self.last_ms = max(self.first_ms, burst[-1].at_ms)
        self.events += len(burst)
        for event in burst:
            if isinstance(event, _SHOWN):
                self.output_bytes += len(event.data)
            elif isinstance(event, ClientData):
                self.input_bytes += len(event.data)


class Chunker:
    """The thread through the chunks of one session."""

    __slots__ = ("_previous", "_session_id")

    def __init__(self, session_id: UUID, previous: Link | None = None) -> None:
        self._session_id = session_id
        self._previous = previous

    @property
    def previous(self) -> Link | None:
        """The chunk that was followed last; None before the first."""
        return self._previous

    def seal(
        self,
        frames: bytes,
        sealed: SealReason,
        *,
        first_at: dt.datetime,
        end_reason: EndReason | None = None,
        cut_bytes: int = 0,
    ) -> Chunk:
        """Return the next chunk; raise `CorruptChunkError` where the frames are damaged."""
        link = self._previous
        count = _Count(0 if link is None else link.header.last_ms)
        for body in read_frames(frames):
            count.add(decode_burst(body))
        header = ChunkHeader(
            session_id=self._session_id,
            sequence=0 if link is None else link.header.sequence + 1,
            sealed=sealed,
            first_ms=count.last_ms if count.first_ms is None else count.first_ms,
            last_ms=count.last_ms,
            first_at=first_at,
            previous_digest=GENESIS if link is None else link.digest,
            frames_bytes=len(frames),
            events=count.events,
            input_bytes=count.input_bytes,
            output_bytes=count.output_bytes,
            end_reason=end_reason,
            cut_bytes=cut_bytes,
        )
        return encode(header, frames)

    def follow(self, chunk: Chunk) -> None:
        """Take note that `chunk` is on disk: the next one is linked to it."""
        self._previous = Link(header=chunk.header, digest=chunk.digest)


def whole_bytes(segment: bytes) -> int:
    """Return how many bytes of `segment` are whole frames that hold events."""
    offset = 0
    while offset < len(segment):
        body = whole_frame(segment, offset)
        if body is None:
            break
        offset += 8 + len(body)
    return offset
