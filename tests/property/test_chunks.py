"""Whatever the events, a chunk gives back exactly them; whatever the damage, it shows."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.chunks import DATA_KEY, SESSION, SIGNER, STARTED, Signers, readable

from recorder.chunk import Chunk, SealReason, check_follows, check_signed, decode, frame
from recorder.chunker import Chunker
from recorder.errors import CorruptChunkError, UntrustedChunkError
from recorder.events import (
    ClientData,
    InputMasked,
    KnownEvent,
    TargetData,
    TerminalResized,
    decode_burst,
    encode_burst,
)
from recorder.segment import whole_bytes


@st.composite
def bursts(draw: st.DrawFn) -> list[list[KnownEvent]]:
    """Bursts of events in the order they happened."""
    at_ms, made = 0, []
    for gaps_ms in draw(st.lists(st.lists(st.integers(0, 9000), min_size=1, max_size=4))):
        burst: list[KnownEvent] = []
        for gap_ms in gaps_ms:
            at_ms += gap_ms
            data = draw(st.binary(max_size=40))
            burst.append(
                draw(
                    st.sampled_from(
                        [
                            ClientData(at_ms=at_ms, channel=0, data=data),
                            TargetData(at_ms=at_ms, channel=1, data=data),
                            InputMasked(at_ms=at_ms, channel=0),
                            TerminalResized(at_ms=at_ms, channel=0, columns=80, rows=24),
                        ]
                    )
                )
            )
        made.append(burst)
    return made


def cut(segments: list[list[list[KnownEvent]]]) -> list[Chunk]:
    """Seal each segment of bursts to a chunk."""
    chunker, chunks = Chunker(SESSION, DATA_KEY, SIGNER), []
    for segment in segments:
        frames = b"".join(frame(encode_burst(burst)) for burst in segment)
        sealed = chunker.seal(frames, SealReason.SIZE, first_at=STARTED)
        chunker.follow(sealed)
        chunks.append(readable(sealed))
    return chunks


@given(st.lists(bursts(), max_size=4))
def test_chunks_hold_every_event_once_and_in_order(segments):
    recorded = [event for segment in segments for burst in segment for event in burst]
    assert [event for chunk in cut(segments) for event in chunk.unpack()] == recorded


@given(st.lists(bursts(), max_size=4))
def test_chunks_form_one_chain_that_survives_the_wire(segments):
    previous = None
    for chunk in cut(segments):
        arrived = decode(chunk.encoded)
        check_follows(arrived, previous)
        previous = arrived


@given(bursts())
def test_a_header_counts_what_the_chunk_holds(segment):
    [chunk] = cut([segment])
    events = chunk.unpack()
    assert chunk.header.events == len(events)
    assert chunk.header.input_bytes == sum(
        len(event.data) for event in events if isinstance(event, ClientData)
    )
    assert chunk.header.first_ms <= chunk.header.last_ms
    if events:
        assert (chunk.header.first_ms, chunk.header.last_ms) == (
            events[0].at_ms,
            events[-1].at_ms,
        )


@given(bursts(), st.data())
def test_every_flipped_bit_of_a_chunk_is_found(segment, data):
    [chunk] = cut([segment])
    damaged = bytearray(chunk.encoded)
    position = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[position // 8] ^= 1 << position % 8
    with pytest.raises(CorruptChunkError):
        decode(bytes(damaged))


@given(bursts(), st.data())
def test_whatever_is_altered_under_a_right_checksum_is_not_believed(segment, data):
    [chunk] = cut([segment])
    damaged = bytearray(chunk.encoded)
    position = data.draw(st.integers(0, 8 * (len(damaged) - 4) - 1))
    damaged[position // 8] ^= 1 << position % 8
    damaged[-4:] = zlib.crc32(damaged[:-4]).to_bytes(4, "big")
    with pytest.raises((CorruptChunkError, UntrustedChunkError)):
        check_signed(decode(bytes(damaged)), Signers(), None)


@given(bursts(), st.data())
def test_every_missing_and_every_added_byte_of_a_chunk_is_found(segment, data):
    [chunk] = cut([segment])
    end = data.draw(st.integers(0, len(chunk.encoded) - 1))
    with pytest.raises(CorruptChunkError):
        decode(chunk.encoded[:end])
    with pytest.raises(CorruptChunkError):
        decode(chunk.encoded + data.draw(st.binary(min_size=1, max_size=9)))


@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_corrupt_chunk(noise):
    for encoded in (noise, b"PXC1" + noise, b"PXC2" + noise):
        with pytest.raises(CorruptChunkError):
            decode(encoded)


@given(st.binary(max_size=200))
def test_a_burst_decodes_or_is_corrupt(noise):
    try:
        decode_burst(noise)
    except CorruptChunkError:
        return


@given(bursts(), st.data())
def test_whole_frames_are_found_wherever_the_segment_is_torn(segment, data):
    frames = [frame(encode_burst(burst)) for burst in segment]
    written = b"".join(frames)
    torn = written[: data.draw(st.integers(0, len(written)))]
    whole, kept = whole_bytes(torn), 0
    for one in frames:
        if kept + len(one) > len(torn):
            break
        kept += len(one)
    assert whole == kept
