import re
import resource

import pyte
import pytest
from samples.terminal_recordings import TerminalRecording, terminal_recording

from recorder.replay.terminal import Terminal, clamp, split_whole


class Told:
    def __init__(self, columns: int = 40, rows: int = 5) -> None:
        self.lines: list[tuple[int, str]] = []
        self.terminal = Terminal(columns, rows, self.tell)

    def tell(self, at_ms: int, text: str) -> None:
        self.lines.append((at_ms, text))

    def all(self) -> list[tuple[int, str]]:
        self.terminal.tell_shown(with_cursor=True)
        return sorted(self.lines)


def test_a_line_has_the_time_at_which_it_first_read_so():
    told = Told()
    told.terminal.feed(10, "$ ")
    told.terminal.feed(20, "ls")
    told.terminal.feed(30, "\r\nfile\r\n$ ")
    told.terminal.feed(99, "\r\n" * 20)
    assert told.all() == [(20, "$ ls"), (30, "$"), (30, "file")]


def test_what_scrolls_past_in_one_burst_is_told():
    told = Told()
    told.terminal.feed(5, "".join(f"line {number}\r\n" for number in range(50)))
    assert told.all() == sorted((5, f"line {number}") for number in range(50))


def test_what_is_overwritten_is_told():
    told = Told()
    told.terminal.feed(1, "secret plan")
    told.terminal.feed(2, "\x1b[2J\x1b[Hcalm")
    assert told.all() == [(1, "secret plan"), (2, "calm")]


def test_what_is_cleared_in_the_same_burst_is_told():
    told = Told()
    told.terminal.feed(1, "secret plan\x1b[2J\x1b[Hcalm")
    assert (1, "secret plan") in told.all()


def test_a_wrapped_line_is_one_line_again():
    told = Told(columns=10)
    told.terminal.feed(1, "0123456789" * 3 + "end\r\n")
    told.terminal.feed(2, "next\r\n" * 9)
    assert (1, "0123456789" * 3 + "end") in told.all()


def test_the_primary_screen_comes_back_without_being_told_again():
    told = Told()
    told.terminal.feed(1, "before\r\n")
    told.terminal.feed(2, "\x1b[?1049h\x1b[Hinside")
    assert told.terminal.alternate
    told.terminal.feed(3, "\x1b[?10")
    told.terminal.feed(4, "49lafter")
    assert not told.terminal.alternate
    assert told.all() == [(1, "before"), (2, "inside"), (4, "after")]


def test_moving_lines_keep_their_time():
    told = Told(rows=3)
    told.terminal.feed(1, "a\r\nb\r\nc")
    told.terminal.feed(2, "\x1b[H\x1b[L")
    told.terminal.feed(3, "top")
    assert told.all() == [(1, "a"), (1, "b"), (1, "c"), (3, "top")]


def test_a_terminal_goes_on_where_it_was_suspended():
    told = Told()
    told.terminal.feed(1, "\x1b[31mkept\r\nsplit \x1b[3")
    resumed = Terminal.restored(told.terminal.state(), told.tell)
    resumed.feed(2, "2mhere")
    resumed.tell_shown(with_cursor=True)
    assert told.lines == [(1, "kept"), (2, "split here")]


def test_a_resize_keeps_what_was_shown():
    told = Told()
    told.terminal.feed(1, "hello world")
    told.terminal.resize(2, 5, 3)
    told.terminal.resize(3, 40, 5)
    assert (1, "hello world") in told.all()


def test_the_cursor_line_is_what_stands_left_of_it():
    told = Told(columns=10)
    told.terminal.feed(1, "user@web:~$ abc\x1b[2D")
    assert told.terminal.cursor_line == "user@web:~$ a"
    assert told.terminal.line == "user@web:~$ abc"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("plain", "plain"),
        ("a\x1b", "a"),
        ("a\x1b[", "a"),
        ("a\x1b[12;3", "a"),
        ("a\x1b[12m", "a\x1b[12m"),
        ("a\x1b]0;tit", "a"),
        ("a\x1b]0;tit\x1b", "a"),
        ("a\x1b]0;tit\x07", "a\x1b]0;tit\x07"),
        ("a\x1b]0;tit\x1b\\", "a\x1b]0;tit\x1b\\"),
        ("a\x9b12", "a"),
        ("a\x1b(B", "a\x1b(B"),
        ("\x1b]" + "x" * 5000, "\x1b]" + "x" * 5000),
    ],
)
def test_a_sequence_is_held_until_it_is_whole(text: str, whole: str):
    assert split_whole(text) == (whole, text[len(whole) :])


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[65535S",
        "\x1b[65535T",
        "\x1b[65535L",
        "\x1b[65535M",
        "a\x1b[65535b",
        "\x1b\n[65535S",
        "\x1b[6\x005535S",
        "\x9b65535S",
        "\x1b[99999999999999999999S",
        "\x1b[8;9999;9999t",
    ],
)
def test_a_short_sequence_cannot_ask_for_much_memory(attack: str):
    told = Told(columns=1000, rows=500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told.terminal.feed(1, attack * 400)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 400 * 1024


def test_sizes_are_clamped():
    assert clamp(0, 0) == (80, 24)
    assert clamp(10**9, 10**9) == (1000, 500)


class Oracle(pyte.HistoryScreen):
    """pyte, an independent emulator; it lacks what is overridden here."""

    def select_graphic_rendition(self, *modes: int, **_private: bool) -> None:
        super().select_graphic_rendition(*modes)


def seen_by_oracle(script: TerminalRecording) -> set[str]:
    screen = Oracle(script.columns, script.rows, history=10_000)
    stream = pyte.Stream(screen)
    seen: set[str] = set()
    for _, direction, text in script.bursts:
        if direction == "o":
            stream.feed(text)
            seen |= {line.rstrip() for line in screen.display}
    for line in screen.history.top:
        seen.add("".join(line[column].data for column in range(script.columns)).rstrip())
    return seen


@pytest.mark.parametrize("name", ["bash", "redraw"])
def test_the_lines_are_those_another_emulator_shows(name: str):
    script = terminal_recording(name)
    told = Told(script.columns, script.rows)
    for at_ms, direction, text in script.bursts:
        if direction == "o":
            told.terminal.feed(at_ms, text)
    lines = {text for _, text in told.all()}
    oracle = seen_by_oracle(script)
    unwrapped = {line for line in lines if len(line) < script.columns}
    assert unwrapped <= oracle
    assert {line for line in oracle if re.fullmatch(r"[0-9]{1,2}|red|total 8", line)} <= lines


@pytest.mark.parametrize("name", ["bash", "vim", "tmux", "redraw"])
def test_what_another_emulator_shows_for_good_is_told(name: str):
    script = terminal_recording(name)
    told = Told(script.columns, script.rows)
    for at_ms, direction, text in script.bursts:
        if direction == "o":
            told.terminal.feed(at_ms, text)
    assert all(len(text) <= 1000 and text.strip() for _, text in told.all() if text.strip())
    assert [at_ms for at_ms, _ in told.lines if at_ms > script.bursts[-1][0]] == []
