import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from samples.chunks import chunk
from samples.segmented import Segmented, complaints, screen_of
from samples.terminal_recordings import (
    NAMES,
    as_chunks,
    as_events,
    shell_opening,
    terminal_recording,
)

from recorder.chunk import Chunk
from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    EndReason,
    InputMasked,
    KnownEvent,
    NoticeShown,
    SessionEnded,
    TargetData,
    TargetErrorData,
    TerminalResized,
)
from recorder.replay.outline import Outline
from recorder.replay.segments import (
    OutlinedChunk,
    channels_of,
    encode_index,
    first_played,
    plan,
)


def out(at_ms: int, data: bytes, channel: int = 0) -> TargetData:
    return TargetData(at_ms=at_ms, channel=channel, data=data)


def recorded(*parts: list[KnownEvent]) -> list[Chunk]:
    """A session whose chunks hold `parts`; its end is in the last."""
    end_ms = parts[-1][-1].at_ms
    ended = SessionEnded(at_ms=end_ms, reason=EndReason.CLIENT_LEFT)
    chunks: list[Chunk] = []
    for part in [*parts[:-1], [*parts[-1], ended]]:
        chunks.append(chunk(part, chunks[-1] if chunks else None))
    return chunks


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("idle_limit_ms", [None, 500])
def test_the_player_takes_real_sessions(name: str, idle_limit_ms: int | None):
    chunks = as_chunks(as_events(terminal_recording(name)), 25)
    made = Segmented(chunks, idle_limit_ms=idle_limit_ms)
    assert len(made.segments) > 1
    assert complaints(made.index, made.segments) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_jump_shows_the_screen_that_playing_shows(name: str):
    made = Segmented(as_chunks(as_events(terminal_recording(name)), 25))
    for number in range(len(made.segments)):
        assert made.screen_at(number, jump=True) == made.screen_at(number, jump=False)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=8)), min_size=1, max_size=40),
    st.integers(1, 5),
    st.sampled_from([None, 0, 2]),
)
def test_the_player_takes_whatever_was_recorded(
    steps: list[tuple[int, bytes]], size: int, idle_limit_ms: int | None
):
    events: list[KnownEvent] = shell_opening()
    at_ms = 0
    for number, (pause_ms, data) in enumerate(steps):
        at_ms += pause_ms
        if number % 3 == 2:
            events.append(ClientData(at_ms=at_ms, channel=0, data=data, held_ms=at_ms // 2))
        else:
            events.append(out(at_ms, data))
    made = Segmented(as_chunks(events, size), idle_limit_ms=idle_limit_ms)
    assert complaints(made.index, made.segments) == []


def test_what_is_split_between_chunks_is_whole_both_ways():
    made = Segmented(
        recorded(
            shell_opening(),
            [out(1000, b"\x1b[3")],
            [out(2000, b"1mred\x1b[0m caf\xc3")],
            [out(3000, b"\xa9 ok")],
        )
    )
    assert len(made.segments) == 4
    assert made.screen_at(3, jump=True)[0] == made.screen_at(3, jump=False)[0] == "red café ok"


def test_times_are_those_of_the_session():
    made = Segmented(recorded(shell_opening(), [out(1234, b"one")], [out(98_765, b"two")]))
    assert made.events("o") == [[1.234, "o", "one"], [98.765, "o", "two"]]
    assert made.index["duration"] == 98.766
    assert [one["start"] for one in made.index["segments"]] == [0, 1.234, 98.765]


def test_chunks_of_one_millisecond_are_one_segment():
    made = Segmented(recorded(shell_opening(), [out(5, b"a")], [out(5, b"b")], [out(6, b"c")]))
    assert [one["start"] for one in made.index["segments"]] == [0, 0.005, 0.006]
    assert made.shown() == "abc"
    assert complaints(made.index, made.segments) == []


def test_a_pause_is_shortened_and_hits_still_land():
    chunks = recorded(shell_opening(), [out(1000, b"one")], [out(600_000, b"two")])
    made = Segmented(chunks, idle_limit_ms=2000)
    assert made.events("o") == [[1, "o", "one"], [4, "o", "two"]]
    knees = made.overview["clock"]
    assert [600.0, 4.0] in knees
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(knees))


def test_a_key_is_played_when_it_was_typed():
    late = ClientData(at_ms=5000, channel=0, data=b"ls\r", held_ms=3000)
    made = Segmented(recorded([*shell_opening(), out(4000, b"x"), late]))
    assert made.events() == [[2, "i", "ls\r"], [4, "o", "x"]]


def test_masked_input_shows_nothing_but_that_it_was_there():
    made = Segmented(recorded([*shell_opening(), InputMasked(at_ms=700, channel=0)]))
    assert made.events() == []
    assert made.index["markers"] == [[0.7, "masked input"]]


def test_a_new_size_is_what_the_player_reads():
    resized = TerminalResized(at_ms=9, channel=0, columns=120, rows=40)
    huge = TerminalResized(at_ms=10, channel=0, columns=10**6, rows=10**6)
    made = Segmented(recorded(shell_opening(100, 30), [resized, huge], [out(20, b"x")]))
    assert made.index["term"] == {"cols": 100, "rows": 30}
    assert made.events("r") == [
        [0.009, "r", {"cols": 120, "rows": 40}],
        [0.01, "r", {"cols": 1000, "rows": 500}],
    ]
    assert made.segments[2]["snapshot"]["cols"] == 1000


def test_what_acts_outside_the_screen_is_left_out():
    hostile = b"\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[6n\x1b[99999999999b<script>"
    made = Segmented(recorded([*shell_opening(), out(1, hostile)]))
    assert made.shown() == "<script>"


def test_a_message_to_the_user_is_played():
    notice = NoticeShown(at_ms=3, channel=0, text="five minutes left")
    made = Segmented(recorded([*shell_opening(), notice]))
    assert made.shown() == "\r\nfive minutes left\r\n"


def test_each_channel_is_played_alone():
    two: list[KnownEvent] = [
        *shell_opening(),
        out(5, b"shell"),
        ChannelOpened(at_ms=6, channel=3, kind="session"),
        ChannelRequested(at_ms=6, channel=3, request="exec", detail=b"make"),
        out(7, b"made\n", channel=3),
        TargetErrorData(at_ms=8, channel=3, data=b"warned\n"),
        ChannelClosed(at_ms=9, channel=3),
    ]
    chunks = recorded(two)
    assert Segmented(chunks).shown() == "shell"
    command = Segmented(chunks, channel=3)
    assert command.shown() == "made\r\nwarned\r\n"
    assert command.index["term"] == {"cols": 80, "rows": 24}
    assert command.index["duration"] == Segmented(chunks).index["duration"]


def test_a_command_without_a_terminal_has_screens_to_jump_to_as_well():
    lines = [b"line %d\n" % number for number in range(4000)]
    opening: list[KnownEvent] = [ChannelOpened(at_ms=0, channel=0, kind="session")]
    parts: list[list[KnownEvent]] = [
        [out(1000 + step, b"".join(lines[step * 1000 : step * 1000 + 1000]))]
        for step in range(4)
    ]
    made = Segmented(recorded(opening, *parts, [out(9000, b"gr\xc3")], [out(9500, b"\xbc\n")]))
    assert len(made.segments) == 6
    for number in range(6):
        assert made.screen_at(number, jump=True) == made.screen_at(number, jump=False)
    assert "line 3999" in made.screen_at(3, jump=True)


def test_after_a_channel_has_closed_its_last_screen_stays():
    made = Segmented(
        recorded(
            [*shell_opening(), out(5, b"bye"), ChannelClosed(at_ms=6, channel=0)],
            [ChannelOpened(at_ms=60_000, channel=1, kind="session")],
            [out(90_000, b"other", channel=1)],
        )
    )
    assert len(made.segments) == 1
    assert screen_of(made.segments)[0] == "bye"


def test_a_chunk_without_keyframe_belongs_to_the_segment_before():
    chunks = Segmented(recorded(shell_opening(), [out(1000, b"a")], [out(2000, b"b")])).outlined
    lacking = [chunks[0], replace(chunks[1], has_keyframe=False), chunks[2]]
    opened = first_played(channels_of(chunks))
    assert opened is not None
    planned = plan(lacking, opened)
    assert [(one.sequence, one.until) for one in planned.segments] == [(0, 2), (2, 3)]


def test_what_is_played_first_is_a_terminal():
    opened = [ChannelOpened(at_ms=0, channel=7, kind="session"), *shell_opening()[1:]]
    made = Segmented(recorded(shell_opening()[:1] + opened))
    assert [one.channel for one in channels_of(made.outlined)] == [7, 0]
    assert made.plan.opened.channel == 0
    assert first_played([]) is None


def test_a_thousand_landmarks_are_five_hundred_dots():
    marks: list[KnownEvent] = [InputMasked(at_ms=n, channel=0) for n in range(200)]
    chunks = recorded(shell_opening(), marks, marks, marks, marks)
    assert len(Segmented(chunks).index["markers"]) == 500


def test_a_session_without_chunks_is_planned_as_empty():
    empty = OutlinedChunk(
        sequence=0, first_ms=0, last_ms=0, has_keyframe=False, outline=Outline()
    )
    opened = Segmented(recorded(shell_opening())).plan.opened
    index = json.loads(encode_index(plan([empty], opened), [empty], "{}"))
    assert index["duration"] == 0.001
    assert plan([], opened).segments == []


def test_activity_is_counted_in_equal_parts_of_what_is_played():
    chunks = recorded(
        shell_opening(),
        [out(0, b"four"), ClientData(at_ms=0, channel=0, data=b"ls")],
        [out(300_000, b"six..."), out(300_000, b"not here", channel=1)],
        [out(599_999, b"end")],
    )
    overview = Segmented(chunks).overview
    assert overview["duration"] == 600
    active = {bar: sums for bar, sums in enumerate(overview["activity"]) if sums != [0, 0]}
    assert active == {0: [4, 2], 300: [6, 0], 599: [3, 0]}
