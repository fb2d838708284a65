import os
import pty
import sys
import termios
from collections.abc import Iterator
from io import StringIO

import pytest

from proxyd.cli.keyboard import TerminalKeyboard, keyboard


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Make standard input a terminal; yield its two ends: the person's and ours."""
    person, ours = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield person, ours
    os.close(person)


def test_keys_come_without_enter_and_one_by_one(terminal: tuple[int, int]) -> None:
    person, _ = terminal
    with keyboard() as keys:
        os.write(person, b" +\x1b[C\x1bODq")
        assert [keys.read(1) for _ in range(5)] == ["space", "+", "right", "left", "q"]


def test_control_c_is_a_key(terminal: tuple[int, int]) -> None:
    person, _ = terminal
    with keyboard() as keys:
        os.write(person, b"\x03")
        assert keys.read(1) == "q"


def test_no_key_is_no_key(terminal: tuple[int, int]) -> None:
    with keyboard() as keys:
        assert keys.read(0.01) is None


def test_the_terminal_is_as_it_was_afterwards(terminal: tuple[int, int]) -> None:
    _, ours = terminal
    before = termios.tcgetattr(ours)
    with keyboard():
        assert termios.tcgetattr(ours) != before
    assert termios.tcgetattr(ours) == before


def test_a_terminal_that_is_gone_quits() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    assert TerminalKeyboard(reading).read(1) == "q"
    os.close(reading)


def test_without_a_terminal_no_key_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("q"))
    with keyboard() as keys:
        assert keys.read(0.01) is None
