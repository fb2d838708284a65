import pytest
from samples.chunks import SESSION, STARTED

from recorder.chunk import GENESIS, SealReason, check_follows, frame
from recorder.chunker import Chunker, Link, whole_bytes
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
    header = Chunker(SESSION).seal(frame(BURST), SealReason.SIZE, first_at=STARTED).header
    assert (header.events, header.input_bytes, header.output_bytes) == (3, 3, 6)
    assert (header.first_ms, header.last_ms) == (5, 9)
    assert (header.sequence, header.previous_digest) == (0, GENESIS)


def test_chunks_are_linked_once_they_are_followed():
    chunker = Chunker(SESSION)
    first = chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    chunker.follow(first)
    second = chunker.seal(
        frame(BURST), SealReason.END, first_at=STARTED, end_reason=EndReason.IDLE
    )
    check_follows(second, first)
    assert second.header.end_reason is EndReason.IDLE


def test_sealing_again_after_a_failure_makes_the_same_chunk():
    chunker = Chunker(SESSION)
    tries = [chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED) for _ in range(2)]
    assert tries[0].digest == tries[1].digest


def test_a_chunker_goes_on_where_another_stopped():
    first = Chunker(SESSION).seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    link = Link(header=first.header, digest=first.digest)
    second = Chunker(SESSION, link).seal(frame(BURST), SealReason.SIZE, first_at=STARTED)
    check_follows(second, first)


def test_a_chunk_without_events_stands_where_the_one_before_it_ended():
    chunker = Chunker(SESSION)
    chunker.follow(chunker.seal(frame(BURST), SealReason.SIZE, first_at=STARTED))
    empty = chunker.seal(b"", SealReason.SIZE, first_at=STARTED)
    assert (empty.header.first_ms, empty.header.last_ms, empty.unpack()) == (9, 9, [])


def test_damaged_frames_are_not_sealed():
    with pytest.raises(CorruptChunkError):
        Chunker(SESSION).seal(frame(BURST)[:-1], SealReason.SIZE, first_at=STARTED)


def test_whole_frames_end_where_the_torn_one_begins():
    whole = frame(BURST) * 2
    assert whole_bytes(whole + frame(BURST)[:-1]) == len(whole)
    assert whole_bytes(whole) == len(whole)
