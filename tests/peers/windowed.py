"""SSH clients in a window of their own, driven by what they show, with pictures of it."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

import pytest
from peers.login import Login
from peers.needed import program, wait_until
from peers.putty import Putty, Screen

KeepProperty = Callable[[str, object], None]

_FONT: Final = ("-fa", "DejaVu Sans Mono", "-fs", "11")
_ASKED: Final = ("-o", "PreferredAuthentications=keyboard-interactive")


class Windowed:
    """One client on a screen. What its terminal shows is written to a file as well."""

    def __init__(
        self, name: str, screen: Screen, argv: Sequence[str], log: Path, keep: KeepProperty
    ) -> None:
        self.name, self._screen, self._log, self._keep = name, screen, log, keep
        self._seen = 0
        self._process = screen.start(argv)
        try:
            self._window = screen.window("PuTTY" if name == "putty" else name)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._process.poll() is None:
            sys.stdout.write(f"{self.name} shows: {self._shown[-600:]!r}\n")
            self._process.kill()
        self._process.wait(5)

    @property
    def _shown(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def expect(self, text: str) -> None:
        """Wait until it shows `text`, behind what was expected before."""

        def there() -> bool:
            return text in self._shown[self._seen :]

        wait_until(there, f"{self.name} does not show {text!r}", seconds=30)
        self._seen = self._shown.index(text, self._seen) + len(text)

    def type(self, line: str) -> None:
        self._screen.type(self._window, line)

    def picture(self, step: str) -> None:
        """Keep what it shows, for whoever reads the report of the tests."""
        self._screen.settled()
        self._keep("picture", str(self._screen.picture(f"{self.name}-{step}")))

    def wait(self) -> int:
        try:
            return self._process.wait(45)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} goes on: {self._shown[-300:]!r}")


def windowed(
    name: str, screen: Screen, login: Login, fingerprints: list[str], keep: KeepProperty
) -> Windowed:
    """Start `openssh`, `plink` or `putty`; each asks for the password itself."""
    log = screen.folder / f"{name}.log"
    asks = Putty(login, fingerprints).asking
    if name == "putty":
        argv = asks("putty", "-ssh", "-sessionlog", str(log), "-logoverwrite", "127.0.0.1")
    else:
        words = {
            "openssh": ["env", "SSH_ASKPASS_REQUIRE=never", *login.ssh("-tt", *_ASKED)],
            "plink": asks("plink", "-ssh", "-t", "-no-antispoof", "127.0.0.1"),
        }
        # What it writes to its terminal, as it comes; its status is the client's.
        copied = [program("script"), "-qefc", " ".join(map(str, words[name])), str(log)]
        argv = [program("xterm"), "-T", name, *_FONT, "-e", *copied]
    return Windowed(name, screen, argv, log, keep)
