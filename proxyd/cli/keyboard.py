"""Single keys from the operator's terminal, without waiting for Enter."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_KEYS = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left",
    b"\x1bOA": "up", b"\x1bOB": "down", b"\x1bOC": "right", b"\x1bOD": "left",
    b" ": "space", b"\x03": "q",
}  # fmt: skip


class Keyboard(Protocol):
    """Where keys come from."""

    def read(self, wait_s: float | None) -> str | None:
        """Return the next key, or None where none came within `wait_s`; None waits."""
        ...


class NoKeyboard:
    """Standard input is no terminal: time passes and no key comes."""

    def read(self, wait_s: float | None) -> str | None:
        """Let `wait_s` pass."""
        select.select([], [], [], wait_s)
        return None


class TerminalKeyboard:
    """A terminal that hands over each key as it is pressed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pressed = b""

    def read(self, wait_s: float | None) -> str | None:
        """Return the next key; `q` once the terminal is gone."""
        if not self._pressed:
            if not select.select([self._descriptor], [], [], wait_s)[0]:
                return None
            self._pressed = os.read(self._descriptor, 64) or b"q"
        for keys, name in _KEYS.items():
            if self._pressed.startswith(keys):
                self._pressed = self._pressed[len(keys) :]
                return name
        key, self._pressed = self._pressed[:1], self._pressed[1:]
        return key.decode("ascii", "replace")


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Yield the operator's keyboard; the terminal is as it was afterwards."""
    if not sys.stdin.isatty():
        yield NoKeyboard()
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Raw for input, so that Ctrl-C is a key too; output still makes new lines.
        tty.setcbreak(descriptor)
        mode = termios.tcgetattr(descriptor)
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(descriptor, termios.TCSANOW, mode)
        yield TerminalKeyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
