import hashlib

import pytest
from samples.chunks import DATA_KEY, SESSION, SIGNER, STARTED, readable

from recorder.chunk import GENESIS, EndManifest, SealReason, check_follows, frame
from recorder.chunker import Chunker
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
