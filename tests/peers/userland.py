"""A machine of our own for targets: users, passwords and PAM rules that this host lacks.

The programs of a `Userland` run in a private mount namespace in which a few files of `/etc`
are covered by ours, so nothing on the host changes. Needs root, nothing else: it works in a
bare chroot too.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers.needed import environment, program

PAM: Final = """\
auth sufficient pam_rootok.so
auth required pam_unix.so nodelay
account required pam_permit.so
session required pam_permit.so
password required pam_unix.so
"""

COVER: Final = """\
set -e
cd "$1"; shift
for file in *; do case $file in pam) ;; *) mount --bind "$file" "/etc/$file";; esac; done
for file in pam/*; do
  if [ -e "/etc/pam.d/${file##*/}" ]; then mount --bind "$file" "/etc/pam.d/${file##*/}"; fi
done
exec "$@"
"""


@dataclass(frozen=True)
class Account:
    """Somebody who may log on to the target."""

    name: str
    password: str
    home: Path


class Userland:
    """Accounts and a folder that all of them may enter."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-target-"))
        self.folder.chmod(0o755)
        self._etc = self.folder / "etc"
        (self._etc / "pam").mkdir(parents=True)
        for name in ("passwd", "shadow", "group"):
            shutil.copy(f"/etc/{name}", self._etc / name)
        for name in ("sshd", "su", "sudo", "login"):
            (self._etc / "pam" / name).write_text(PAM)
        self._sudoers()
        self._next_uid = 61_000

    def _sudoers(self) -> None:
        if Path("/etc/sudoers").exists():
            rules = self._etc / "sudoers"
            rules.write_text("Defaults !syslog, !lecture\nALL ALL=(ALL) ALL\n")
            rules.chmod(0o440)

    def add(self, name: str, password: str, shell: str = "/bin/bash") -> Account:
        """Make an account; only before the first program of this userland starts."""
        home = self.folder / "home" / name
        home.mkdir(parents=True)
        uid, self._next_uid = self._next_uid, self._next_uid + 1
        hashed = subprocess.run(
            [program("openssl"), "passwd", "-6", "-stdin"],
            input=password,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        self._append("passwd", f"{name}:x:{uid}:{uid}::{home}:{shell}")
        self._append("shadow", f"{name}:{hashed}:19000:0:99999:7:::")
        self._append("group", f"{name}:x:{uid}:")
        shutil.chown(home, uid, uid)
        return Account(name, password, home)

    def _append(self, file: str, line: str) -> None:
        with (self._etc / file).open("a") as out:
            out.write(line + "\n")

    def spawn(self, argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
        """Start a program that sees the accounts; its output goes to `log`."""
        inside = ["/bin/sh", "-c", COVER, "userland", str(self._etc), *map(str, argv)]
        with log.open("ab") as out:
            return subprocess.Popen(
                [program("unshare"), "--mount", "--propagation", self._propagation(), *inside],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(),
            )

    @staticmethod
    def _propagation() -> str:
        """In a chroot that is no mount point there is nothing to make private."""
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        rooted = any(line.split()[4] == "/" for line in mounts)
        return "private" if rooted else "unchanged"

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that we started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
