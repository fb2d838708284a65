import datetime as dt
import hashlib
import zlib
from pathlib import Path

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from samples.chunks import (
    SESSION,
    SIGNER,
    STARTED,
    Signers,
    chunk,
    packed,
    readable,
    three_chunks,
)

from recorder import chunk as chunks
from recorder.chunk import (
    MAX_FRAMES_BYTES,
    Chunk,
    SealReason,
    check_follows,
    check_signed,
    decode,
    frame,
    read_frames,
    whole_frame,
)
from recorder.errors import CorruptChunkError, UntrustedChunkError
from recorder.events import ClientData, EndReason, SessionEnded, encode_burst
from recorder.signing import SignerKey, SigningKey

TYPED = ClientData(at_ms=0, channel=0, data=b"ls\r")
FIRST = chunk([TYPED])
SECOND = chunk([SessionEnded(at_ms=31_000, reason=EndReason.CLIENT_LEFT)], FIRST)


def test_a_chunk_comes_back_as_it_went():
    arrived = decode(FIRST.encoded, FIRST.data_key)
    assert (arrived.header, arrived.digest) == (FIRST.header, FIRST.digest)
    assert arrived.unpack() == [TYPED]


def test_the_next_chunk_follows():
    check_follows(FIRST, None)
    check_follows(SECOND, FIRST)


def test_a_removed_chunk_shows():
    with pytest.raises(CorruptChunkError, match="expected chunk 0, got 1"):
        check_follows(SECOND, None)


def test_an_altered_chunk_shows():
    altered = chunk([ClientData(at_ms=0, channel=0, data=b"rm\r")])
    with pytest.raises(CorruptChunkError, match="does not follow"):
        check_follows(SECOND, altered)


@pytest.mark.parametrize("noise", [b"", b"PXC1", b"PXC2", b"not a chunk", FIRST.encoded[:40]])
def test_noise_is_not_a_chunk(noise: bytes):
    with pytest.raises(CorruptChunkError):
        decode(noise)


@pytest.mark.parametrize("header", [b"\x93\x01\x02", b"\x81\xaasession_id\xa2\xff\xfe"])
def test_a_header_that_is_none_is_refused(header: bytes):
    rest = len(header).to_bytes(4, "big") + header
    with pytest.raises(CorruptChunkError, match="not a chunk"):
        decode(sealed_by_nobody(chunks.MAGIC + rest))
    with pytest.raises(CorruptChunkError, match="not a chunk"):
        decode(b"PXC1" + zlib.crc32(rest).to_bytes(4, "big") + rest)


def sealed_by_nobody(text: bytes) -> bytes:
    """Put a signature of zeros and a right checksum behind `text`."""
    text += bytes(64)
    return text + zlib.crc32(text).to_bytes(4, "big")


def test_a_header_may_not_declare_a_bomb():
    huge = msgspec.structs.replace(FIRST.header, frames_bytes=MAX_FRAMES_BYTES + 1)
    with pytest.raises(CorruptChunkError):
        decode(packed(huge, b"").encoded)


def test_a_bomb_is_refused_before_it_inflates():
    bomb = packed(FIRST.header, bytes(MAX_FRAMES_BYTES + 1))
    with pytest.raises(CorruptChunkError, match="declared sizes differ"):
        bomb.unpack()


OLD = [
    decode(file.read_bytes())
    for file in sorted((Path(__file__).parents[2] / "data/chunks").glob("format1-*.chunk"))
]
"""What the first version stored."""


def test_an_old_recording_is_read_still():
    assert [chunk.header.format for chunk in OLD] == [1, 1, 1]
    check_follows(OLD[0], None)
    check_follows(OLD[1], OLD[0])
    check_follows(OLD[2], OLD[1])
    events = [event for chunk in OLD for event in chunk.unpack()]
    assert events == [event for chunk in three_chunks() for event in chunk.unpack()]


NOW = [
    readable(decode(file.read_bytes()))
    for file in sorted((Path(__file__).parents[2] / "data/chunks").glob("format2-*.chunk"))
]
"""What the first engine that encrypted and signed wrote."""


def test_a_recording_of_today_will_be_read():
    assert [chunk.header.format for chunk in NOW] == [2, 2, 2]
    for before, one in zip([None, *NOW], NOW, strict=False):
        check_follows(one, before)
        check_signed(one, Signers(), None)
    events = [event for chunk in NOW for event in chunk.unpack()]
    assert events == [event for chunk in three_chunks() for event in chunk.unpack()]


def test_a_chunk_of_a_newer_format_is_named():
    newer = b"PXC3" + NOW[0].encoded[4:]
    with pytest.raises(CorruptChunkError, match="format '3', and 2 is known: update"):
        decode(newer)


def test_an_old_chunk_bears_no_signature():
    assert OLD[0].signature == b""
    with pytest.raises(UntrustedChunkError, match="not signed"):
        check_signed(OLD[0], Signers(), None)


