"""A machine of our own for targets: users, passwords and PAM rules that this host lacks.

The programs of a `Userland` run in a private mount namespace in which a copy of `/etc` with
our changes covers the real one, so nothing on the host changes. (Single files would not do:
a mount over a file goes when the host replaces that file.) Needs root, nothing else: it works
in a bare chroot too.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers.needed import environment, program

HERE: Final = Path("/")
PAM: Final = """\
auth required pam_unix.so nodelay
account required pam_permit.so
session required pam_permit.so
password required pam_unix.so
"""

COVER: Final = """\
set -e
folder=$1 root=$2
shift 2
[ -z "$root" ] || mount --rbind "$root" "$root"
mount --bind "$folder/etc" "$root/etc"
if [ -d "$folder/run" ]; then mount --bind "$folder/run" "$root/run"; fi
[ -n "$root" ] || exec "$@"
for shared in tmp dev proc sys; do mount --rbind "/$shared" "$root/$shared"; done
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Account:
    """Somebody who may log on to the target."""

    name: str
    password: str
    home: Path


class Userland:
    """Accounts and a folder that all of them may enter."""

    def __init__(self, root: Path = HERE) -> None:
        """`root`: where its programs are, if not where ours are."""
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-target-"))
        self.folder.chmod(0o755)
        self._root = "" if root == HERE else str(root)
        self._etc = self.folder / "etc"
        shutil.copytree(root / "etc", self._etc, symlinks=True, ignore_dangling_symlinks=True)
        for name in ("sshd", "su", "sudo", "login", "xrdp-sesman"):
            (self._etc / "pam.d" / name).write_text(PAM)
        rules = self._etc / "sudoers"
        rules.write_text("Defaults !syslog, !lecture\nALL ALL=(ALL) ALL\n")
        rules.chmod(0o440)
        self._next_uid = 61_000

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

    def keep_login_records(self) -> None:
        """Give the programs a `/run` of their own, with the `utmp` that some insist on."""
        (self.folder / "run" / "sshd").mkdir(parents=True)
        records = self.folder / "run" / "utmp"
        records.touch(mode=0o664)
        records.chmod(0o664)
        shutil.chown(records, group="utmp")

    def _append(self, file: str, line: str) -> None:
        with (self._etc / file).open("a") as out:
            out.write(line + "\n")

    def spawn(self, argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
        """Start a program that sees the accounts; its output goes to `log`."""
        inside = [
            "/bin/sh",
            "-c",
            COVER,
            "userland",
            str(self.folder),
            self._root,
            *map(str, argv),
        ]
        with log.open("ab") as out:
            return subprocess.Popen(
                [program("unshare"), "--mount", "--propagation", propagation(), *inside],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(),
            )

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def propagation() -> str:
    """In a chroot that is no mount point there is nothing to make private."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    rooted = any(line.split()[4] == "/" for line in mounts)
    return "private" if rooted else "unchanged"


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that we started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
