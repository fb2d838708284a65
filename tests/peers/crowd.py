"""Many people at work at once, each with OpenSSH's client, and what each of them saw."""

import contextlib
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest
from peers.login import Login
from peers.needed import environment

WORK: Final = "echo {mark}; while read -r line; do printf '%s %0300d\\n' \"$line\" 0; done"
AT_ONCE: Final = 6
"""More that have not logged on yet would look like a flood."""
PAUSE_S: Final = 0.5


@dataclass
class Busy:
    """One of them. Each line that is typed is answered with three hundred bytes."""

    mark: bytes
    process: subprocess.Popen[bytes]
    output: Path
    typed: bytes = b""

    @property
    def seen(self) -> bytes:
        return self.output.read_bytes()

    @property
    def is_in(self) -> bool:
        return self.seen.startswith(self.mark)

    def type(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line)
            self.process.stdin.flush()
            self.typed += line


class Crowd:
    """Comes in, types until it leaves or is thrown out."""

    def __init__(self, name: str, login: Login, count: int, folder: Path) -> None:
        self._name, self._login, self._folder = name, login, folder
        self.people: list[Busy] = []
        self._over = threading.Event()
        self._typing = threading.Thread(target=self._type)
        while len(self.people) < count:
            self._let_some_in(min(AT_ONCE, count - len(self.people)))

    def __enter__(self) -> Self:
        self._typing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_typing()
        for one in self.people:
            one.process.kill()
            one.process.wait(10)
            assert one.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                one.process.stdin.close()

    def leave(self) -> None:
        """Everybody finishes what was begun, and goes."""
        self._stop_typing()
        for one in self.people:
            assert one.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                one.process.stdin.close()
        for one in self.people:
            one.process.wait(60)

    def wait_until_thrown_out(self) -> None:
        self._stop_typing()
        for one in self.people:
            one.process.wait(60)

    @property
    def inside(self) -> int:
        return sum(one.process.poll() is None for one in self.people)

    def _let_some_in(self, count: int) -> None:
        first = len(self.people)
        some = [self._send_in(f"{self._name}-{first + number}") for number in range(count)]
        end = time.monotonic() + 60
        while not all(one.is_in for one in some):
            if time.monotonic() > end or any(one.process.poll() is not None for one in some):
                pytest.fail(f"somebody did not get in: {[one.seen[-200:] for one in some]}")
            time.sleep(0.05)
        self.people += some

    def _send_in(self, mark: str) -> Busy:
        output = self._folder / mark
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*self._login.ssh(), WORK.format(mark=mark)],
                env=environment(**self._login.env),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
        return Busy(f"{mark}\n".encode(), process, output)

    def _type(self) -> None:
        number = 0
        while not self._over.wait(PAUSE_S):
            number += 1
            for one in self.people:
                one.type(b"line %d\n" % number)

    def _stop_typing(self) -> None:
        self._over.set()
        if self._typing.is_alive():
            self._typing.join(10)
