import hashlib
import os

import pytest
from samples.chunks import DATA_KEY, SESSION, SIGNER, STARTED, readable

from recorder.chunk import GENESIS, EndManifest, SealReason, check_follows, decode, frame
from recorder.chunker import Chunker, Written
from recorder.errors import CorruptChunkError
from recorder.events import ClientData, EndReason, TargetData, TargetErrorData, encode_burst

BURST = encode_burst(
    [
        ClientData(at_ms=5, channel=0, data=b"ls\r"),
        TargetData(at_ms=7, channel=0, data=b"file"),
        TargetErrorData(at_ms=9, channel=0, data=b"oh"),
    ]
)


def test_a_chunk_counts_what_it_holds():
    header = (
        Chunker(SESSION, DATA_KEY, SIGNER)
        .seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
        .header
    )
    assert (header.events, header.input_bytes, header.output_bytes) == (3, 3, 6)
    assert (header.first_ms, header.last_ms) == (5, 9)
    assert (header.sequence, header.previous_digest) == (0, GENESIS)


def test_chunks_are_linked_once_they_are_followed():
    chunker = Chunker(SESSION, DATA_KEY, SIGNER)
    first = chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    chunker.follow(first)
    second = chunker.seal(
        frame(BURST), SealReason.END, first_at=STARTED, end_reason=EndReason.IDLE
    )
    check_follows(second, first)
    assert second.header.end_reason is EndReason.IDLE


def test_sealing_again_after_a_failure_changes_nothing_but_the_nonce():
    chunker = Chunker(SESSION, DATA_KEY, SIGNER)
    frames = frame(BURST)
    tries = [chunker.seal(frames, SealReason.SIZE, first_at=STARTED) for _ in range(2)]
    assert tries[0].header == tries[1].header
    assert readable(tries[0]).frames() == readable(tries[1]).frames() == frames
    assert tries[0].digest != tries[1].digest


def test_the_end_manifest_sums_up_what_was_followed():
    chunker = Chunker(SESSION, DATA_KEY, SIGNER)
    for _ in range(3):
        chunk = chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    chunker.follow(chunk)
    last = chunker.seal(
        frame(BURST), SealReason.END, first_at=STARTED, end_reason=EndReason.IDLE
    )
    assert last.header.manifest == EndManifest(
        last_sequence=1,
        events=6,
        input_bytes=6,
        output_bytes=12,
        input_sha256=hashlib.sha256(b"ls\r" * 2).digest(),
        output_sha256=hashlib.sha256(b"fileoh" * 2).digest(),
    )
    assert chunk.header.manifest is None


def test_a_chunk_without_events_stands_where_the_one_before_it_ended():
    chunker = Chunker(SESSION, DATA_KEY, SIGNER)
    chunker.follow(chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED))
    empty = chunker.seal(b"", SealReason.SIZE, first_at=STARTED)
    assert (empty.header.first_ms, empty.header.last_ms, readable(empty).unpack()) == (9, 9, [])


def test_damaged_frames_are_not_sealed():
    with pytest.raises(CorruptChunkError):
        Chunker(SESSION, DATA_KEY, SIGNER).seal(
            frame(BURST)[:-1], SealReason.SIZE, first_at=STARTED
        )


def written(*bodies: bytes) -> list[Written]:
    """Frames as a segment keeps them, the first of its session."""
    frames = []
    for number, body in enumerate(bodies):
        sealed = b"".join(DATA_KEY.encrypt_frame(0, number, body))
        frames.append(Written(body, (frame(sealed)[:8], sealed)))
    return frames


NOISE = [
    encode_burst([TargetData(at_ms=number, channel=0, data=os.urandom(70_000))])
    for number in range(5)
]


CRUMBS = [
    encode_burst([TargetData(at_ms=number, channel=0, data=os.urandom(8_000))])
    for number in range(100)
]


@pytest.mark.parametrize("bodies", [NOISE, CRUMBS], ids=len)
def test_noise_is_sealed_as_it_lies_and_reads_as_if_it_were_packed(bodies: list[bytes]):
    chunker, other = Chunker(SESSION, DATA_KEY, SIGNER), Chunker(SESSION, DATA_KEY, SIGNER)
    lying = chunker.seal_written(written(*bodies), SealReason.SIZE, first_at=STARTED)
    packed = other.seal(b"".join(map(frame, bodies)), SealReason.SIZE, first_at=STARTED)
    assert (lying.header.codec, packed.header.codec) == ("frames", "zstd")
    assert readable(lying).frames() == readable(packed).frames()
    assert readable(lying).unpack() == readable(packed).unpack()
    counts = [(one.header.events, one.header.output_bytes) for one in (lying, packed)]
    assert counts[0] == counts[1]
    chunker.follow(lying)
    following = chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    check_follows(following, decode(lying.encoded))


def test_what_packs_is_packed():
    text = encode_burst([TargetData(at_ms=5, channel=0, data=b"line after line\n" * 20_000)])
    chunk = Chunker(SESSION, DATA_KEY, SIGNER).seal_written(
        written(text), SealReason.SIZE, first_at=STARTED
    )
    assert (chunk.header.codec, len(chunk.encoded) < 2000) == ("zstd", True)
    assert readable(chunk).frames() == frame(text)


def test_the_end_of_a_session_is_packed_whatever_it_holds():
    chunk = Chunker(SESSION, DATA_KEY, SIGNER).seal_written(
        written(*NOISE), SealReason.END, first_at=STARTED, end_reason=EndReason.IDLE
    )
    assert chunk.header.codec == "zstd"
    assert chunk.header.manifest is not None
