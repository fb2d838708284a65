import json
from typing import Any

import pytest
from samples.chunks import INFO, STARTED
from samples.terminal_session import terminal_events
from samples.typescripts import TYPESCRIPTS

from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    ClientData,
    KnownEvent,
    SessionStarted,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
)
from recorder.replay.asciicast import PlayedTerminal, cast_lines, find_terminal

XTERM = PlayedTerminal(channel=0, columns=80, rows=24, terminal="xterm")


def cast(events: list[KnownEvent], terminal: PlayedTerminal = XTERM) -> list[Any]:
    return [json.loads(line) for line in cast_lines(events, terminal)]


@pytest.mark.parametrize("shown", TYPESCRIPTS.values(), ids=TYPESCRIPTS.keys())
def test_a_cast_plays_what_the_target_sent(shown: bytes) -> None:
    _, *lines = cast(terminal_events(shown))
    played = "".join(text for _, code, text in lines if code == "o")
    assert played.encode() == shown


def test_the_header_says_who_where_when_and_how_large() -> None:
    terminal = find_terminal(terminal_events(b""))
    assert terminal is not None
    header, *_ = cast(terminal_events(b""), terminal)
    assert header == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": int(STARTED.timestamp()),
        "title": "ana on web (10.0.0.5)",
        "env": {"TERM": "xterm-256color"},
    }


def test_a_character_that_is_cut_in_two_arrives_whole() -> None:
    _, *lines = cast(
        [
            SessionStarted(at_ms=0, info=INFO),
            TargetData(at_ms=1, channel=0, data=b"\xe4\xb8"),
            TargetData(at_ms=1500, channel=0, data=b"\x96\xff"),
        ]
    )
    assert lines == [[1.5, "o", "世\ufffd"]]


def test_half_a_character_at_the_end_is_replaced() -> None:
    _, *lines = cast(
        [
            SessionStarted(at_ms=0, info=INFO),
            TargetData(at_ms=1, channel=0, data=b"\xe4"),
        ]
    )
    assert lines == [[0.001, "o", "\ufffd"]]


def test_keys_sizes_and_commands_have_their_own_events() -> None:
    _, *lines = cast(
        [
            SessionStarted(at_ms=0, info=INFO),
            ClientData(at_ms=1000, channel=0, data=b"\x03"),
            TerminalResized(at_ms=2000, channel=0, columns=120, rows=40),
            ChannelRequested(at_ms=3000, channel=1, request="exec", detail=b"id"),
            TargetData(at_ms=4000, channel=1, data=b"beside"),
        ]
    )
    assert lines == [[1.0, "i", "\x03"], [2.0, "r", "120x40"], [3.0, "m", "exec: id"]]


def test_without_a_terminal_lines_begin_at_the_left() -> None:
    events: list[KnownEvent] = [
        SessionStarted(at_ms=0, info=INFO),
        ChannelOpened(at_ms=1, channel=3, kind="session"),
        TargetData(at_ms=2, channel=3, data=b"a\nb\n"),
        TargetErrorData(at_ms=3, channel=3, data=b"oh\n"),
    ]
    terminal = find_terminal(events)
    assert terminal == PlayedTerminal(channel=3)
    assert [line[2] for line in cast(events, terminal)[1:]] == ["a\r\nb\r\n", "oh\r\n"]


def test_the_first_terminal_is_played_unless_another_is_asked_for() -> None:
    events: list[KnownEvent] = [
        ChannelOpened(at_ms=0, channel=0, kind="session"),
        ChannelOpened(at_ms=0, channel=1, kind="session"),
        TerminalRequested(at_ms=1, channel=1, terminal="vt100", columns=0, rows=0),
        TerminalRequested(at_ms=2, channel=2, terminal="xterm", columns=100, rows=30),
    ]
    assert find_terminal(events) == PlayedTerminal(channel=1, terminal="vt100")
    second = find_terminal(events, 2)
    assert second is not None
    assert (second.columns, second.rows) == (100, 30)
    assert find_terminal(events, 7) is None
