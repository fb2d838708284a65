"""Real FreeRDP: xfreerdp as a client, and its shadow server as a target with NLA."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from peers.daemon import Daemon
from peers.display import Display
from peers.needed import answers, free_port, wait_until
from peers.newer import usual
from peers.userland import stop

from protocols.rdp.ntlm_proof import nt_hash

LOGON_FAILURE: Final = 134
"""xfreerdp's exit status for `ERRCONNECT_LOGON_FAILURE`: NLA said no."""
DENIED: Final = 131
"""For a Set Error Info during the connection sequence."""
NEGOTIATION_FAILURE: Final = 133


class Viewer:
    """One xfreerdp at work on a display."""

    def __init__(
        self,
        display: Display,
        port: int,
        *words: str,
        xfreerdp: Sequence[str] | None = None,
    ) -> None:
        """`xfreerdp`: the command that runs it, if it is not the usual one."""
        self.display = display
        command = xfreerdp or usual("xfreerdp", "xfreerdp3")
        self.log = display.folder / f"xfreerdp-{len(list(display.folder.iterdir()))}.log"
        self.process = display.start(
            [
                *(*command, f"/v:127.0.0.1:{port}", "/cert:ignore", "/size:1024x768"),
                *("/log-level:INFO", "/bpp:32", *words),
            ],
            self.log,
        )

    def wait(self, seconds: float = 45) -> int:
        """Wait for its end; return its exit status."""
        return self.process.wait(seconds)

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def shows(self, colour: bytes, *, seconds: float = 60) -> None:
        """Wait until desktop and terminal of the target are there, by their colours."""
        end = time.monotonic() + seconds
        while not self._sees(colour):
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"xfreerdp does not show the desktop: {self.said[-1500:]}")
            time.sleep(0.4)

    def _sees(self, colour: bytes) -> bool:
        screen, pixels = self.display.screenshot(), 1024 * 768
        return (
            screen.count(colour) > pixels // 3 and screen.count(b"\xff\xff\xff") > pixels // 8
        )

    def close(self) -> None:
        stop(self.process)


def work(
    viewer: Viewer, colour: bytes, command: str, done: Path, *, seconds: float = 8
) -> None:
    """Type a command on the target's terminal and wait until its file is there."""
    viewer.shows(colour)
    for _ in range(3):
        viewer.display.xdotool("mousemove", "300", "200", "click", "1")
        # Keys get lost while the terminal starts: each try begins a new line.
        viewer.display.press("ctrl+c")
        viewer.display.type(command)
        viewer.display.press("Return")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done.exists() and done.read_text().endswith("\n"):
                return
            time.sleep(0.05)
    pytest.fail(f"nothing was done: {viewer.said[-1500:]}")


@dataclass(frozen=True)
class RDPLogin:
    """A proxy credential for xfreerdp."""

    daemon: Daemon
    id: str
    username: str
    password: str

    def view(
        self,
        display: Display,
        *words: str,
        port: int | None = None,
        xfreerdp: Sequence[str] | None = None,
    ) -> Viewer:
        """Start a viewer; `port` is where it connects, by default proxyd's."""
        credential = (f"/u:{self.username}", f"/p:{self.password}")
        where = port or self.daemon.rdp_port
        return Viewer(display, where, *credential, *words, xfreerdp=xfreerdp)


def rdp_login(daemon: Daemon, secret: str, *, uses: int = 1000, ttl: str = "1h") -> RDPLogin:
    words = ("--user", "alice", "--uses", str(uses), "--ttl", ttl)
    issued = daemon.json("credential", "issue", secret, *words)
    daemon.issued.append(issued["password"])
    return RDPLogin(daemon, issued["id"], issued["username"], issued["password"])


@dataclass(frozen=True)
class Shadow:
    """A freerdp-shadow-cli that shows a display, to whoever passes NLA."""

    display: Display
    port: int
    username: str
    password: str
    process: subprocess.Popen[bytes]
    log: Path
    colour: bytes = bytes.fromhex("402020")
    """Of its desktop."""

    def connections(self) -> int:
        """How many TCP connections it has seen."""
        return self.log.read_text(errors="replace").count("Client connected")


def start_shadow() -> Shadow:
    display = Display()
    display.run("xsetroot", "-solid", "#402020")
    terminal = ("xterm", "-fa", "", "-fn", "fixed", "-geometry", "100x30+20+20")
    display.start([*terminal, "-e", "bash", "--norc"], display.folder / "xterm.log")
    username, password, port = "shadowuser", "Shadow-S3cret-2", free_port()
    sam, log = display.folder / "sam", display.folder / "shadow.log"
    sam.write_text(f"{username}:::{nt_hash(password).hex()}:::\n")
    process = display.start(
        [
            *usual("freerdp-shadow-cli", "freerdp-shadow-cli3"),
            *(f"/port:{port}", "/bind-address:127.0.0.1", "/sec:nla"),
            *(f"/sam-file:{sam}", "+auth"),
        ],
        log,
    )
    wait_until(lambda: process.poll() is not None or answers(port), "shadow does not listen")
    assert process.poll() is None, log.read_text()
    return Shadow(display, port, username, password, process, log)


@pytest.fixture(scope="session")
def shadow_server() -> Iterator[Shadow]:
    shadow = start_shadow()
    yield shadow
    shadow.display.remove()


@pytest.fixture(scope="module")
def desk() -> Iterator[Display]:
    """Where the user sits."""
    display = Display()
    yield display
    display.remove()
