from msgspec import Struct
from samples.chunks import three_chunks

from recorder.chunk import Chunk
from recorder.events import RecordingGap
from recorder.replay.salvage import Resumed, Salvage, recorded


class Stored(Struct):
    """A chunk as the store hands it out."""

    encoded: bytes
    data_key: bytes
    state: bytes = b""


def stored(chunks: list[Chunk]) -> list[Stored]:
    return [Stored(one.encoded, one.data_key) for one in chunks]


def told(salvage: Salvage) -> list[tuple[str, int]]:
    return [(type(event).__name__, event.at_ms) for event in salvage.events()]


def test_a_whole_recording_has_no_gap() -> None:
    salvage = Salvage(stored(three_chunks()))
    assert [event.at_ms for event in salvage.events()] == [0, 1000, 2000, 3000]
    assert salvage.broken is None


def test_what_is_behind_a_missing_chunk_is_read_and_the_gap_stands_for_it() -> None:
    first, _, third = stored(three_chunks())
    salvage = Salvage([first, third])
    [gap] = [event for event in salvage.events() if isinstance(event, RecordingGap)]
    assert gap.from_ms < gap.at_ms == 3000
    assert gap.reason == salvage.broken == "behind chunk 0: expected chunk 1, got 2"


def test_a_damaged_chunk_is_as_one_that_is_missing() -> None:
    first, second, third = stored(three_chunks())
    second.encoded = second.encoded[:-20]
    salvage = Salvage([first, second, third])
    assert [event for event, _ in told(salvage)].count("RecordingGap") == 1
    assert salvage.broken is not None
    assert salvage.broken.startswith("behind chunk 0: ")


def test_without_the_first_chunk_the_rest_is_behind_a_gap() -> None:
    _, *rest = stored(three_chunks())
    salvage = Salvage(rest)
    first, *_ = salvage.events()
    assert isinstance(first, RecordingGap)
    assert (first.from_ms, first.at_ms) == (0, rest_begins_ms())
    assert salvage.broken == "at its beginning: expected chunk 0, got 1"


def rest_begins_ms() -> int:
    return three_chunks()[1].header.first_ms


def test_what_is_known_again_comes_behind_the_gap() -> None:
    first, _, third = stored(three_chunks())
    third.state = b"state"
    events = list(Salvage([first, third]).events())
    at = [type(event).__name__ for event in events].index("RecordingGap")
    assert events[at + 1] == Resumed(3000, b"state")
    assert len(list(recorded(events))) == len(events) - 1


def test_the_lack_of_an_end_is_told() -> None:
    first, second, third = stored(three_chunks())
    salvage = Salvage([first, second])
    told(salvage)
    assert salvage.broken == "chunk 1 is the last, and not the end"
    third.encoded = b""
    salvage = Salvage([first, second, third])
    told(salvage)
    assert salvage.broken is not None
    assert salvage.broken.startswith("behind chunk 1: ")
    salvage = Salvage([])
    told(salvage)
    assert salvage.broken == "nothing was stored"
