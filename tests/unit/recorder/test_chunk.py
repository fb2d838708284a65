import msgspec
import pytest
import zstandard
from samples.chunks import chunk

from recorder import chunk as chunks
from recorder.chunk import (
    MAX_FRAMES_BYTES,
    SealReason,
    check_follows,
    decode,
    encode,
    frame,
    read_frames,
    whole_frame,
)
from recorder.errors import CorruptChunkError
from recorder.events import ClientData, EndReason, SessionEnded, encode_burst

TYPED = ClientData(at_ms=0, channel=0, data=b"ls\r")
FIRST = chunk([TYPED])
SECOND = chunk([SessionEnded(at_ms=31_000, reason=EndReason.CLIENT_LEFT)], FIRST)


def test_a_chunk_comes_back_as_it_went():
    arrived = decode(FIRST.encoded)
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


@pytest.mark.parametrize("noise", [b"", b"PXC1", b"\x00not a chunk", FIRST.encoded[:40]])
def test_noise_is_not_a_chunk(noise: bytes):
    with pytest.raises(CorruptChunkError):
        decode(noise)


@pytest.mark.parametrize("header", [b"\x93\x01\x02", b"\x81\xaasession_id\xa2\xff\xfe"])
def test_a_header_that_is_none_is_refused(header: bytes):
    rest = len(header).to_bytes(4, "big") + header
    checksum = chunks.zlib.crc32(rest).to_bytes(4, "big")
    with pytest.raises(CorruptChunkError, match="not a chunk"):
        decode(chunks.MAGIC + checksum + rest)


def test_a_header_may_not_declare_a_bomb():
    huge = msgspec.structs.replace(FIRST.header, frames_bytes=MAX_FRAMES_BYTES + 1)
    encoded = encode(huge, b"").encoded
    with pytest.raises(CorruptChunkError):
        decode(encoded)


def test_a_bomb_is_refused_before_it_inflates():
    bomb = encode(FIRST.header, bytes(MAX_FRAMES_BYTES + 1))
    with pytest.raises(CorruptChunkError, match="declared sizes differ"):
        bomb.unpack()


def test_a_payload_that_is_not_zstd_is_refused():
    payload = b"no zstd here, but long enough"
    torn = msgspec.structs.replace(
        FIRST, encoded=FIRST.encoded[: FIRST.payload_offset] + payload
    )
    with pytest.raises(CorruptChunkError):
        torn.frames()


def test_a_payload_without_its_end_is_refused():
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(b"x" * 100)
    header = msgspec.structs.replace(FIRST.header, frames_bytes=100)
    short = msgspec.structs.replace(FIRST, header=header, encoded=packed[:-2], payload_offset=0)
    with pytest.raises(CorruptChunkError, match="does not inflate"):
        short.frames()


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
    header_bytes = int.from_bytes(encoded[8:12], "big")
    header = msgspec.msgpack.decode(encoded[12 : 12 + header_bytes])
    frames = zstandard.ZstdDecompressor().decompress(encoded[12 + header_bytes :])
    assert encoded[:4] == b"PXC1"
    assert (header["format"], header["codec"], header["sequence"]) == (1, "zstd", 0)
    assert frames == frame(encode_burst([TYPED]))
