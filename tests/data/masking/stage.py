"""Where scenes play: a real terminal, a user, his folder and a loopback sshd."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

USER = "masker"
PASSWORD = "vQ7rm_Xw2kz"
"""Of the user, who exists while this runs only."""
KEY_S = 0.05
QUIET_S = 0.25


class Terminal:
    """A program on a terminal, and a record of what went in and came out."""

    def __init__(self, argv: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.events: list[list[object]] = []
        self.lines: list[str] = []
        self.secrets: list[str] = []
        self._began_s = time.monotonic()
        self._shown = b""
        self._child, self._terminal = pty.fork()
        if not self._child:
            # As a login would: pinentry opens the terminal again, as the user.
            shutil.chown(os.ttyname(0), USER)
            os.chdir(folder)
            os.execvpe(argv[0], argv, environment)  # noqa: S606
        size = struct.pack("HHHH", 24, 80, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def expect(self, pattern: str, within_s: float = 8) -> None:
        """Read until `pattern` is shown and the program is quiet."""
        until_s = time.monotonic() + within_s
        while not re.search(pattern.encode(), self._shown):
            if time.monotonic() > until_s or not self._read(0.1):
                sys.exit(f"no {pattern!r} in {self._shown[-400:]!r}")
        self.rest()

    def rest(self, quiet_s: float = QUIET_S, at_most_s: float = 3) -> None:
        """Read until nothing comes any more."""
        until_s = time.monotonic() + at_most_s
        while time.monotonic() < until_s and self._ready(quiet_s):
            if not self._read(0):
                return

    def keys(self, text: str, key_s: float = KEY_S) -> None:
        """Type keys without a label."""
        for key in re.findall(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O.|.)|.", text, re.DOTALL):
            self.burst(key)
            until_s = time.monotonic() + key_s
            while (left_s := until_s - time.monotonic()) > 0:
                if self._ready(left_s):
                    self._read(0)

    def burst(self, text: str) -> None:
        """Send all of `text` at once."""
        raw = text.encode()
        self._note("i", raw)
        self._shown = b""
        while raw:
            raw = raw[os.write(self._terminal, raw[:1024]) :]
            while self._ready(0):
                self._read(0)

    def line(self, text: str, expect: str | None = None) -> None:
        """Type an ordinary line, which a recording must hold."""
        self.lines.append(text)
        self.keys(text)
        self.burst("\r")
        self.expect(expect) if expect else self.rest()

    def secret(self, text: str, expect: str | None = None) -> None:
        """Type a line that no recording may hold."""
        self.secrets.append(text)
        self.keys(text)
        self.burst("\r")
        self.expect(expect) if expect else self.rest()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGHUP)
        time.sleep(0.3)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._terminal)

    def _ready(self, within_s: float) -> bool:
        return bool(select.select([self._terminal], [], [], within_s)[0])

    def _read(self, within_s: float) -> bool:
        if within_s and not self._ready(within_s):
            return True
        try:
            data = os.read(self._terminal, 32768)
        except OSError:
            return False
        self._note("o", data)
        self._shown += data
        return bool(data)

    def _note(self, way: str, data: bytes) -> None:
        at_ms = int((time.monotonic() - self._began_s) * 1000)
        self.events.append([at_ms, way, data.decode("latin-1")])


class Stage:
    """Where scenes play: a folder, a user, a loopback sshd."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PS1": "user@db1:~$ ",
            "GNUPGHOME": str(folder / "gnupg"),
            "USER": USER,
        }
        self.played: list[Terminal] = []

    def open(self, *argv: str, **environment: str) -> Terminal:
        """Start a program as the user."""
        uid = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "--"]
        terminal = Terminal([*uid, *argv], self.folder, {**self.environment, **environment})
        self.played.append(terminal)
        return terminal

    def bash(self, **environment: str) -> Terminal:
        terminal = self.open("bash", "--norc", "--noprofile", **environment)
        terminal.expect(r"\$ ")
        return terminal


FAKE_MYSQL = """\
#!/usr/bin/python3
import getpass
getpass.getpass("Enter password: ")
while input("mysql> ") != "quit":
    print("Empty set (0.00 sec)")
"""

SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def set_up() -> Iterator[Stage]:
    """Make the user, a folder of his and a loopback sshd, and take all of it away again."""
    folder, port = Path(tempfile.mkdtemp(prefix="masking-")), free_port()
    etc = folder / "etc"
    (folder / "bin").mkdir()
    (folder / "gnupg").mkdir(mode=0o700)
    etc.mkdir()
    (folder / "notes.txt").write_text("one\ntwo\nthree\n")
    (folder / "bin/mysql").write_text(FAKE_MYSQL)
    (folder / "bin/mysql").chmod(0o755)
    subprocess.run(["useradd", "-d", folder, "-s", "/bin/bash", USER], check=True)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}\n".encode(), check=True)
    subprocess.run(["chown", "-R", f"{USER}:", folder], check=True)
    sudoers = Path("/etc/sudoers.d/masker")
    sudoers.write_text(f"{USER} ALL=(ALL) ALL\n")
    subprocess.run(
        ["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", etc / "host_key"], check=True
    )
    (etc / "sshd_config").write_text(SSHD_CONFIG.format(port=port, folder=etc))
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", etc / "sshd_config"])
    place = Stage(folder, port)
    try:
        yield place
    finally:
        for terminal in place.played:
            terminal.close()
        sshd.terminate()
        sshd.wait(10)
        sudoers.unlink()
        # An agent of his may still run.
        left = subprocess.run(["pgrep", "-u", USER], capture_output=True, check=False)
        for process in left.stdout.split():
            os.kill(int(process), signal.SIGKILL)
        time.sleep(0.5)
        subprocess.run(["userdel", "-f", USER], check=False)
        shutil.rmtree(folder, ignore_errors=True)
