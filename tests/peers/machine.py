"""A Debian machine that systemd really boots: this one, under a layer in memory.

What is installed, written or removed in it goes to the layer and is gone with it. It shares
the network with the tests, so that what listens in there is reached from here. Needs root.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest
from peers.needed import ROOT, environment, program, wait_until
from peers.output import Output, run

PRIVATELY: Final = """\
set -e
mount --make-rprivate /
exec chroot . "$@"
"""
"""Entering a mount namespace leads to its root; where we are in a chroot, this leads back."""

LAYER: Final = """\
set -e
layer=$1
shift
mount -t tmpfs -o size=1g,mode=755 tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/merged"
folders="lowerdir=/,upperdir=$layer/upper,workdir=$layer/work"
mount -t overlay overlay -o "$folders" "$layer/merged"
: > "$layer/merged/etc/machine-id"
for shared in dev proc sys; do mount --rbind "/$shared" "$layer/merged/$shared"; done
exec nsenter --mount=/proc/self/ns/mnt --wd="$layer/merged" /bin/sh -c '
    mount --move . /
    exec chroot . /bin/sh -c "$@"
' layer 'mount --bind / /mnt; exec systemd-nspawn --directory=/mnt "$@"' systemd-nspawn "$@"
"""
"""The layer becomes the root of its mount namespace, because what is in a chroot may not make
a user namespace, as our units do. All of it goes with the last process in there."""

FIRST_TARGET: Final = "systemd.unit=basic.target"
"""Services that are enabled on this machine are not to run a second time."""


class Machine:
    """One boot."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-machine-"))
        self.log = self.folder / "console.log"
        self._name = f"proxyd-{secrets.token_hex(4)}"
        self._root = self.folder / "layer"
        self._root.mkdir()
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def boot(self) -> Self:
        program("systemd-nspawn")
        options = [
            *("--quiet", "--boot", "--machine", self._name),
            *("--register=no", "--keep-unit", "--console=pipe", "--kill-signal=SIGRTMIN+4"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", FIRST_TARGET),
        ]
        layered = ["/bin/sh", "-c", LAYER, "layer", str(self._root), *options]
        at_its_root = ["nsenter", "--mount=/proc/self/ns/mnt", "--wd=/", "/bin/sh", "-c"]
        with self.log.open("wb") as console:
            self._nspawn = subprocess.Popen(
                [
                    *(program("unshare"), "--mount", "--propagation", "unchanged"),
                    *(*at_its_root, PRIVATELY, "privately", *layered),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment(),
            )
        wait_until(self._is_up, f"no systemd: {self.log.read_text()[-500:]}", seconds=60)
        return self

    def _is_up(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            pytest.fail(f"systemd-nspawn ended: {self.log.read_text()[-800:]}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                self._pid = int(pid)
                return self.run("systemctl", "is-system-running").text in (
                    "running",
                    "degraded",
                )
        return False

    @property
    def entering(self) -> list[str]:
        """What runs a program inside, in front of its words."""
        namespaces = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd")
        return [program("nsenter"), "--target", str(self._pid), *namespaces]

    def run(
        self, *argv: str, typed: str = "", check: bool = False, seconds: float = 60
    ) -> Output:
        """Run a program inside; with `check`, fail the test where it fails."""
        done = run([*self.entering, *argv], typed=typed.encode(), seconds=seconds)
        if check and done.status != 0:
            pytest.fail(f"{' '.join(argv)}: exit {done.status}: {done.said[-2000:]}")
        return done

    def do(self, *argv: str, typed: str = "", seconds: float = 60) -> str:
        """Run a program that must succeed; return what it printed."""
        return self.run(*argv, typed=typed, check=True, seconds=seconds).text

    def path(self, inside: str) -> Path:
        """Return where a file of the machine is seen from here."""
        return Path(f"/proc/{self._pid}/root") / inside.lstrip("/")

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).text

    def off(self) -> None:
        """Switch it off, without a word."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        if self._nspawn is not None:
            try:
                self._nspawn.wait(10)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    booted = Machine()
    try:
        yield booted.boot()
    finally:
        booted.off()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, built from this checkout; once for all processes of a run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "dist"
    with (shared / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for package in folder.glob("*.deb"):
            return package
        began = time.monotonic()
        built = run([ROOT / "script" / "deb", folder], cwd=ROOT, seconds=300)
        if built.status != 0:
            took_s = time.monotonic() - began
            pytest.fail(f"script/deb after {took_s:.0f} s: {built.said[-2000:]}")
        return Path(built.text)
