"""What a screen shows of a line that is edited. The screen is another project's emulation."""

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ssh.terminal.line_editor import LineEditor

PROMPT = "proxyd> "


class Terminal:
    """An editor, and a screen of some width that shows what it says."""

    def __init__(self, columns: int = 80, **given) -> None:
        self.screen = pyte.Screen(columns, 60)
        self.stream = pyte.Stream(self.screen)
        self.editor = LineEditor(**given)
        self.editor.columns = columns
        self.begin()

    def begin(self, **how) -> None:
        self.stream.feed(self.editor.begin(PROMPT, **how))

    def type(self, *sent: bytes):
        typed = None
        for piece in sent:
            rest = piece
            while rest:
                typed = self.editor.take(rest)
                self.stream.feed(typed.shown)
                rest = b"" if typed.line is not None else typed.rest
        return typed

    def enter(self, text: str) -> str:
        line = self.type(text.encode(), b"\r").line
        self.begin()
        return line

    @property
    def text(self) -> str:
        return "".join(row.ljust(self.screen.columns) for row in self.screen.display).rstrip()


def test_a_line_is_what_was_typed():
    assert Terminal().enter("launch web01") == "launch web01"


def test_what_is_behind_the_line_is_left_for_who_reads_next():
    typed = LineEditor().take(b"launch web01\recho hello\n")
    assert (typed.line, typed.rest) == ("launch web01", b"echo hello\n")


def test_a_line_is_edited_in_its_middle():
    terminal = Terminal()
    terminal.type(b"lunch", b"\x1b[D" * 4, b"a", b"\x05!", b"\x7f")
    assert terminal.text == f"{PROMPT}launch"
    assert terminal.type(b"\r").line == "launch"


KEYS = st.lists(
    st.sampled_from(
        [
            *(b"a", b"b c", "ä".encode(), b"\x1b[D", b"\x1b[C", b"\x01", b"\x05"),
            *(b"\x7f", b"\x1b[3~", b"\x0b", b"\x17", b"\x19", b"\x1b[A", b"\x1b[B", b"\x1bb"),
            *(b"\x1bf", b"\x1b[1;5D", b"x" * 7),
        ]
    ),
    max_size=40,
)


@settings(deadline=None)
@given(KEYS, st.integers(10, 40))
def test_the_screen_shows_the_line_and_the_cursor_at_any_width(keys, columns):
    terminal = Terminal(columns)
    terminal.enter("before")
    top = terminal.screen.cursor.y
    terminal.type(*keys)
    editor = terminal.editor
    expected = Terminal(columns)
    expected.screen.cursor.y = top
    expected.screen.cursor.x = 0
    expected.stream.feed(PROMPT + editor._text)
    shown = [row.rstrip() for row in terminal.screen.display[top:]]
    assert shown == [row.rstrip() for row in expected.screen.display[top:]]
    row, column = editor._place(PROMPT + editor._text[: editor._at])
    assert (terminal.screen.cursor.y - top, terminal.screen.cursor.x) == (row, column)


def test_a_wide_character_that_does_not_fit_goes_to_the_next_row():
    editor = LineEditor()
    editor.columns = 5
    assert editor._place("abcd値") == (1, 2)
    assert editor._place("abc値") == (1, 0)
    assert editor._place("e\u0301") == (0, 1)


def test_lines_are_recalled_and_the_one_that_was_begun_comes_back():
    terminal = Terminal()
    terminal.enter("first")
    terminal.enter("second")
    terminal.type(b"thi")
    assert terminal.type(b"\x1b[A\x1b[A\r").line == "first"
    terminal.begin()
    terminal.type(b"thi")
    assert terminal.type(b"\x1b[A\x1b[B\r").line == "thi"


def test_a_secret_is_neither_shown_nor_recalled():
    terminal = Terminal()
    terminal.begin(hidden=True)
    assert terminal.type(b"hunter2\r").line == "hunter2"
    assert "hunter2" not in terminal.text
    terminal.begin()
    assert terminal.type(b"\x1b[A\r").line == ""


def test_tab_completes_what_is_the_only_one_and_lists_what_are_several():
    names = ["launch web01", "launch web02", "launch db"]
    terminal = Terminal(complete=lambda left: [one for one in names if one.startswith(left)])
    terminal.type(b"launch w\t")
    assert terminal.text.endswith("launch web0")
    terminal.type(b"\t")
    assert "web01  web02" in terminal.text
    assert terminal.type(b"\x15launch d\t\r").line == "launch db "


def test_a_question_mark_asks_unless_it_is_quoted_or_pasted():
    assert LineEditor().take(b"lau?").help == "lau"
    assert LineEditor().take(b"cat 'x?'\r").line == "cat 'x?'"
    assert LineEditor().take(b"\x1b[200~x?\x1b[201~\r").line == "x?"


def test_control_d_leaves_an_empty_line_and_control_c_clears_a_full_one():
    assert LineEditor().take(b"\x04").left
    terminal = Terminal()
    assert terminal.type(b"rubbish\x03exit\r").line == "exit"
    assert not LineEditor().take(b"x\x04").left


def test_without_a_terminal_nothing_is_echoed():
    editor = LineEditor()
    editor.echoes = False
    typed = editor.take(b"launch web01\n")
    assert (typed.line, typed.shown) == ("launch web01", "")


def test_however_much_is_pasted_or_pressed_the_line_is_drawn_once():
    editor = LineEditor()
    editor.take(b"x" * 4096)
    assert len(editor.take(b"\x1b[D" * 8192).shown) < 5000
    editor.take(b"\x05")
    assert len(editor.take(b"y\x7f" * 8192).shown) < 5000


@pytest.mark.parametrize("key", [b"\t", b"\x0c", b"\x03"])
def test_what_is_behind_a_key_that_shows_much_waits(key):
    editor = LineEditor(complete=lambda left: [left + "a", left + "b"])
    editor.take(b"launch ")
    assert editor.take(key + b"web01").rest == b"web01"


def test_a_line_without_end_is_not_taken():
    editor = LineEditor()
    editor.take(b"x" * 10_000)
    assert len(editor.take(b"\r").line) == 4096


@given(st.binary(), st.integers(2, 200))
def test_any_bytes_are_taken(sent, columns):
    editor = LineEditor()
    editor.columns = columns
    rest = sent
    while rest:
        rest = editor.take(rest).rest


@pytest.mark.parametrize("columns", [8, 9, 16])
def test_a_line_may_end_where_the_row_does(columns):
    terminal = Terminal(columns)
    terminal.type(b"abcdefgh", b"\x1b[D", b"\x1b[C", b"i")
    assert "".join(terminal.text.split()) == "proxyd>abcdefghi"
