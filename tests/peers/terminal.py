"""A terminal in which a program runs, driven as a person would."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import avt
import pytest
from peers.needed import environment

READ_BYTES = 65536


def screen_of(output: bytes, columns: int, rows: int) -> list[str]:
    """What a terminal of one size shows after `output`."""
    emulator = avt.Vt(columns, rows)
    emulator.feed_str(output.decode(errors="replace"))
    return [str(line).rstrip() for line in emulator.view()]


def _resize(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A child under a pseudo-terminal; `output` is all that it wrote."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self.output = bytearray()
        self.status: int | None = None
        words = [str(word) for word in argv]
        surroundings = environment(TERM="xterm-256color", **(env or {}))
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            # Before the program looks: the parent may come to it later.
            _resize(0, *size)
            os.execvpe(words[0], words, surroundings)  # noqa: S606

    def resize(self, columns: int, rows: int) -> None:
        _resize(self._fd, columns, rows)

    def type(self, text: str | bytes) -> None:
        """Press keys; takes the output meanwhile, so that a large paste does not jam."""
        left = text.encode() if isinstance(text, str) else text
        while left:
            self._take(0)
            if select.select([], [self._fd], [], 0.05)[1]:
                left = left[os.write(self._fd, left[:1024]) :]

    def enter(self, line: str) -> None:
        """Type a line as a person does, who sees its end before Enter.

        What a shell echoes late, long after Enter, is masked: it may have been a password.
        """
        self.type(line)
        # Where a row ends, readline draws a key twice.
        self.expect(r"(?:.\r)?".join(map(re.escape, line[-12:])))
        self.type("\r")

    def expect(self, pattern: str, *, seconds: float = 30) -> str:
        """Wait until `pattern` shows after what was expected before; return its match."""
        start = getattr(self, "_expected", 0)
        end = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), bytes(self.output[start:]))):
            if time.monotonic() > end or (not self._take(0.1) and self.status is not None):
                shown = self.output[start:][-600:].decode(errors="replace")
                pytest.fail(f"{pattern!r} did not show; after the last match came {shown!r}")
        self._expected = start + found.end()
        return found[0].decode()

    def echo_s(self, key: bytes) -> float:
        """Press a key and wait for what comes back; return how long that took, in seconds."""
        started = time.perf_counter()
        os.write(self._fd, key)
        if not select.select([self._fd], [], [], 5)[0]:
            pytest.fail("no echo within 5 s")
        os.read(self._fd, READ_BYTES)
        return time.perf_counter() - started

    def _take(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError:
            data = b""
        self.output += data
        if not data and self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return bool(data)

    def settle(self, quiet_s: float = 0.4) -> None:
        """Read until nothing has come for a while."""
        while self._take(quiet_s):
            pass

    def answered(self, limit_s: float = 0.3) -> None:
        """Wait for an answer, and to its end."""
        if self._take(limit_s):
            self.settle(0.005)

    def wait(self, *, seconds: float = 30) -> int:
        """Read to the end and return the exit status."""
        end = time.monotonic() + seconds
        while self.status is None:
            self._take(0.1)
            if time.monotonic() > end:
                shown = self.output[-300:].decode(errors="replace")
                pytest.fail(f"still running after {seconds} s; last shown {shown!r}")
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def open_terminal() -> Iterator[OpenTerminal]:
    """Opens terminals and closes them when the test ends."""
    opened: list[Terminal] = []

    def start(
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (80, 24),
    ) -> Terminal:
        opened.append(Terminal(argv, env=env, size=size))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()
