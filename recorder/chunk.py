"""A chunk: about thirty seconds of one session.

The chunk is the unit that is spooled, shipped, stored and replayed. Its bytes are

    "PXC2" | u32 header size | header (MessagePack map) | payload
           | Ed25519 signature, 64 bytes | u32 crc32 of all that precedes

where the checksum finds damage; digest, chain and signature find tampering. The payload
is the zstd-compressed frames of a spool segment, encrypted with the session's data key;
or the encrypted frames as they lie on the disk: where they do not pack, and where the
engine died that could read them. A frame is `u32 size | u32 crc32 | body` with a
MessagePack array of events as its body. All integers are big-endian.
`docs/formats/chunk.md` is written for strangers, and tells of format 1, which is read still.

INVARIANT: the chunks of a session are numbered 0, 1, 2, ... without a gap.
INVARIANT: `previous_digest` is the digest of the chunk numbered one less, so that
a removed, altered or reordered chunk shows, and the digest of the last one stands for
the whole session.
"""

import datetime as dt
import enum
import hashlib
import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import zstandard
from isal.isal_zlib import crc32
from msgspec import Meta, Struct

from recorder.data_key import DataKey, WrappedKey
from recorder.errors import CorruptChunkError, UntrustedChunkError
from recorder.events import EndReason, Event, Milliseconds, SessionEnded, decode_burst
from recorder.signing import (
    SIGNATURE_BYTES,
    ChunkSigner,
    KnownSigners,
    SignerKey,
    is_signed,
)

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]

GENESIS: Digest = bytes(32)
"""The `previous_digest` of a session's first chunk."""

MAGIC = b"PXC2"
_MAGIC_1 = b"PXC1"
MAX_FRAMES_BYTES = 16 * 1024 * 1024
"""No chunk inflates past this; a larger one is an attack or a bug."""
MAX_HEADER_BYTES = 64 * 1024
_FRONT = struct.Struct(">II")
_CRC_BYTES = 4
_TRAILER_BYTES = SIGNATURE_BYTES + _CRC_BYTES
_SIGNED_AS = b"proxyd chunk 2\x00"
"""In front of the digest: the engine's key signs other things as well."""
_LEVEL = 3
"""zstd-3 packs 400 MB/s at 16 % of the size; higher levels cost more than they save."""


class SealReason(enum.StrEnum):
    """Why a chunk was closed."""

    INTERVAL = "interval"
    SIZE = "size"
    END = "end"
    RECOVERED = "recovered"


class EndManifest(Struct, frozen=True, kw_only=True):
    """What a whole recording comes to. None stands for what a dead engine did not tell."""

    last_sequence: Annotated[int, Meta(ge=0)]
    events: int | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None
    input_sha256: bytes | None = None
    """Of all that was captured from the client, channels as they came."""
    output_sha256: bytes | None = None
    """Of all that was captured from the target, both streams as they came."""


class ChunkHeader(Struct, frozen=True, kw_only=True):
    """What identifies a chunk, readable by everybody."""

    session_id: UUID
    sequence: Annotated[int, Meta(ge=0)]
    sealed: SealReason
    first_ms: Milliseconds
    last_ms: Milliseconds
    first_at: dt.datetime
    """Wall clock at `first_ms`."""
    previous_digest: Digest
    frames_bytes: Annotated[int, Meta(ge=0, le=MAX_FRAMES_BYTES)]
    events: Annotated[int, Meta(ge=0)] | None = None
    """None where frames were sealed that the engine could not read; so of the next two."""
    input_bytes: Annotated[int, Meta(ge=0)] | None = None
    """Captured bytes from the client in this chunk."""
    output_bytes: Annotated[int, Meta(ge=0)] | None = None
    """Captured bytes from the target in this chunk."""
    end_reason: EndReason | None = None
    """Set on the last chunk of a session, and on no other."""
    cut_bytes: int = 0
    """How many torn bytes recovery cut off behind the last whole frame."""
    codec: Literal["zstd", "frames"] = "zstd"
    format: Literal[1, 2] = 2
    key: WrappedKey | None = None
    """The session's data key, in each chunk, so that each can be read alone."""
    engine_id: str = ""
    signing_key: str = ""
    """Who signed it, with which key."""
    manifest: EndManifest | None = None
    """In the last chunk, under its signature."""


