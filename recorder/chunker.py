"""Makes chunks of segments, each linked to the one before it.

Sans-io: frames and times go in, a sealed chunk comes out. Nothing here sleeps,
writes or reads a clock. Sealing the same frames twice is harmless: only the chunk that
is followed counts.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import zstandard
from msgspec import Struct, structs

from recorder.chunk import (
    GENESIS,
    Chunk,
    ChunkHeader,
    Digest,
    EndManifest,
    SealReason,
    encode,
    encode_as_written,
    frame,
    read_frames,
)
from recorder.data_key import DataKey
from recorder.events import (
    ClientData,
    EndReason,
    Event,
    TargetData,
    TargetErrorData,
    decode_burst,
)
from recorder.signing import ChunkSigner

_SHOWN: Final = (TargetData, TargetErrorData)
_FEW = 64
"""So many pieces are hashed and written one by one; more of them are put together first."""
_SAMPLES, _SAMPLE_BYTES = 16, 64 * 1024
_PACKED = 0.9
"""What packs less is not worth its time: it costs the engine half as much as all else."""


class Link(Struct, frozen=True, kw_only=True):
    """What the next chunk must know of the chunk before it."""

    header: ChunkHeader
    digest: Digest


class Written(Struct, frozen=True):
    """A frame that is in memory still."""

    body: bytes
    pieces: tuple[bytes, ...]
    """As it lies on the disk: size, checksum, ciphertext."""


class Count:
    """What a chunk's header says of its events. A chunk may hold ten thousand: be brief."""

    def __init__(self, at_ms: int) -> None:
        self._first_ms: int | None = None
        self.last_ms = at_ms
        self.events = self.input_bytes = self.output_bytes = 0

    @property
    def first_ms(self) -> int:
        """When the first event was; where there is none, when the chunk before ended."""
        return self.last_ms if self._first_ms is None else self._first_ms

    def add(self, burst: list[Event]) -> None:
        """Count the events of one burst."""
        if not burst:
            return
        if self._first_ms is None:
            self._first_ms = burst[0].at_ms
        self.last_ms = max(self._first_ms, burst[-1].at_ms)
        self.events += len(burst)
        for event in burst:
            if isinstance(event, _SHOWN):
                self.output_bytes += len(event.data)
            elif isinstance(event, ClientData):
                self.input_bytes += len(event.data)


class Totals:
    """What a session comes to so far, for its end manifest."""

    __slots__ = ("_input", "_output", "events", "input_bytes", "output_bytes")

    def __init__(self) -> None:
        self.events = self.input_bytes = self.output_bytes = 0
        self._input, self._output = hashlib.sha256(), hashlib.sha256()

    def copy(self) -> "Totals":
        """Return a sum that goes on by itself."""
        other = Totals()
        other.events, other.input_bytes = self.events, self.input_bytes
        other.output_bytes = self.output_bytes
        other._input, other._output = self._input.copy(), self._output.copy()
        return other

    def add(self, burst: list[Event]) -> None:
        """Add the events of one burst."""
        self.events += len(burst)
        for event in burst:
            if isinstance(event, _SHOWN):
                self.output_bytes += len(event.data)
                self._output.update(event.data)
            elif isinstance(event, ClientData):
                self.input_bytes += len(event.data)
                self._input.update(event.data)

    def manifest(self, last_sequence: int) -> EndManifest:
        """Return what the last chunk says of the whole."""
        return EndManifest(
            last_sequence=last_sequence,
            events=self.events,
            input_bytes=self.input_bytes,
            output_bytes=self.output_bytes,
            input_sha256=self._input.digest(),
            output_sha256=self._output.digest(),
        )


class Chunker:
    """The thread through the chunks of one session, from its beginning."""

    __slots__ = ("_key", "_previous", "_session_id", "_signer", "_totals", "_totals_then")

    def __init__(self, session_id: UUID, key: DataKey, signer: ChunkSigner) -> None:
        self._session_id = session_id
        self._key = key
        self._signer = signer
        self._previous: Link | None = None
        self._totals = self._totals_then = Totals()

    def seal(
        self,
        frames: bytes | bytearray,
        sealed: SealReason,
        *,
        first_at: dt.datetime,
        end_reason: EndReason | None = None,
        cut_bytes: int = 0,
    ) -> Chunk:
        """Return the next chunk of `frames`, which are in clear.

        Raises `CorruptChunkError` where they are damaged.
        """
        header = self._header(read_frames(frames), sealed, first_at, end_reason)
        header = structs.replace(header, frames_bytes=len(frames), cut_bytes=cut_bytes)
        return encode(header, frames, self._key, self._signer)

    def seal_written(
        self,
        written: Sequence[Written],
        sealed: SealReason,
        *,
        first_at: dt.datetime,
        end_reason: EndReason | None = None,
    ) -> Chunk:
        """Return the next chunk of frames that are in memory still.

        What does not pack stays as it lies; but not at the end of a session, for there
        readers take it for what a dead engine left.
        """
        bodies = [one.body for one in written]
        header = self._header(bodies, sealed, first_at, end_reason)
        if end_reason is not None or _packs(bodies):
            frames = b"".join(frame(body) for body in bodies)
            header = structs.replace(header, frames_bytes=len(frames))
            return encode(header, frames, self._key, self._signer)
        pieces = [piece for one in written for piece in one.pieces]
        if len(pieces) > _FEW:
            pieces = [b"".join(pieces)]
        size_bytes = sum(map(len, pieces))
        header = structs.replace(header, frames_bytes=size_bytes, codec="frames")
        return encode_as_written(header, pieces, self._signer)

    def _header(
        self,
        bodies: Iterable[bytes],
        sealed: SealReason,
        first_at: dt.datetime,
        end_reason: EndReason | None,
    ) -> ChunkHeader:
        link = self._previous
        sequence = 0 if link is None else link.header.sequence + 1
        count = Count(0 if link is None else link.header.last_ms)
        self._totals_then = totals = self._totals.copy()
        for body in bodies:
            burst = decode_burst(body)
            count.add(burst)
            totals.add(burst)
        return ChunkHeader(
            session_id=self._session_id,
            sequence=sequence,
            sealed=sealed,
            first_ms=count.first_ms,
            last_ms=count.last_ms,
            first_at=first_at,
            previous_digest=GENESIS if link is None else link.digest,
            frames_bytes=0,
            events=count.events,
            input_bytes=count.input_bytes,
            output_bytes=count.output_bytes,
            end_reason=end_reason,
            key=self._key.wrapped,
            engine_id=self._signer.engine_id,
            signing_key=self._signer.key_id,
            manifest=None if end_reason is None else totals.manifest(sequence),
        )

    def follow(self, chunk: Chunk) -> None:
        """Take note that `chunk`, sealed last, is on disk: the next one is linked to it."""
        self._previous = Link(header=chunk.header, digest=chunk.digest)
        self._totals = self._totals_then


def _packs(bodies: Sequence[bytes]) -> bool:
    """Say whether compressing is worth its time, by samples from all over `bodies`."""
    step = max(1, len(bodies) // _SAMPLES)
    sampled = [memoryview(body) for body in bodies[::step]]
    each = _SAMPLE_BYTES // len(sampled)
    sample = b"".join(body[len(body) // 2 :][:each] for body in sampled)
    if len(sample) < _SAMPLE_BYTES // 2:
        return True
    return len(zstandard.ZstdCompressor(level=1).compress(sample)) < _PACKED * len(sample)
