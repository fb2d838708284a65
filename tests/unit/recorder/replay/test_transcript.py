import pytest
from samples.chunks import INFO
from samples.terminal_session import terminal_events
from samples.typescripts import TYPESCRIPTS

from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    CommandExited,
    KnownEvent,
    NoticeShown,
    SessionStarted,
    TargetData,
)
from recorder.replay.transcript import transcript_lines


def transcript(events: list[KnownEvent]) -> list[str]:
    return b"".join(transcript_lines(events)).decode().splitlines()


def texts(events: list[KnownEvent]) -> list[str]:
    return [line.partition("  ")[2] for line in transcript(events)]


def test_a_line_reads_as_it_was_seen() -> None:
    shown = b"$ ecoh\b \b\b \b\b \bcho \x1b[31mred\x1b[0m\r\nred\r\n"
    assert "$ echo red" in texts(terminal_events(shown))


def test_a_line_has_the_time_since_which_it_reads_so() -> None:
    events: list[KnownEvent] = [
        SessionStarted(at_ms=0, info=INFO),
        ChannelOpened(at_ms=1, channel=0, kind="session"),
        ChannelRequested(at_ms=2, channel=0, request="exec", detail=b"make"),
        TargetData(at_ms=3_723_004, channel=0, data=b"one\ntw"),
        TargetData(at_ms=3_724_000, channel=0, data=b"o"),
        CommandExited(at_ms=3_725_000, channel=0, status=2),
    ]
    assert transcript(events) == [
        "0:00:00.000  -- ana to web (10.0.0.5:22), 2026-01-01T00:00:00Z",
        "0:00:00.002  -- exec: make",
        "1:02:03.004  one",
        "1:02:05.000  -- exit status 2",
        "1:02:05.000  two",
    ]


def test_a_remark_comes_behind_what_was_shown_before_it() -> None:
    events = terminal_events(b"$ ls\r\nfile\r\n$ ")
    notice = NoticeShown(at_ms=events[-4].at_ms, channel=0, text="the end is near")
    lines = texts([*events[:-3], notice, *events[-3:]])
    assert lines[1:4] == ["$ ls", "file", "-- notice: the end is near"]


def test_a_command_that_writes_no_line_feed_is_cut() -> None:
    events: list[KnownEvent] = [
        ChannelOpened(at_ms=1, channel=0, kind="session"),
        TargetData(at_ms=2, channel=0, data=b"x" * 2500),
    ]
    assert [len(text) for text in texts(events)] == [1000, 1000, 500]


@pytest.mark.parametrize("shown", TYPESCRIPTS.values(), ids=TYPESCRIPTS.keys())
def test_a_transcript_can_be_printed(shown: bytes) -> None:
    printed = b"".join(transcript_lines(terminal_events(shown))).decode()
    assert printed.replace("\n", "").replace("\t", "").isprintable()


def test_escapes_of_a_command_are_shown_and_do_not_act() -> None:
    events: list[KnownEvent] = [
        ChannelOpened(at_ms=1, channel=0, kind="session"),
        TargetData(at_ms=2, channel=0, data=b"\x1b]0;t\x07\xc2\x9b31m\xe2\x80\xae\n"),
    ]
    assert texts(events) == ["\\x1b]0;t\\x07\\x9b31m\\u202e"]


def test_what_vim_showed_is_in_the_transcript() -> None:
    lines = texts(terminal_events(TYPESCRIPTS["vim"]))
    assert any("hello worldline 0: größer 世界" in line for line in lines)
    assert any("line 77: größer 世界" in line for line in lines)