class Chunk(Struct, frozen=True, kw_only=True, dict=True):
    """A chunk whose header was read; its payload is still packed."""

    header: ChunkHeader
    pieces: tuple[bytes, ...]
    """All its bytes, put together for whoever asks for `encoded`: who writes does not."""
    payload_offset: int
    data_key: bytes = b""
    """Unwrapped; empty where it is not known, and the payload cannot be read."""

    def __repr__(self) -> str:
        # The key opens the recording, and a representation ends up in logs.
        return f"Chunk({self.header.session_id}, {self.header.sequence})"

    @cached_property
    def encoded(self) -> bytes:
        """All its bytes."""
        return b"".join(self.pieces)

    @property
    def size_bytes(self) -> int:
        """How many bytes that are."""
        return sum(map(len, self.pieces))

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the chunk up to its signature."""
        return digest_of(self.encoded)

    @property
    def signature(self) -> bytes:
        """The engine's signature; empty in format 1."""
        return b"" if self.header.format == 1 else self.encoded[-_TRAILER_BYTES:-_CRC_BYTES]

    def frames(self) -> bytes:
        """Return the frames, decrypted and inflated.

        Raises `CorruptChunkError` where they are damaged, or the data key is not theirs.
        """
        header = self.header
        end = None if header.format == 1 else -_TRAILER_BYTES
        payload = memoryview(self.encoded)[self.payload_offset : end]
        if header.format == 1:
            return _inflated(header, payload)
        if header.codec == "frames":
            return self._plain_frames(payload)
        packed_header = self.encoded[8 : self.payload_offset]
        return _inflated(
            header, memoryview(self._key().decrypt_payload(payload, packed_header))
        )

    def unpack(self) -> list[Event]:
        """Return the events; raise `CorruptChunkError` where they are damaged.

        An engine that died told no end; it is told here, as the next start sealed it.
        """
        events = [event for body in read_frames(self.frames()) for event in decode_burst(body)]
        header = self.header
        if header.codec == "frames" and header.end_reason is not None:
            last = events[-1] if events else None
            if not isinstance(last, SessionEnded):
                at_ms = header.last_ms if last is None else last.at_ms
                events.append(SessionEnded(at_ms=at_ms, reason=header.end_reason))
        return events

    def _plain_frames(self, payload: memoryview) -> bytes:
        if len(payload) != self.header.frames_bytes:
            raise CorruptChunkError(f"chunk {self.header.sequence}: the declared sizes differ")
        frames = bytearray(payload)
        if frames:
            decrypt_frames(frames, self._key(), self.header.sequence)
        return bytes(frames)

    def _key(self) -> DataKey:
        header = self.header
        if header.key is None or not self.data_key:
            raise CorruptChunkError(f"chunk {header.sequence} is encrypted, its key not here")
        try:
            return DataKey(header.session_id, self.data_key, header.key)
        except ValueError as error:
            raise CorruptChunkError("the data key is no key of AES-256") from error


def digest_of(encoded: bytes) -> Digest:
    """Return the digest of a chunk, whole or not; of format 1 it is that of all its bytes."""
    end = -_TRAILER_BYTES if encoded[:4] == MAGIC else None
    return hashlib.sha256(memoryview(encoded)[:end]).digest()


def decrypt_frames(frames: bytearray, key: DataKey, segment: int, offset: int = 0) -> None:
    """Put in place of `frames`, which begin at `offset`, what they are in clear.

    Raises `CorruptChunkError` where one is damaged. In place, because a segment may be
    large, and is sealed while sessions go on.
    """
    end, before = 0, b""
    for sealed in read_frames(frames, offset):
        # Numbers grow: a frame that was copied or moved shows.
        if end and sealed[:4] <= before:
            raise CorruptChunkError("a frame is out of its order")
        before = sealed[:4]
        # The clear frame is shorter, and its sealed one was read already.
        body = key.decrypt_frame(segment, sealed)
        _FRONT.pack_into(frames, end, len(body), crc32(body))
        end += _FRONT.size
        frames[end : end + len(body)] = body
        end += len(body)
    del frames[end:]


def frame(body: bytes) -> bytes:
    """Return `body` with its size and checksum in front, as segments hold it."""
    return _FRONT.pack(len(body), crc32(body)) + body


def read_frames(frames: bytes | bytearray, offset: int = 0) -> Iterator[bytes]:
    """Yield each body; raise `CorruptChunkError` at the first torn or altered frame."""
    while offset < len(frames):
        body = whole_frame(frames, offset)
        if body is None:
            raise CorruptChunkError(f"damaged frame at byte {offset}")
        yield body
        offset += _FRONT.size + len(body)


def whole_frame(frames: bytes | bytearray, offset: int) -> bytes | None:
    """Return the body of the frame at `offset`, or None where it is torn or altered.

    No body is empty: after a power cut the end of a file may be zeros, which would
    read as frames without end.
    """
    start = offset + _FRONT.size
    if len(frames) < start:
        return None
    size, checksum = _FRONT.unpack_from(frames, offset)
    body = bytes(frames[start : start + size])
    if not size or len(body) != size or crc32(body) != checksum:
        return None
    return body


def encode(
    header: ChunkHeader, frames: bytes | bytearray, key: DataKey, signer: ChunkSigner
) -> Chunk:
    """Return the sealed chunk of `frames`, which are in clear."""
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(frames)
    packed_header = _header_encoder.encode(header)
    return _signed(header, packed_header, [key.encrypt_payload(packed, packed_header)], signer)


