from collections.abc import Sequence

import msgspec
import pytest
from samples.chunks import INFO, SESSION, Signers, chunk, packed

from recorder.chunk import Chunk
from recorder.events import (
    CaptureTruncated,
    ClientData,
    EndReason,
    InputMasked,
    KnownEvent,
    RecordingGap,
    SessionEnded,
    SessionStarted,
    Stream,
    StreamDigested,
    TargetData,
)
from recorder.replay.verify import Facts, Finding, Kept, Problem, verify
from recorder.session_info import RecordingMode

FACTS = Facts(session_id=SESSION, chunks=5, signers=Signers())
NOTED = StreamDigested(
    at_ms=30,
    channel=0,
    stream=Stream.TARGET,
    size_bytes=5,
    sha256=bytes.fromhex("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
)
"""Of `hello`."""


def session(*between: KnownEvent, started: SessionStarted | None = None) -> list[Chunk]:
    ended = SessionEnded(at_ms=99, reason=EndReason.CLIENT_LEFT)
    chunks: list[Chunk] = []
    for event in (started or SessionStarted(at_ms=0, info=INFO), *between, ended):
        chunks.append(chunk([event], chunks[-1] if chunks else None))
    return chunks


def five_chunks() -> list[Chunk]:
    return session(
        TargetData(at_ms=10, channel=0, data=b"hel"),
        TargetData(at_ms=20, channel=0, data=b"lo"),
        NOTED,
    )


def kept(chunks: Sequence[Chunk]) -> list[Kept]:
    return [
        Kept(
            sequence=c.header.sequence, digest=c.digest, encoded=c.encoded, data_key=c.data_key
        )
        for c in chunks
    ]


def problems(chunks: Sequence[Kept], facts: Facts = FACTS) -> list[tuple[Problem, int | None]]:
    return [(finding.problem, finding.sequence) for finding in verify(chunks, facts)]


def test_a_whole_recording_has_no_finding() -> None:
    assert problems(kept(five_chunks())) == []


@pytest.mark.parametrize("at", [0, 3, 9, 40, 250, -69])
def test_a_flipped_bit_is_found_in_its_chunk(at: int) -> None:
    chunks = kept(five_chunks())
    altered = bytearray(chunks[2].encoded)
    altered[at] ^= 1
    chunks[2] = msgspec.structs.replace(chunks[2], encoded=bytes(altered))
    found = problems(chunks)
    assert found[0] == (Problem.ALTERED, 2)
    assert {sequence for _, sequence in found} == {2}


def test_a_chunk_that_was_made_anew_does_not_deceive_the_chain() -> None:
    chunks = five_chunks()
    forged = chunk([TargetData(at_ms=10, channel=0, data=b"HEL")], chunks[0])
    chunks[1] = forged
    assert problems(kept(chunks)) == [(Problem.ALTERED, 2), (Problem.STREAM_DIFFERS, 3)]


def test_a_chain_that_was_made_anew_from_there_is_told_by_the_stream() -> None:
    first, *_ = five_chunks()
    chunks = [first]
    for event in (
        TargetData(at_ms=10, channel=0, data=b"HELLO"),
        NOTED,
        SessionEnded(at_ms=99, reason=EndReason.CLIENT_LEFT),
    ):
        chunks.append(chunk([event], chunks[-1]))
    found = list(verify(kept(chunks), Facts(chunks=4)))
    assert [finding.problem for finding in found] == [Problem.STREAM_DIFFERS]


@pytest.mark.parametrize("removed", [0, 1, 3])
def test_a_removed_chunk_is_missing(removed: int) -> None:
    chunks = kept(five_chunks())
    del chunks[removed]
    assert problems(chunks) == [(Problem.MISSING, removed)]


def test_several_missing_chunks_are_one_finding() -> None:
    chunks = kept(five_chunks())
    del chunks[1:4]
    (finding,) = verify(chunks, FACTS)
    assert finding == Finding(
        problem=Problem.MISSING, sequence=1, text="chunks 1 to 3 are missing"
    )


def test_a_removed_end_is_missing_and_truncated() -> None:
    assert problems(kept(five_chunks())[:4]) == [
        (Problem.MISSING, 4),
        (Problem.TRUNCATED, None),
    ]


def test_a_removed_end_is_noticed_even_if_nobody_counted() -> None:
    found = problems(kept(five_chunks())[:4], Facts(session_id=SESSION))
    assert found == [(Problem.TRUNCATED, None)]


def test_an_empty_recording_is_truncated() -> None:
    assert problems([], Facts()) == [(Problem.TRUNCATED, None)]


def test_a_live_session_needs_no_end() -> None:
    live = Facts(session_id=SESSION, live=True, chunks=4)
    assert problems(kept(five_chunks())[:4], live) == []


def test_two_chunks_that_changed_places_are_found() -> None:
    chunks = kept(five_chunks())
    chunks[1], chunks[2] = chunks[2], chunks[1]
    assert (Problem.REORDERED, 1) in problems(chunks)


def test_two_chunks_that_changed_numbers_are_found() -> None:
    chunks = kept(five_chunks())
    chunks[1], chunks[2] = (
        msgspec.structs.replace(chunks[2], sequence=1),
        msgspec.structs.replace(chunks[1], sequence=2),
    )
    assert {(Problem.REORDERED, 1), (Problem.REORDERED, 2)} <= set(problems(chunks))


def test_the_same_chunk_twice_is_harmless() -> None:
    chunks = kept(five_chunks())
    assert problems([*chunks[:2], chunks[1], *chunks[2:]]) == []


def test_a_second_chunk_of_the_same_number_with_other_content_is_found() -> None:
    chunks = five_chunks()
    other = chunk([TargetData(at_ms=10, channel=0, data=b"other")], chunks[0])
    doubled = kept([*chunks[:2], other, *chunks[2:]])
    assert problems(doubled) == [(Problem.DUPLICATED, 1)]


def test_a_chunk_of_another_session_is_found() -> None:
    chunks = kept(five_chunks())
    facts = Facts(session_id=INFO.session_id.__class__(int=8), chunks=5)
    assert {problem for problem, _ in problems(chunks, facts)} == {Problem.ALTERED}


def test_a_header_that_lies_about_its_events_is_found() -> None:
    chunks = five_chunks()
    last = chunks[4]
    header = msgspec.structs.replace(last.header, events=7)
    chunks[4] = packed(header, last.frames())
    assert problems(kept(chunks)) == [(Problem.ALTERED, 4)]


@pytest.mark.parametrize(
    "event",
    [
        CaptureTruncated(at_ms=15, channel=0, stream=Stream.TARGET, kept_bytes=3),
        RecordingGap(at_ms=15, from_ms=12, reason="disk full"),
    ],
)
def test_a_stream_that_was_not_captured_whole_is_not_compared(event: KnownEvent) -> None:
    chunks = session(TargetData(at_ms=10, channel=0, data=b"hel"), event, NOTED)
    found = {problem for problem, _ in problems(kept(chunks))}
    assert found <= {Problem.GAP}


def test_masked_input_is_not_compared() -> None:
    noted = msgspec.structs.replace(NOTED, stream=Stream.CLIENT)
    typed = ClientData(at_ms=5, channel=0, data=b"hel")
    chunks = session(typed, InputMasked(at_ms=6, channel=0), noted)
    assert problems(kept(chunks)) == []


def test_a_stream_that_the_mode_leaves_out_is_not_compared() -> None:
    terms = msgspec.structs.replace(INFO.terms, mode=RecordingMode.KEYSTROKES)
    info = msgspec.structs.replace(INFO, terms=terms)
    chunks = session(NOTED, started=SessionStarted(at_ms=0, info=info))
    assert problems(kept(chunks), Facts()) == []
