"""A chunk: about thirty seconds of one session.

The chunk is the unit that is spooled, shipped, stored and replayed. Its bytes are

    "PXC1" | u32 crc32 of all that follows | u32 header size
           | header (MessagePack map) | payload

where the checksum finds damage (the digest and the chain find tampering), the
payload is the zstd-compressed frames of a spool segment, and a frame is
`u32 size | u32 crc32 | body` with a MessagePack array of events as its body. All
integers are big-endian. `docs/formats/chunk.md` is written for strangers.

INVARIANT: the chunks of a session are numbered 0, 1, 2, ... without a gap.
INVARIANT: `previous_digest` is the digest of the chunk numbered one less, so that
a removed, altered or reordered chunk shows.
"""

import datetime as dt
import enum
import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import zstandard
from msgspec import Meta, Struct

from recorder.errors import CorruptChunkError
from recorder.events import EndReason, Event, Milliseconds, decode_burst

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]

GENESIS: Digest = bytes(32)
"""The `previous_digest` of a session's first chunk."""

MAGIC = b"PXC1"
MAX_FRAMES_BYTES = 16 * 1024 * 1024
"""No chunk inflates past this; a larger one is an attack or a bug."""
MAX_HEADER_BYTES = 64 * 1024
_FRONT = struct.Struct(">II")
_LEVEL = 3
"""zstd-3 packs 400 MB/s at 16 % of the size; higher levels cost more than they save."""


class SealReason(enum.StrEnum):
    """Why a chunk was closed."""

    INTERVAL = "interval"
    SIZE = "size"
    END = "end"
    RECOVERED = "recovered"


class ChunkHeader(Struct, frozen=True, kw_only=True):
    """What identifies a chunk, readable without inflating it."""

    session_id: UUID
    sequence: Annotated[int, Meta(ge=0)]
    sealed: SealReason
    first_ms: Milliseconds
    last_ms: Milliseconds
    first_at: dt.datetime
    """Wall clock at `first_ms`."""
    previous_digest: Digest
    frames_bytes: Annotated[int, Meta(ge=0, le=MAX_FRAMES_BYTES)]
    events: Annotated[int, Meta(ge=0)]
    input_bytes: Annotated[int, Meta(ge=0)]
    """Captured bytes from the client in this chunk."""
    output_bytes: Annotated[int, Meta(ge=0)]
    """Captured bytes from the target in this chunk."""
    end_reason: EndReason | None = None
    """Set on the last chunk of a session, and on no other."""
    cut_bytes: int = 0
    """How many torn bytes recovery cut off behind the last whole frame."""
    codec: Literal["zstd"] = "zstd"
    format: Literal[1] = 1


class Chunk(Struct, frozen=True, kw_only=True):
    """A chunk whose header was read; its payload is still packed."""

    header: ChunkHeader
    encoded: bytes
    payload_offset: int

    @property
    def digest(self) -> Digest:
        """SHA-256 of the encoded chunk."""
        return hashlib.sha256(self.encoded).digest()

    def frames(self) -> bytes:
        """Return the frames, inflated; raise `CorruptChunkError` where they are damaged."""
        number = self.header.sequence
        try:
            inflater = zstandard.ZstdDecompressor().decompressobj()
            payload = memoryview(self.encoded)[self.payload_offset :]
            # The declared size bounds the buffer before a byte is inflated.
            parameters = zstandard.get_frame_parameters(payload[:18])
            if parameters.content_size != self.header.frames_bytes:
                raise CorruptChunkError(f"chunk {number}: the declared sizes differ")
            frames = inflater.decompress(payload)
        except zstandard.ZstdError as error:
            raise CorruptChunkError(f"chunk {number}: {error}") from error
        if len(frames) != self.header.frames_bytes or not inflater.eof:
            raise CorruptChunkError(f"chunk {number} does not inflate to its declared size")
        return frames

    def unpack(self) -> list[Event]:
        """Return the events; raise `CorruptChunkError` where they are damaged."""
        return [event for body in read_frames(self.frames()) for event in decode_burst(body)]


def frame(body: bytes) -> bytes:
    """Return `body` with its size and checksum in front, as segments hold it."""
    return _FRONT.pack(len(body), zlib.crc32(body)) + body


def read_frames(frames: bytes) -> Iterator[bytes]:
    """Yield each body; raise `CorruptChunkError` at the first torn or altered frame."""
    offset = 0
    while offset < len(frames):
        body = whole_frame(frames, offset)
        if body is None:
            raise CorruptChunkError(f"damaged frame at byte {offset}")
        yield body
        offset += _FRONT.size + len(body)


def whole_frame(frames: bytes, offset: int) -> bytes | None:
    """Return the body of the frame at `offset`, or None where it is torn or altered.

    No body is empty: after a power cut the end of a file may be zeros, which would
    read as frames without end.
    """
    start = offset + _FRONT.size
    if len(frames) < start:
        return None
    size, checksum = _FRONT.unpack_from(frames, offset)
    body = frames[start : start + size]
    if not size or len(body) != size or zlib.crc32(body) != checksum:
        return None
    return body


def encode(header: ChunkHeader, frames: bytes) -> Chunk:
    """Return the sealed chunk of `frames`."""
    packed_header = _header_encoder.encode(header)
    payload = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(frames)
    rest = len(packed_header).to_bytes(4, "big") + packed_header + payload
    encoded = MAGIC + zlib.crc32(rest).to_bytes(4, "big") + rest
    return Chunk(header=header, encoded=encoded, payload_offset=12 + len(packed_header))


def decode(encoded: bytes) -> Chunk:
    """Read the header of `encoded`; raise `CorruptChunkError` where it is no chunk."""
    size = int.from_bytes(encoded[8:12], "big")
    if encoded[:4] != MAGIC or size > MAX_HEADER_BYTES or len(encoded) < 12 + size:
        raise CorruptChunkError("not a chunk")
    if zlib.crc32(memoryview(encoded)[8:]) != int.from_bytes(encoded[4:8], "big"):
        raise CorruptChunkError("damaged chunk: its checksum differs")
    try:
        header = _header_decoder.decode(encoded[12 : 12 + size])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptChunkError(f"not a chunk: {error}") from error
    return Chunk(header=header, encoded=encoded, payload_offset=12 + size)


def check_follows(chunk: Chunk, previous: Chunk | None) -> None:
    """Raise `CorruptChunkError` unless `chunk` is the one after `previous`."""
    header = chunk.header
    sequence = 0 if previous is None else previous.header.sequence + 1
    digest = GENESIS if previous is None else previous.digest
    if header.sequence != sequence:
        raise CorruptChunkError(f"expected chunk {sequence}, got {header.sequence}")
    if header.previous_digest != digest:
        raise CorruptChunkError(f"chunk {sequence} does not follow the chunk before it")


_header_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(ChunkHeader)
