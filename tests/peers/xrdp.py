"""Real xrdp: a target that speaks TLS and no NLA, with a desktop of one terminal."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers.certificates import Authority
from peers.needed import answers, free_port, program, wait_until
from peers.userland import Account, Userland

DESKTOP = """\
#!/bin/sh
xsetroot -solid '#204060'
while :; do
    xterm -fa '' -fn fixed -geometry 100x30+20+20 -T work -e bash --norc
done
"""
"""A bitmap font and no blinking cursor: pixels stay as they are. And no window manager: what
opens while openbox starts may never be shown."""

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

    def connections(self) -> int:
        """How many TCP connections it has seen."""
        return self.log.count("connection received from")

    def end(self) -> None:
        """End it with its sessions, and take away what their X servers leave behind."""
        self.process.kill()
        self.process.wait(10)
        for number in range(self.first_display, self.first_display + 8):
            for left in (f"/tmp/.X{number}-lock", f"/tmp/.X11-unix/X{number}"):  # noqa: S108
                Path(left).unlink(missing_ok=True)

    def write(self, name: str, text: str) -> Path:
        """A file in the home of its account."""
        path = self.account.home / name
        path.write_text(text)
        path.chmod(0o755)
        return path


def _with(text: str, section: str, **changes: str) -> str:
    """Return an ini file with other values in one section."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
        key = line.partition("=")[0].strip()
        lines.append(f"{key}={changes[key]}" if inside and key in changes else line)
    return "\n".join(lines) + "\n"


def start_xrdp() -> tuple[Userland, XRDP]:
    userland = Userland()
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
    # Displays are the host's: another xrdp may run beside this one.
    first = 100 + os.getpid() % 50 * 8
    text = _with(text, "Sessions", X11DisplayOffset=str(first), KillDisconnected="true")
    text = _with(text, "Logging", LogFile=f"{folder}/sesman.log", EnableSyslog="false")
    sesman.write_text(_with(text, "ChansrvLogging", EnableSyslog="false"))
    text = _with(xrdp.read_text(), "Globals", port=f"tcp://127.0.0.1:{port}", autorun="Xorg")
    xrdp.write_text(_with(text, "Logging", LogFile=f"{folder}/xrdp.log", EnableSyslog="false"))
    # Its own process namespace: sessions and X servers end with it, however it ends.
    inside = ["--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", START, "xrdp"]
    programs = [program("xrdp-sesman"), sesman, program("xrdp"), xrdp]
    process = userland.spawn([program("unshare"), *inside, *programs], folder / "out")
    server = XRDP(folder, port, authority, account, process, first)
    wait_until(lambda: process.poll() is not None or answers(port), "xrdp does not listen")
    assert process.poll() is None, (folder / "out").read_text()
    return userland, server


@pytest.fixture(scope="session")
def xrdp_server() -> Iterator[XRDP]:
    userland, server = start_xrdp()
    yield server
    server.end()
    userland.remove()
