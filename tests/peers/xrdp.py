"""Real xrdp: a target that speaks TLS and no NLA, with a desktop of one terminal."""

import atexit
import re
import socket
import subprocess
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from peers.certificates import Authority
from peers.needed import answers, free_port, program, wait_until
from peers.newer import TREE
from peers.userland import Account, Userland

DESKTOP = """\
#!/bin/sh
while xsetroot -solid '#204060'; do
    xterm -fa '' -fn fixed -geometry 100x30+20+20 -T work -e bash --norc
done
"""
"""A bitmap font and no blinking cursor: pixels stay as they are. And no window manager: what
opens while openbox starts may never be shown. It ends with its X server: sesman would offer
the session to the next user for as long as this runs."""

_DISPLAYS = 8
"""How many sessions one xrdp may have at a time."""
_claims = ExitStack()
atexit.register(_claims.close)
_running: "list[XRDP]" = []

START = """\
"$1" --nodaemon -c "$2" &
exec "$3" --nodaemon -c "$4"
"""


@dataclass(frozen=True)
class XRDP:
    """An xrdp, its session manager and the accounts."""

    folder: Path
    port: int
    authority: Authority
    """Has signed its certificate."""
    account: Account
    process: subprocess.Popen[bytes]
    first_display: int

    @property
    def log(self) -> str:
        return (self.folder / "xrdp.log").read_text(errors="replace")

    @property
    def logs(self) -> str:
        """What its parts said last: for the message of a test that saw no desktop."""
        home = self.account.home
        wanted = [self.folder / name for name in ("xrdp.log", "sesman.log", "out")]
        wanted += [*home.glob(".xorgxrdp.*.log"), home / ".xsession-errors"]
        tails = [(path, _tail(path)) for path in wanted if path.exists()]
        return "".join(f"\n--- {path.name}\n{tail}" for path, tail in tails)

    def connections(self) -> int:
        """How many TCP connections it has seen."""
        return len(re.findall("connection (?:received|accepted) from", self.log))

    def end(self) -> None:
        """End it with its sessions, and take away what their X servers leave behind."""
        self.process.kill()
        self.process.wait(10)
        for number in range(self.first_display, self.first_display + _DISPLAYS):
            for left in _files(number):
                left.unlink(missing_ok=True)

    def write(self, name: str, text: str) -> Path:
        """A file in the home of its account."""
        path = self.account.home / name
        path.write_text(text)
        path.chmod(0o755)
        return path


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-1500:]


def _with(text: str, section: str, **changes: str) -> str:
    """Return an ini file with other values in one section."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
        # What is commented out says the default.
        key = line.partition("=")[0].strip().removeprefix("#")
        lines.append(f"{key}={changes[key]}" if inside and key in changes else line)
    return "\n".join(lines) + "\n"


def _free_displays() -> int:
    """The first of `_DISPLAYS` numbers that no X server has and no other run is given.

    Files under /tmp are a file system's, abstract sockets and ports a network namespace's:
    what runs in a chroot beside us shows in the latter alone.
    """
    for first in range(100, 900, _DISPLAYS):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0proxyd-displays-{first}")
            for number in range(first, first + _DISPLAYS):
                _check_free(number)
        except OSError:
            claim.close()
            continue
        _claims.enter_context(claim)
        return first
    pytest.fail("no display is free from :100 to :900")


def _check_free(number: int) -> None:
    """Raise `OSError` where something has this display or one of its ports."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(f"\0/tmp/.X11-unix/X{number}")
    # sesman looks for servers at these, too.
    for port in (5900 + number, 6000 + number, 6200 + number):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    for left in _files(number):
        if left.exists():
            raise FileExistsError(left)


def _files(number: int) -> list[Path]:
    """What an X server leaves behind that was killed."""
    return [Path(f"/tmp/.X{number}-lock"), Path(f"/tmp/.X11-unix/X{number}")]  # noqa: S108


def start_xrdp(*, mounts_drives: bool = False) -> tuple[Userland, XRDP]:
    userland = Userland(TREE)
    account = userland.add("desk", "Desk-S3cret-Target-1")
    folder, port = userland.folder, free_port()
    startwm = account.home / "startwm.sh"
    startwm.write_text(DESKTOP)
    startwm.chmod(0o755)
    sockets = folder / "run" / "xrdp" / "sockdir"
    sockets.mkdir(parents=True)
    sockets.chmod(0o3777)
    etc = folder / "etc" / "xrdp"
    authority = Authority(folder)
    signed = authority.sign("xrdp")
    for name, file in (("cert.pem", signed.certificate), ("key.pem", signed.key)):
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_bytes(file.read_bytes())
    sesman, xrdp = etc / "sesman.ini", etc / "xrdp.ini"
    text = _with(sesman.read_text(), "Globals", ListenPort=str(free_port()))
    first = _free_displays()
    numbers = {"X11DisplayOffset": str(first), "MaxDisplayNumber": str(first + _DISPLAYS)}
    text = _with(text, "Sessions", KillDisconnected="true", **numbers)
    mount = "thinclient_drives" if mounts_drives else "unused\nEnableFuseMount=false"
    text = _with(text, "Chansrv", FuseMountName=mount)
    text = _with(text, "Logging", LogFile=f"{folder}/sesman.log", EnableSyslog="false")
    sesman.write_text(_with(text, "ChansrvLogging", EnableSyslog="false"))
    text = _with(xrdp.read_text(), "Globals", port=f"tcp://127.0.0.1:{port}", autorun="Xorg")
    xrdp.write_text(_with(text, "Logging", LogFile=f"{folder}/xrdp.log", EnableSyslog="false"))
    # Its own process namespace: sessions and X servers end with it, however it ends.
    inside: list[str | Path] = [
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/bin/sh",
        "-c",
        START,
        "xrdp",
    ]
    programs: list[str | Path] = [program("xrdp-sesman"), sesman, program("xrdp"), xrdp]
    process = userland.spawn([program("unshare"), *inside, *programs], folder / "out")
    server = XRDP(folder, port, authority, account, process, first)
    wait_until(lambda: process.poll() is not None or answers(port), "xrdp does not listen")
    assert process.poll() is None, (folder / "out").read_text()
    return userland, server


@contextmanager
def running_xrdp(*, mounts_drives: bool = False) -> Iterator[XRDP]:
    userland, server = start_xrdp(mounts_drives=mounts_drives)
    _running.append(server)
    yield server
    _running.remove(server)
    server.end()
    userland.remove()


@pytest.fixture(scope="session")
def xrdp_server() -> Iterator[XRDP]:
    with running_xrdp() as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Show what xrdp and its X servers said beside a failure of whoever used them."""
    report = yield
    if report.failed and "xrdp_server" in getattr(item, "fixturenames", ()):
        report.sections.extend(("xrdp", server.logs) for server in _running)
    return report
