"""The ways to a target that are compared, all on one loopback.

`direct` is OpenSSH with its defaults; `jump` is `ssh -J` through an sshd that records
nothing; `bastion` is what people record with today: log on to a host whose login shell is
tlog's recorder, and `ssh` from there; `proxyd` is ours, recorder on.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from peers.daemon import Daemon
from peers.login import Login
from peers.needed import environment
from peers.openssh import OpenSSHServer, add_bastion, start_openssh, target_userland
from peers.userland import stop

from bench import ROOT
from bench.cpu import Meter

SETTLE_S = 0.1
"""Until the children of an sshd have been waited for."""

CONFIG = """\
Host *
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  IdentitiesOnly yes
  IdentityFile {key}
Host direct
  HostName 127.0.0.1
  Port {target}
  User target
Host hop
  HostName 127.0.0.1
  Port {hop}
  User target
Host bastion
  HostName 127.0.0.1
  Port {hop}
  User bastion
Host jump
  HostName 127.0.0.1
  Port {target}
  User target
  ProxyJump hop
"""


@dataclass(frozen=True)
class Cost:
    """What one run took, in seconds."""

    wall_s: float
    between_s: float
    """CPU of what stands between client and target; 0 where nothing does."""
    relay_s: float
    """Of that, what the first thread used: proxyd stores and indexes in others."""
    target_s: float
    """CPU of the target's sshd and of what it ran."""


@dataclass(frozen=True)
class Way:
    """One way to the target."""

    name: str
    config: Path
    host: str
    env: Mapping[str, str]
    between: Meter | None

    def argv(self, command: str, *, terminal: bool = False) -> list[str]:
        """OpenSSH's client with a command."""
        tty = ["-tt"] if terminal else []
        if self.name == "bastion":
            command = " ".join(["ssh", *tty, "onward", f"'{command}'"])
        return ["ssh", "-F", str(self.config), *tty, self.host, command]


class Rig:
    """Target, bastion and proxyd; `with Rig() as rig`."""

    def __enter__(self) -> Self:
        self.userland, accounts = target_userland()
        self.hop_userland, hop_accounts = target_userland()
        bastion = add_bastion(self.hop_userland)
        self.target = start_openssh(self.userland, accounts)
        self.hop = start_openssh(self.hop_userland, {**hop_accounts, "bastion": bastion})
        shutil.copy(self.target.user_key, self.hop.folder / "user_key")
        public = self.target.user_key.with_name("user_key.pub")
        shutil.copy(public, self.hop.folder / "user_key.pub")
        self._let_bastion_onward(bastion.home)
        self.daemon = Daemon(PROXYD_SSH__SOURCE_PENALTIES="false").set_up()
        self.daemon.add_secret("web", self.target)
        self.login = self.daemon.login("web", uses=100_000)
        self.target_cpu = Meter(self.target.process.pid)
        self.hop_cpu = Meter(self.hop.process.pid)
        self.engine_cpu = Meter(self.daemon.pid)
        self.ways = {way.name: way for way in self._ways()}
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.remove()
        for server, userland in ((self.target, self.userland), (self.hop, self.hop_userland)):
            stop(server.process)
            userland.remove()
        for meter in (self.target_cpu, self.hop_cpu, self.engine_cpu):
            meter.close()

    def _let_bastion_onward(self, home: Path) -> None:
        owner = home.stat().st_uid
        folder = home / ".ssh"
        folder.mkdir(mode=0o700)
        shutil.copy(self.target.user_key, folder / "id")
        text = CONFIG.format(key=folder / "id", target=self.target.port, hop=self.hop.port)
        (folder / "config").write_text(text.replace("Host direct", "Host onward"))
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, owner, owner)

    def _ways(self) -> Iterator[Way]:
        config = self.target.folder / "bench_config"
        key = self.target.user_key
        config.write_text(CONFIG.format(key=key, target=self.target.port, hop=self.hop.port))
        yield Way("direct", config, "direct", {}, None)
        yield Way("jump", config, "jump", {}, self.hop_cpu)
        yield Way("bastion", config, "bastion", {}, self.hop_cpu)
        yield Way("proxyd", self.login.config, "proxy", self.login.env, self.engine_cpu)

    def run(self, way: Way, argv: Sequence[str], *, source: Path | None = None) -> Cost:
        """Run a client to its end; its output is thrown away."""
        before_s = self._spent_s(way)
        started = time.monotonic()
        with _standard_input(source) as stdin:
            done = subprocess.run(
                argv,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment(**way.env),
                timeout=180,
                check=False,
            )
        wall_s = time.monotonic() - started
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")[-300:]
            raise SystemExit(f"bench: by {way.name}: {argv[-1]}: {done.returncode}: {said}")
        time.sleep(SETTLE_S)
        spent_s = [
            now - before for now, before in zip(self._spent_s(way), before_s, strict=True)
        ]
        return Cost(wall_s, *spent_s)

    def _spent_s(self, way: Way) -> tuple[float, float, float]:
        target_s = self.target_cpu.read_s()
        if way.between is None:
            return 0, 0, target_s
        return way.between.read_s(), way.between.engine_s(), target_s

    @contextmanager
    def file(self, size_bytes: int) -> Iterator[Path]:
        """Make a file of zeros that the target can read too."""
        path = self.target.folder / "zeros"
        with path.open("wb") as file:
            file.truncate(size_bytes)
        path.chmod(0o644)
        yield path
        path.unlink()


@contextmanager
def _standard_input(source: Path | None) -> Iterator[int]:
    """Open `source`; without one a pipe that says nothing, since some leave at its end."""
    if source is not None:
        with source.open("rb") as file:
            yield file.fileno()
        return
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


__all__ = ["ROOT", "Cost", "Daemon", "Login", "OpenSSHServer", "Rig", "Way"]
