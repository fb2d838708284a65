import msgspec
import pytest
from samples.chunks import chunk, three_chunks

from recorder.chunk import Chunk
from recorder.events import ClientData, KnownEvent, TargetData, UnknownEvent
from recorder.replay import timeline
from recorder.replay.timeline import Recording, known, placed


def recording(chunks: list[Chunk]) -> Recording:
    return Recording(chunks)


def shown(at_ms: int, data: bytes = b".") -> TargetData:
    return TargetData(at_ms=at_ms, channel=0, data=data)


def typed(at_ms: int, held_ms: int = 0, channel: int = 0) -> ClientData:
    return ClientData(at_ms=at_ms, channel=channel, data=b"k", held_ms=held_ms)


def order(events: list[KnownEvent]) -> list[tuple[str, int]]:
    return [(type(event).__name__, event.at_ms) for event in placed(events)]


def test_a_whole_recording_is_read_to_its_end() -> None:
    whole = recording(three_chunks())
    assert [event.at_ms for event in whole.events()] == [0, 1000, 2000, 3000]
    assert whole.broken is None


@pytest.mark.parametrize("removed", [0, 1])
def test_reading_ends_at_a_hole_and_says_so(removed: int) -> None:
    chunks = three_chunks()
    del chunks[removed]
    broken = recording(chunks)
    assert len(list(broken.chunks())) == removed
    assert f"expected chunk {removed}, got {removed + 1}" in (broken.broken or "")


def test_reading_ends_at_damage_and_says_so() -> None:
    first, second, third = three_chunks()
    damaged = msgspec.structs.replace(second, pieces=(second.encoded[:-3], bytes(3)))
    broken = Recording([first, damaged, third])
    assert [event.at_ms for event in broken.events()] == [0]
    assert broken.broken == "behind chunk 0: damaged chunk: its checksum differs"


def test_a_recording_without_its_end_says_so() -> None:
    cut = recording(three_chunks()[:2])
    assert len(list(cut.events())) == 3
    assert cut.broken == "chunk 1 is the last, and not the end"


def test_a_recording_of_nothing_says_so() -> None:
    empty = recording([])
    assert list(empty.events()) == []
    assert empty.broken == "nothing was stored"


def test_kinds_from_the_future_are_passed_over() -> None:
    new = UnknownEvent(at_ms=1, body=b"\x92\xcc\xc8\x01")
    assert list(known([shown(0), new, shown(2)])) == [shown(0), shown(2)]


def test_a_key_that_was_held_comes_before_its_echo() -> None:
    assert order([shown(0), shown(105), typed(110, held_ms=10), shown(200)]) == [
        ("TargetData", 0),
        ("ClientData", 100),
        ("TargetData", 105),
        ("TargetData", 200),
    ]


def test_keys_of_a_channel_keep_their_order_whatever_was_held() -> None:
    events: list[KnownEvent] = [typed(50), typed(60, held_ms=40)]
    assert order(events) == [("ClientData", 50), ("ClientData", 50)]


def test_a_key_that_was_held_for_long_comes_as_early_as_it_can() -> None:
    events: list[KnownEvent] = [shown(0), shown(40_000), shown(80_000), typed(81_000, 81_000)]
    assert order(events)[2] == ("ClientData", 40_000)


def test_a_torrent_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "WINDOW_BYTES", 1000)
    taken = 0

    def torrent() -> list[KnownEvent]:
        nonlocal taken
        taken += 1
        return [shown(1, b"x" * 600)]

    events = placed(event for _ in range(100) for event in torrent())
    next(events)
    assert taken == 2


def test_nothing_is_read_ahead_of_need() -> None:
    first, second, _ = three_chunks()

    def encoded() -> object:
        yield first
        yield second
        raise AssertionError("the third chunk was fetched before the second was read")

    events = Recording(encoded()).events()  # type: ignore[arg-type]
    assert [next(events).at_ms for _ in range(3)] == [0, 1000, 2000]


def test_the_chunk_of_another_chain_is_not_taken_for_the_next() -> None:
    first, _, _ = three_chunks()
    other = chunk([shown(7)])
    forged = chunk([shown(8)], other)
    broken = recording([first, forged])
    assert len(list(broken.events())) == 1
    assert "does not follow" in (broken.broken or "")
