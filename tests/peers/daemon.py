"""proxyd itself, seen from outside: its command line, its port, its process."""

import atexit
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pytest
from peers.here import ask_here
from peers.login import ASK, CLIENT_CONFIG, Login
from peers.needed import ROOT, answers, environment, files_under, free_port, program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output, run
from peers.recording import Json, Recording
from peers.warm import WarmProcess, run_warm

SETTINGS: Final = """\
state_dir = "{state}"
public_host = "127.0.0.1"
drain_timeout_s = 1
[ssh]
listen = ["127.0.0.1:{port}"]
[rdp]
listen = [{rdp_listen}]
[control]
listen = "{page_listen}"
[metrics]
listen = "127.0.0.1:{metrics_port}"
"""


def _is_plain(argv: Sequence[str]) -> bool:
    """Whether it is `proxyd`, and not within a namespace or the like."""
    return Path(argv[0]).name == "proxyd"


class Daemon:
    """`proxyd init` and `proxyd run` with a folder of their own."""

    def __init__(
        self,
        extra: str = "",
        *,
        state: Path | None = None,
        rdp: bool = False,
        page: bool = False,
        forked: bool = True,
        **env: str,
    ) -> None:
        """`forked`: as `peers.warm` starts it, else as a user does."""
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-daemon-"))
        self.state = state or self.folder / "state"
        self.port, self.page_port, self.metrics_port = free_port(), free_port(), free_port()
        self.rdp_port = free_port()
        self.rdp_listen = f'"127.0.0.1:{self.rdp_port}"' if rdp else ""
        # Reading a web framework takes as long as everything else at a start.
        self.page_listen = f"127.0.0.1:{self.page_port}" if page else ""
        self.config = self.folder / "proxyd.toml"
        self.config.write_text(SETTINGS.format(**vars(self)) + extra)
        self.log = self.folder / "proxyd.log"
        self.ask = self.folder / "ask"
        self.ask.write_text(ASK)
        self.ask.chmod(0o755)
        self._extra, self._env = extra, env
        self._forked = forked
        self._seen: set[str] = set()
        self.issued: list[str] = []
        """Passwords that were generated, and are to be found nowhere."""
        self._logins = 0
        self.process: subprocess.Popen[bytes] | WarmProcess | None = None

    @property
    def argv(self) -> list[str]:
        installed = Path(sys.executable).with_name("proxyd")
        start = [str(installed)] if installed.exists() else [sys.executable, "-m", "proxyd"]
        return [*start, "--config", str(self.config)]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def set_up(self) -> Self:
        has_own_settings = self._extra or any("SSH__" not in name for name in self._env)
        if has_own_settings or self.state.exists() or not _is_plain(self.argv):
            self._init()
        else:
            shutil.copytree(_state_made_once(), self.state)
        return self.start()

    def _init(self) -> None:
        self.state.mkdir(exist_ok=True)
        self.cli("init")
        self.cli("user", "add", "alice", "--password-stdin", typed="Correct-Horse-9-Battery\n")

    def start(self) -> Self:
        process = self.process = self.spawn("run")
        wait_until(
            lambda: process.poll() is not None or answers(self.port), "no gateway", seconds=60
        )
        if process.poll() is not None:
            pytest.fail(f"proxyd ended: {self.log.read_text()[-800:]}")
        return self

    def spawn(self, *args: str, **env: str) -> subprocess.Popen[bytes] | WarmProcess:
        """Start a process with these arguments, which writes into the log."""
        argv, env = [*self.argv, *args], self._env | env
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if self._forked and _is_plain(argv):
                return WarmProcess(argv[1:], (nothing, log, log), env)
            return subprocess.Popen(
                argv,
                cwd=ROOT,
                env=environment(**env),
                stdin=nothing,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> int:
        """End it as an operator would; return the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill9(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the command line

    def cli(
        self, *args: str, typed: str = "", check: bool = True, seconds: float = 60
    ) -> Output:
        """Run one command; fail the test where it fails, unless told otherwise."""
        words, env = [*self.argv, *args], self._env
        if _is_plain(words):
            done = run_warm(words[1:], typed=typed.encode(), env=env, seconds=seconds)
        else:
            done = run(words, typed=typed.encode(), env=env, cwd=ROOT, seconds=seconds)
        if check and done.status != 0:
            pytest.fail(f"proxyd {' '.join(args)}: exit {done.status}: {done.said[-800:]}")
        return done

    def json(self, *args: str, typed: str = "") -> Any:
        return json.loads(self.cli("--output", "json", *args, typed=typed).stdout)

    def add_secret(self, name: str, target: OpenSSHServer, *options: str) -> None:
        """A secret for `target`, by key unless `options` say otherwise; alice may use it."""
        self.add_target(
            name,
            *("--port", str(target.port), "--username", "target"),
            *("--key-file", str(target.user_key), "--host-key", target.host_key),
            *options,
        )

    def add_target(
        self, name: str, *options: str, typed: str = "", protocol: str = "ssh"
    ) -> None:
        self.cli(
            *("secret", "add", name, "--protocol", protocol, "--host", "127.0.0.1", *options),
            typed=typed,
        )
        self.cli("access", "grant", "alice", name)

    def login(
        self, secret: str, *, uses: int = 1000, ttl: str = "1h", source: str | None = None
    ) -> Login:
        """Issue a credential and write down what the clients need."""
        more = ("--source", source) if source else ()
        words = ("--user", "alice", "--uses", str(uses), "--ttl", ttl, *more)
        issued = self.json("credential", "issue", secret, *words)
        return self.dress(issued["id"], issued["username"], issued["password"])

    def dress(self, id_: str, username: str, password: str) -> Login:
        """A login made of parts, right or wrong."""
        self._logins += 1
        config = self.folder / f"ssh_config_{self._logins}"
        config.write_text(CLIENT_CONFIG.format(port=self.port, username=username))
        env = {
            "SSH_ASKPASS": str(self.ask),
            "SSH_ASKPASS_REQUIRE": "force",
            "SPOKEN_PASSWORD": password,
            "DISPLAY": "",
        }
        return Login(id_, username, password, self.port, config, env)

    def fingerprints(self) -> list[str]:
        """SHA-256 fingerprints of the gateway's host keys, for PuTTY's tools."""
        keyscan = run([program("ssh-keyscan"), "-p", str(self.port), "127.0.0.1"]).stdout
        prints = run([program("ssh-keygen"), "-lf", "-"], typed=keyscan).text
        return re.findall(r"SHA256:\S+", prints)

    # --- sessions

    def sessions(self) -> list[Json]:
        rows: list[Json] = self._ask("session", "list")
        return sorted(rows, key=lambda row: str(row["started_at"]))

    def forget_sessions(self) -> None:
        """Look only at what comes after."""
        self._seen = {str(row["id"]) for row in self.sessions()}

    def live(self, *, seconds: float = 30) -> Recording:
        """The newest live session."""
        return self._wait_for(lambda row: row["state"] == "live", seconds, mark=False)

    def recorded(self, *, seconds: float = 45, complete: bool = True) -> Recording:
        """The session that came last, once it is over and stored."""
        return self._wait_for(
            lambda row: row["state"] != "live" and (row["complete"] or not complete),
            seconds,
            mark=True,
        )

    def indexed(self) -> None:
        """Wait until all that is stored was looked through."""
        wait_until(lambda: not self._ask("status")["unindexed_chunks"], "no index", seconds=60)

    def _ask(self, *args: str) -> Any:
        runs = self.process is not None and self.process.poll() is None
        if runs and _is_plain(self.argv):
            return ask_here([*self.argv[1:], *args], self._env)
        return self.json(*args)

    def _wait_for(
        self, wanted: Callable[[Json], bool], seconds: float, *, mark: bool
    ) -> Recording:
        end = time.monotonic() + seconds
        while True:
            new = [row for row in self.sessions() if row["id"] not in self._seen]
            if new and wanted(new[-1]):
                self._seen.update(str(row["id"]) for row in new if mark)
                return Recording(self, new[-1])
            if time.monotonic() > end:
                pytest.fail(f"after {seconds} s no such session among {new[-3:]}")
            time.sleep(0.2)

    def bytes_of_state(self) -> Iterator[tuple[Path, bytes]]:
        """Every file under the state directory, and the log."""
        yield from files_under(self.state)
        yield self.log, self.log.read_bytes()

    def asked(self, path: str) -> tuple[int, str]:
        """What the metrics listener answers: status and body."""
        address = f"http://127.0.0.1:{self.metrics_port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def metric(self, name: str) -> float:
        """One value, by its name with its labels."""
        _, shown = self.asked("/metrics")
        [line] = [line for line in shown.splitlines() if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208


@functools.cache
def _state_made_once() -> Path:
    """What `proxyd init` leaves with no settings of a test's own: its keys take their time."""
    made = Daemon()
    atexit.register(made.remove)
    made._init()
    return made.state


MakeDaemon = Callable[..., Daemon]


@pytest.fixture(scope="module")
def make_daemon() -> Iterator[MakeDaemon]:
    """Starts daemons and ends them with the module."""
    made: list[Daemon] = []

    def make(extra: str = "", **given: Any) -> Daemon:
        made.append(Daemon(extra, **given))
        return made[-1].set_up()

    yield make
    for daemon in made:
        daemon.remove()


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """One daemon as installed, but for penalties: every test comes from one address."""
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    return made


@pytest.fixture(scope="module")
def login(daemon: Daemon) -> Login:
    return daemon.login("web")
