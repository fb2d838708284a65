import pytest
from samples.chunks import SESSION, STARTED, chunk, packed
from samples.screens import screen
from samples.terminal_session import terminal_events
from samples.typescripts import COLUMNS, ROWS, TYPESCRIPTS

from recorder.chunk import GENESIS, Chunk, ChunkHeader, SealReason, frame
from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    KnownEvent,
    NoticeShown,
    TargetData,
    TerminalRequested,
    encode_burst,
)
from recorder.replay import live_view
from recorder.replay.live_view import LiveView


def frames_of(events: list[KnownEvent]) -> list[bytes]:
    return [encode_burst([event]) for event in events]


def sealed(bodies: list[bytes], sequence: int) -> Chunk:
    """Return a chunk that holds these frames as they are."""
    frames = b"".join(map(frame, bodies))
    header = ChunkHeader(
        session_id=SESSION,
        sequence=sequence,
        sealed=SealReason.INTERVAL,
        first_ms=0,
        last_ms=0,
        first_at=STARTED,
        previous_digest=GENESIS,
        frames_bytes=len(frames),
        events=len(bodies),
        input_bytes=0,
        output_bytes=0,
    )
    return packed(header, frames)


OPEN: list[KnownEvent] = [
    ChannelOpened(at_ms=0, channel=0, kind="session"),
    TerminalRequested(at_ms=1, channel=0, terminal="xterm", columns=COLUMNS, rows=ROWS),
]


def shown(at_ms: int, data: bytes, channel: int = 0) -> TargetData:
    return TargetData(at_ms=at_ms, channel=channel, data=data)


@pytest.mark.parametrize("name", TYPESCRIPTS)
@pytest.mark.parametrize("begins", [0, 3, 12, 20, 25])
@pytest.mark.parametrize("heard", [1, 4, 100])
def test_the_screen_is_whole_wherever_the_feed_begins(
    name: str, begins: int, heard: int
) -> None:
    """Chunk 0 is stored; the feed begins; chunk 1 arrives when `heard` frames were fed."""
    bodies = frames_of(terminal_events(TYPESCRIPTS[name])[:-3])
    begins = min(begins, len(bodies) - 1)
    first, second = sealed(bodies[:10], 0), sealed(bodies[10:], 1)
    view = LiveView()
    view.store(first)
    drawn = [view.redraw()]
    drawn += [view.feed(body) for body in bodies[begins : begins + heard]]
    view.store(second)
    drawn.append(view.redraw())
    drawn += [view.feed(body) for body in bodies[begins + heard :]]
    assert screen(*drawn) == screen(TYPESCRIPTS[name])


def test_what_was_stored_is_shown_at_once() -> None:
    view = LiveView()
    view.store(sealed(frames_of([*OPEN, shown(2, b"before")]), 0))
    assert screen(view.redraw())[0] == "before"


def test_the_feed_is_shown_at_once_though_something_is_missing_before_it() -> None:
    view = LiveView()
    view.store(sealed(frames_of([*OPEN, shown(2, b"one ")]), 0))
    drawn = [view.redraw(), view.feed(encode_burst([shown(9, b"three")]))]
    assert screen(*drawn)[0] == "one three"
    bodies = frames_of([shown(5, b"two "), shown(9, b"three")])
    view.store(sealed(bodies, 1))
    assert screen(*drawn, view.redraw())[0] == "one two three"


def test_the_feed_is_shown_though_nothing_is_stored_yet() -> None:
    assert LiveView().feed(encode_burst([shown(9, b"a\n")])) == b"a\n"


def test_what_a_chunk_brought_first_is_not_drawn_again() -> None:
    bodies = frames_of([*OPEN, shown(2, b"a"), shown(3, b"b"), shown(4, b"c")])
    view = LiveView()
    view.feed(bodies[2])
    view.store(sealed(bodies, 0))
    assert screen(view.redraw())[0] == "abc"
    assert [view.feed(body) for body in bodies[3:]] == [b"", b""]
    assert view.feed(encode_burst([shown(5, b"d")])) == b"d"


def test_two_equal_frames_are_told_apart_by_what_follows() -> None:
    same = shown(2, b"a")
    bodies = frames_of([*OPEN, same, same, shown(2, b"b")])
    view = LiveView()
    for body in bodies[3:]:
        view.feed(body)
    view.store(sealed(bodies, 0))
    assert screen(view.redraw())[0] == "aab"


def test_chunks_are_asked_for_from_the_first_that_is_not_known() -> None:
    view = LiveView()
    assert view.next_sequence == 0
    view.store(sealed(frames_of(OPEN), 0))
    view.store(sealed(frames_of([shown(2, b"x")]), 1))
    assert view.next_sequence == 2


def test_the_end_is_seen_in_the_feed_and_in_a_chunk() -> None:
    events = terminal_events(b"$ ")
    fed, stored = LiveView(), LiveView()
    for body in frames_of(events):
        fed.feed(body)
    stored.store(chunk(events))
    assert fed.ended
    assert stored.ended


def test_the_first_terminal_is_watched_and_the_next_when_it_closes() -> None:
    view = LiveView()
    events: list[KnownEvent] = [
        ChannelOpened(at_ms=0, channel=0, kind="session"),
        ChannelOpened(at_ms=0, channel=1, kind="session"),
        TerminalRequested(at_ms=1, channel=1, terminal="xterm", columns=80, rows=24),
        shown(2, b"not this", channel=0),
        shown(3, b"this", channel=1),
        ChannelClosed(at_ms=4, channel=1),
        ChannelOpened(at_ms=5, channel=2, kind="session"),
        shown(6, b", then that", channel=2),
    ]
    view.store(sealed(frames_of(events), 0))
    assert screen(view.redraw())[0] == "this, then that"


def test_a_chosen_channel_is_watched_alone() -> None:
    view = LiveView(channel=7)
    view.store(sealed(frames_of([*OPEN, shown(2, b"no")]), 0))
    assert screen(view.redraw())[0] == ""


def test_without_a_terminal_lines_begin_at_the_left() -> None:
    view = LiveView()
    view.store(sealed(frames_of([OPEN[0]]), 0))
    view.redraw()
    assert view.feed(encode_burst([shown(2, b"a\nb")])) == b"a\r\nb"


def test_what_proxyd_told_the_user_is_shown() -> None:
    view = LiveView()
    view.store(sealed(frames_of(OPEN), 0))
    view.redraw()
    notice = NoticeShown(at_ms=2, channel=0, text="five minutes left")
    assert view.feed(encode_burst([notice])) == b"\r\nfive minutes left\r\n"


def test_a_feed_that_is_never_met_is_not_kept_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_view, "MAX_TAIL_BYTES", 100)
    view = LiveView()
    for at_ms in range(20):
        view.feed(encode_burst([shown(at_ms, b"x" * 20)]))
    assert view.joined
