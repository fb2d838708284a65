"""The launcher on a user's machine: its own folders, and links from a page."""

import re
import shutil
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from peers.daemon import Daemon
from peers.output import Output, run

from control.web.visitor import COOKIE, CSRF_FIELD

LINK: Final = re.compile(r"proxyd://[^\"]+/launch/[A-Za-z0-9_-]{32}")


@dataclass(frozen=True)
class UserMachine:
    """Where somebody sits: a home, and what was installed there."""

    home: Path

    @property
    def program(self) -> Path:
        return Path(sys.executable).with_name("proxyd-launcher")

    @property
    def env(self) -> dict[str, str]:
        # Short paths: those of sockets have a limit.
        places = {"HOME": "", "XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "d"}
        return {name: str(self.home / at) for name, at in places.items()} | {
            "XDG_RUNTIME_DIR": str(self.home / "run")
        }

    def launch(self, *words: str, seconds: float = 60, **env: str) -> Output:
        """Run the launcher with no terminal of its own."""
        return run([self.program, *words], env={**self.env, **env}, seconds=seconds)

    def register(self, daemon: Daemon, *words: str) -> None:
        """Let a daemon's page start sessions here."""
        recognised = ("--fingerprint", fingerprint(daemon), *words)
        done = self.launch("register", f"https://127.0.0.1:{daemon.page_port}", *recognised)
        assert done.status == 0, done.said

    def fifos(self) -> list[Path]:
        """Pipes with a name that programs are given passwords by."""
        return [path for path in (self.home / "run").rglob("*") if path.is_fifo()]

    def left(self) -> list[Path]:
        """What lies where nothing may be left behind."""
        return list((self.home / "run").iterdir())


class Person:
    """Somebody who is logged in at a page."""

    def __init__(self, daemon: Daemon, name: str, password: str) -> None:
        self.daemon = daemon
        self._browser = httpx.Client(
            base_url=f"https://127.0.0.1:{daemon.page_port}",
            verify=_trusting_anybody(),
            timeout=30,
        )
        answer = self._browser.post("/login", data={"username": name, "password": password})
        assert answer.status_code == 303, answer.text

    def link(self, secret: str) -> str:
        """Ask for a launch link."""
        answer = self._send(f"/secrets/{secret}/launches")
        found = LINK.search(answer.text)
        assert found, answer.text
        return found[0]

    def log_out(self) -> None:
        self._send("/logout")

    def close(self) -> None:
        self._browser.close()

    def _send(self, path: str) -> httpx.Response:
        page = self._browser.get("/secrets").text
        found = re.search(rf'name="{CSRF_FIELD}" value="([0-9a-f]+)"', page)
        assert found, f"{COOKIE}: nobody is logged in"
        return self._browser.post(path, data={CSRF_FIELD: found[1]})


def fingerprint(daemon: Daemon) -> str:
    """Of the certificate that the page shows, as `openssl x509 -fingerprint` would say it."""
    pem = ssl.get_server_certificate(("127.0.0.1", daemon.page_port))
    done = run(["openssl", "x509", "-noout", "-sha256", "-fingerprint"], typed=pem.encode())
    return done.text.partition("=")[2]


def seen_in_proc(*secrets: str) -> list[str]:
    """Which processes have one of them in their argv or environment: `PID/cmdline`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                text = (place / name).read_bytes()
            except OSError:
                continue
            found += [f"{place.name}/{name}" for one in secrets if one.encode() in text]
    return found


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def user_machine() -> Iterator[UserMachine]:
    home = Path(tempfile.mkdtemp(prefix="pl-"))
    for name in ("c", "d", "run"):
        (home / name).mkdir(mode=0o700)
    yield UserMachine(home)
    shutil.rmtree(home)


LogInAs = Callable[..., Person]


@pytest.fixture
def log_in_as() -> Iterator[LogInAs]:
    """Logs people in, and forgets them with the test."""
    there: list[Person] = []

    def log_in_as(daemon: Daemon, name: str = "alice") -> Person:
        there.append(Person(daemon, name, "Correct-Horse-9-Battery"))
        return there[-1]

    yield log_in_as
    for person in there:
        person.close()
