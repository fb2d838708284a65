import pytest
from samples.screens import screen
from samples.typescripts import TYPESCRIPTS

from recorder.replay.screen_filter import ScreenFilter

OUTSIDE = {
    "window title": b"\x1b]0;owned\x07",
    "window title, C1 in UTF-8": b"\xc2\x9d0;owned\xc2\x9c",
    "clipboard": b"\x1b]52;c;cm0gLXJmIC8=\x1b\\",
    "hyperlink": b"\x1b]8;;file:///etc/passwd\x07",
    "colour query": b"\x1b]11;?\x07",
    "notification": b"\x1b]777;notify;a;b\x07",
    "file download": b"\x1b]1337;File=name=eA==;inline=0:AAAA\x07",
    "current folder": b"\x1b]7;file://evil/\x07",
    "DECRQSS": b'\x1bP$q"p\x1b\\',
    "termcap query": b"\x1bP+q544e\x1b\\",
    "user-defined keys": b"\x1bP0;1|17/0d\x1b\\",
    "tmux passthrough": b"\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
    "sixel": b"\x1bPq#0;2;0;0;0~\x1b\\",
    "screen title": b"\x1bkowned\x1b\\",
    "APC": b"\x1b_Gf=24,s=1,v=1;AAAA\x1b\\",
    "PM": b"\x1b^private\x1b\\",
    "SOS": b"\x1bXstring\x1b\\",
    "device attributes": b"\x1b[c\x1b[>c\x1b[=c\x1b[0c",
    "cursor report": b"\x1b[6n\x1b[?6n\x1b[5n",
    "mode report": b"\x1b[?2004$p\x1b[4$p",
    "terminal parameters": b"\x1b[x",
    "title report": b"\x1b[21t",
    "window moves": b"\x1b[3;0;0t\x1b[8;200;200t",
    "answerback": b"\x05",
    "bell": b"\x07",
    "mouse": b"\x1b[?1000h\x1b[?1002;1003;1006h\x1b[1;2;3;4;5T",
    "focus": b"\x1b[?1004h",
    "bracketed paste": b"\x1b[?2004h",
    "application keys": b"\x1b[?1h\x1b=\x1b>",
    "other keys": b"\x1b[>4;2m\x1b[>1u\x1b[=1;1u\x1b[?u\x1b[<u",
    "132 columns": b"\x1b[?3h",
    "saved modes": b"\x1b[?1000s\x1b[?1000r",
    "keyboard lock": b"\x1b[2h",
    "new-line mode": b"\x1b[20h",
    "print": b"\x1b[5i\x1b[?5i\x1b[4i",
    "keyboard lights": b"\x1b[1q",
    "scrollback erased": b"\x1b[3J\x1b[003J",
    "leaving UTF-8": b"\x1b%@",
    "7-bit C1 announced": b"\x1b F\x1b G",
    "copied rectangle": b"\x1b[1;1;2;2;1;1;1;1$v",
    "checksum of the screen": b"\x1b[1;1;1;1;2;2*y",
    "memory lock": b"\x1bl\x1bm",
    "endless repeat": b"\x1b[999999999b",
    "endless sequence": b"\x1b[" + b"1;" * 500 + b"H",
}

INSIDE = [
    b"\x1b[1;31;48:2::1:2:3mred\x1b[0m",
    b"\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[2K",
    b"\x1b[?1049h\x1b[?25l\x1b[?7l",
    b"\x1b[3;20r\x1b[4L\x1b[2M\x1bM\x1bD",
    b"\x1b(0lqqk\x1b(B",
    b"\x1b7moved\x1b8",
    b"tab\tback\bline\r\n",
    b"\x1b[5 q",
    "größer 世界 🙂".encode(),
]


@pytest.mark.parametrize("attack", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_what_acts_outside_the_screen_is_dropped(attack: bytes) -> None:
    assert ScreenFilter().feed(b"<" + attack + b">") == b"<>"


@pytest.mark.parametrize("sequence", INSIDE)
def test_what_acts_inside_the_screen_passes_as_it_is(sequence: bytes) -> None:
    assert ScreenFilter().feed(sequence) == sequence


def test_the_harmless_half_of_a_sequence_passes() -> None:
    assert ScreenFilter().feed(b"\x1b[?1049;1000;25h") == b"\x1b[?1049h\x1b[?25h"


def test_an_eight_bit_control_is_no_text_and_no_control() -> None:
    assert ScreenFilter().feed(b"\x9b31m") == "\ufffd31m".encode()


def test_a_full_reset_clears_the_screen_and_no_more() -> None:
    assert ScreenFilter().feed(b"\x1bc") == b"\x1b[0m\x1b[2J\x1b[H"


def test_the_terminal_is_put_back_as_it_was() -> None:
    screen = ScreenFilter()
    screen.feed(b"\x1b[?1049h\x1b[?25l\x1b(0\x0e\x1b[2;5r\x1b[4h\x1b[3 q")
    assert screen.reset() == (
        b"\x1b[0m\x1b[?1049l\x1b[?25h\x1b(B\x0f\x1b7\x1b[r\x1b8\x1b[4l\x1b[0 q"
    )


def test_what_was_put_back_by_the_target_is_left_alone() -> None:
    screen = ScreenFilter()
    screen.feed(b"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l")
    assert screen.reset() == b"\x1b[0m"


@pytest.mark.parametrize("shown", TYPESCRIPTS.values(), ids=TYPESCRIPTS.keys())
def test_a_screen_looks_the_same_through_the_filter(shown: bytes) -> None:
    assert screen(ScreenFilter().feed(shown)) == screen(shown)


@pytest.mark.parametrize("name", ["vim", "tmux", "less"])
def test_after_a_program_that_was_cut_short_the_shell_is_back(name: str) -> None:
    filtering = ScreenFilter()
    half = filtering.feed(TYPESCRIPTS[name][: len(TYPESCRIPTS[name]) // 2])
    assert screen(b"before", half, filtering.reset())[0] == "before"


def test_an_unfinished_string_does_not_outlive_the_reset() -> None:
    screen = ScreenFilter()
    screen.feed(b"\x1b]0;half a title")
    screen.reset()
    assert screen.feed(b"text") == b"text"