def encode_as_written(
    header: ChunkHeader, frames: Sequence[bytes], signer: ChunkSigner
) -> Chunk:
    """Return the sealed chunk of `frames`, in pieces, as they lie encrypted on the disk."""
    return _signed(header, _header_encoder.encode(header), frames, signer)


def _signed(
    header: ChunkHeader, packed_header: bytes, payload: Sequence[bytes], signer: ChunkSigner
) -> Chunk:
    front = MAGIC + len(packed_header).to_bytes(4, "big") + packed_header
    sha256, crc = hashlib.sha256(front), crc32(front)
    for piece in payload:
        sha256.update(piece)
        crc = crc32(piece, crc)
    digest = sha256.digest()
    signature = signer.sign(_SIGNED_AS + digest)
    crc = crc32(signature, crc)
    pieces = (front, *payload, signature + crc.to_bytes(_CRC_BYTES, "big"))
    chunk = Chunk(header=header, pieces=pieces, payload_offset=len(front))
    # Whoever follows it wants it at once, and it costs as much as the encryption.
    chunk.__dict__["digest"] = digest
    return chunk


def decode(encoded: bytes, data_key: bytes = b"") -> Chunk:
    """Read the header of `encoded`; raise `CorruptChunkError` where it is no chunk.

    With the session's data key its payload can be read too.
    """
    if encoded[:4] == _MAGIC_1:
        return _decode_1(encoded)
    if encoded[:3] == MAGIC[:3] and encoded[3:4] > MAGIC[3:]:
        came = encoded[3:4].decode("latin-1")
        raise CorruptChunkError(f"a chunk of format {came!r}, and 2 is known: update this node")
    size = int.from_bytes(encoded[4:8], "big")
    if (
        encoded[:4] != MAGIC
        or size > MAX_HEADER_BYTES
        or len(encoded) < 8 + size + _TRAILER_BYTES
    ):
        raise CorruptChunkError("not a chunk")
    if crc32(memoryview(encoded)[:-_CRC_BYTES]) != int.from_bytes(encoded[-_CRC_BYTES:], "big"):
        raise CorruptChunkError("damaged chunk: its checksum differs")
    header = _header(encoded[8 : 8 + size], 2)
    return Chunk(header=header, pieces=(encoded,), payload_offset=8 + size, data_key=data_key)


def _decode_1(encoded: bytes) -> Chunk:
    size = int.from_bytes(encoded[8:12], "big")
    if size > MAX_HEADER_BYTES or len(encoded) < 12 + size:
        raise CorruptChunkError("not a chunk")
    if crc32(memoryview(encoded)[8:]) != int.from_bytes(encoded[4:8], "big"):
        raise CorruptChunkError("damaged chunk: its checksum differs")
    header = _header(encoded[12 : 12 + size], 1)
    return Chunk(header=header, pieces=(encoded,), payload_offset=12 + size)


def _header(packed: bytes, format_: int) -> ChunkHeader:
    try:
        header = _header_decoder.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptChunkError(f"not a chunk: {error}") from error
    if header.format != format_:
        raise CorruptChunkError(f"not a chunk of format {format_}")
    return header


def _inflated(header: ChunkHeader, payload: memoryview) -> bytes:
    number = header.sequence
    try:
        inflater = zstandard.ZstdDecompressor().decompressobj()
        # The declared size bounds the buffer before a byte is inflated.
        parameters = zstandard.get_frame_parameters(payload[:18])
        if parameters.content_size != header.frames_bytes:
            raise CorruptChunkError(f"chunk {number}: the declared sizes differ")
        frames = inflater.decompress(payload)
    except zstandard.ZstdError as error:
        raise CorruptChunkError(f"chunk {number}: {error}") from error
    if len(frames) != header.frames_bytes or not inflater.eof:
        raise CorruptChunkError(f"chunk {number} does not inflate to its declared size")
    return frames


def check_signed(chunk: Chunk, signers: KnownSigners, at: dt.datetime | None) -> SignerKey:
    """Return who signed `chunk`; raise `UntrustedChunkError` unless that is to be believed.

    `at` is when it arrived: a key that was revoked before signs nothing any more. None
    where nobody noted that.
    """
    header = chunk.header
    if header.format == 1:
        raise UntrustedChunkError(f"chunk {header.sequence} is not signed")
    signer = signers.find(header.engine_id, header.signing_key)
    if signer is None:
        raise UntrustedChunkError(
            f"chunk {header.sequence} names key {header.signing_key!r} of engine "
            f"{header.engine_id!r}, which is not known here"
        )
    if not is_signed(_SIGNED_AS + chunk.digest, chunk.signature, signer.public):
        raise UntrustedChunkError(
            f"chunk {header.sequence} bears a signature that is not that of {signer.engine_id}"
        )
    if signer.valid_until is not None and (at or header.first_at) > signer.valid_until:
        raise UntrustedChunkError(
            f"chunk {header.sequence} came after {signer.valid_until:%Y-%m-%d %H:%M:%SZ}, when "
            f"key {signer.key_id} of {signer.engine_id} was taken back"
        )
    return signer


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