def test_an_old_payload_that_is_not_zstd_is_refused():
    payload = b"no zstd here, but long enough"
    torn = msgspec.structs.replace(
        OLD[0], pieces=(OLD[0].encoded[: OLD[0].payload_offset], payload)
    )
    with pytest.raises(CorruptChunkError):
        torn.frames()


def test_an_old_payload_without_its_end_is_refused():
    content = zstandard.ZstdCompressor(write_checksum=True).compress(b"x" * 100)
    header = msgspec.structs.replace(OLD[0].header, frames_bytes=100)
    short = msgspec.structs.replace(
        OLD[0], header=header, pieces=(content[:-2],), payload_offset=0
    )
    with pytest.raises(CorruptChunkError, match="does not inflate"):
        short.frames()


def test_without_its_key_a_chunk_tells_nothing():
    assert b"ls" not in FIRST.encoded[FIRST.payload_offset :]
    with pytest.raises(CorruptChunkError, match="its key not here"):
        decode(FIRST.encoded).unpack()


@pytest.mark.parametrize("key", [bytes(32), b"short"])
def test_with_the_wrong_key_a_chunk_is_damaged(key: bytes):
    with pytest.raises(CorruptChunkError):
        decode(FIRST.encoded, key).unpack()


def test_a_payload_belongs_to_its_header():
    header = msgspec.structs.replace(FIRST.header, sequence=1)
    swapped = msgspec.structs.replace(packed(header, FIRST.frames()), header=FIRST.header)
    moved = packed(FIRST.header, FIRST.frames())
    glued = (
        moved.encoded[: moved.payload_offset]
        + swapped.encoded[swapped.payload_offset : -68]
        + bytes(68)
    )
    with pytest.raises(CorruptChunkError, match="does not decrypt"):
        msgspec.structs.replace(moved, pieces=(glued,)).frames()


def test_a_signed_chunk_says_who_sealed_it():
    assert check_signed(FIRST, Signers(), None).engine_id == "engine-1"


OTHER = SigningKey("engine-1", bytes(32))
STRANGER = SignerKey(engine_id="engine-2", public=SIGNER.public)


@pytest.mark.parametrize(
    ("made", "signers"),
    [
        (chunk([TYPED], signer=OTHER), Signers()),
        (FIRST, Signers(STRANGER)),
        (FIRST, Signers(SignerKey(engine_id="engine-1", public=OTHER.public))),
    ],
)
def test_a_chunk_of_a_stranger_is_not_believed(made: Chunk, signers: Signers):
    with pytest.raises(UntrustedChunkError, match="not known here"):
        check_signed(made, signers, None)


def test_another_signature_on_a_chunk_is_not_believed():
    other = chunk([ClientData(at_ms=0, channel=0, data=b"rm\r")])
    forged = msgspec.structs.replace(FIRST, pieces=(FIRST.encoded[:-68], other.encoded[-68:]))
    with pytest.raises(UntrustedChunkError, match="is not that of engine-1"):
        check_signed(forged, Signers(), None)


def test_a_revoked_key_signed_what_came_before():
    revoked_at = STARTED + dt.timedelta(hours=1)
    revoked = SignerKey(engine_id="engine-1", public=SIGNER.public, valid_until=revoked_at)
    check_signed(FIRST, Signers(revoked), revoked_at)
    check_signed(FIRST, Signers(revoked), None)
    with pytest.raises(UntrustedChunkError, match="was taken back"):
        check_signed(FIRST, Signers(revoked), revoked_at + dt.timedelta(seconds=1))


def test_a_chunk_in_a_log_shows_no_key():
    assert FIRST.data_key.hex() not in repr(FIRST)
    assert repr(FIRST) == f"Chunk({SESSION}, 0)"


def test_a_torn_frame_shows():
    frames = frame(b"whole") + frame(b"torn")[:-1]
    bodies = read_frames(frames)
    assert next(bodies) == b"whole"
    with pytest.raises(CorruptChunkError, match="damaged frame at byte 13"):
        next(bodies)


def test_zeros_that_a_power_cut_left_are_no_frames():
    assert whole_frame(bytes(64), 0) is None


def test_the_reason_of_the_seal_is_told():
    assert FIRST.header.sealed is SealReason.INTERVAL


def test_the_format_is_the_documented_one():
    encoded = FIRST.encoded
    end = 8 + int.from_bytes(encoded[4:8], "big")
    header = msgspec.msgpack.decode(encoded[8:end])
    payload = encoded[end:-68]
    assert encoded[:4] == b"PXC2"
    assert (header["format"], header["codec"], header["sequence"]) == (2, "zstd", 0)
    content = AESGCM(FIRST.data_key).decrypt(payload[:12], payload[12:], encoded[8:end])
    frames = zstandard.ZstdDecompressor().decompress(content)
    assert frames == frame(encode_burst([TYPED]))
    signed = b"proxyd chunk 2\x00" + hashlib.sha256(encoded[:-68]).digest()
    Ed25519PublicKey.from_public_bytes(SIGNER.public).verify(encoded[-68:-4], signed)
