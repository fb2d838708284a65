"""proxyd as it is at several sites: each role a process of its own, joined by a real broker."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Final, Self

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import ROOT, environment, free_port, wait_until
from peers.openssh import OpenSSHServer
from peers.postgresql import PostgreSQLServer
from peers.rabbitmq import PASSWORD, RabbitMQ, VirtualHost, new_vhost

BUS: Final = """
[bus]
url = "{url}"
password_file = "{password_file}"
answer_timeout_s = 5
"""
DATABASE: Final = """
[database]
url = "{url}"
"""
QUICK: Final = """
[recorder]
chunk_interval_s = 1
"""
READY_S: Final = 60
LATEST_S: Final = 11.5
"""Ten seconds without storage end a session: by then at the latest, a busy machine's half
second included."""


class Node(Daemon):
    """One role in a process of its own. It is there once it says so, as systemd would hear."""

    def __init__(self, role: str, vhost: VirtualHost, extra: str = "", **env: str) -> None:
        super().__init__(state=None, rdp=False, page=False, forked=True, **env)
        self.role = role
        password_file = self.folder / "bus-password"
        password_file.touch(0o600)
        password_file.write_text(f"{PASSWORD}\n")
        bus = BUS.format(url=vhost.url, password_file=password_file)
        self.config.write_text(self.config.read_text() + bus + extra)
        self.said: list[str] = []

    def start(self) -> Self:
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notified:
            notified.bind(str(path))
            notified.settimeout(0.2)
            self.process = self.spawn("run", self.role, NOTIFY_SOCKET=str(path))
            wait_until(
                lambda: self._hears(notified), f"{self.role} is not ready", seconds=READY_S
            )
        return self

    def status_line(self) -> str:
        """What `systemctl status` would show, or what it last said at its start."""
        return str(re.findall(r"STATUS=(.*)", self.said[-1])[0])

    def _hears(self, notified: socket.socket) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"{self.role} ended: {self.log.read_text()[-1500:]}")
        try:
            self.said.append(notified.recv(4096).decode())
        except TimeoutError:
            return False
        return "READY=1" in self.said[-1]


class Site:
    """A control node and an engine in front; with PostgreSQL, workers beside it."""

    def __init__(
        self, vhost: VirtualHost, target: OpenSSHServer, engine: str = "", database: str = ""
    ) -> None:
        self.vhost, self.database = vhost, database
        tables = DATABASE.format(url=database) if database else ""
        self.workers = [Node("worker", vhost, tables) for _ in range(2 if database else 0)]
        self._target = target
        rdp_port = free_port()
        desktops = {"PROXYD_RDP__LISTEN": f"127.0.0.1:{rdp_port}"}
        self.engine = Node(
            "engine", vhost, engine, PROXYD_SSH__SOURCE_PENALTIES="false", **desktops
        )
        listen = f"127.0.0.1:{self.engine.port}"
        self.control = Node("control", vhost, tables, PROXYD_SSH__LISTEN=listen, **desktops)
        self.control.port, self.control.rdp_port = self.engine.port, rdp_port

    def start(self) -> Self:
        for node in (self.control, self.engine):
            node.state.mkdir(exist_ok=True)
        self.control.cli("init")
        self.control.cli(
            "user", "add", "alice", "--password-stdin", typed="Correct-Horse-9-Battery\n"
        )
        for worker in self.workers:
            worker.state.mkdir(exist_ok=True)
            shutil.copy(self.control.state / "master.key", worker.state)
        self.engine.cli("init", "--engine")
        self.control.start()
        self.enrol()
        for node in (*self.workers, self.engine):
            node.start()
        self.control.add_secret("web", self._target)
        self.control.add_secret("spooled", self._target, "--on-loss", "spool")
        return self

    def enrol(self, engine: Node | None = None) -> str:
        """What operators do on both machines; return the engine's id."""
        engine = engine or self.engine
        words = ("--output", "json", "engine", "enrol", "--site", "default")
        with subprocess.Popen(
            [*engine.argv, *words],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as enrolling:
            assert enrolling.stdout is not None
            assert enrolling.stderr is not None
            shown = json.loads(enrolling.stdout.readline())
            while "waiting for approval" not in enrolling.stderr.readline():
                assert enrolling.poll() is None, "the engine gave up"
            self.control.cli("engine", "approve", shown["id"], typed=f"{shown['code']}\n")
            assert enrolling.wait(45) == 0
        return str(shown["id"])

    def remove(self) -> None:
        for node in (self.engine, *self.workers, self.control):
            node.remove()


@pytest.fixture(scope="module")
def site(rabbitmq: RabbitMQ, openssh_server: OpenSSHServer) -> Iterator[Site]:
    """One for the whole module: what a test breaks it mends."""
    made = Site(new_vhost(rabbitmq), openssh_server, QUICK)
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(scope="module")
def roles(
    rabbitmq: RabbitMQ, mortal_postgresql: PostgreSQLServer, openssh_server: OpenSSHServer
) -> Iterator[Site]:
    """As `site`, with two workers beside it on PostgreSQL."""
    url = mortal_postgresql.empty_database()
    made = Site(new_vhost(rabbitmq), openssh_server, QUICK, url)
    try:
        yield made.start()
    finally:
        made.remove()


class Typist:
    """Somebody in a session that answers each line with `got LINE`."""

    def __init__(self, login: Login, *options: str) -> None:
        self.process = subprocess.Popen(
            [*login.ssh(*options), "while read line; do echo got $line; done"],
            env=environment(**login.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.lines = 0
        self.seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def type(self, *, seconds: float = 30) -> None:
        """Type a line and wait for its answer."""
        assert self.process.stdin is not None
        self.lines += 1
        self.process.stdin.write(b"line %d\n" % self.lines)
        self.process.stdin.flush()
        answer = b"got line %d\n" % self.lines
        wait_until(lambda: answer in self.read(), f"no {answer!r}", seconds=seconds)

    def read(self) -> bytes:
        """Everything that was shown so far."""
        assert self.process.stdout is not None
        self.seen += self.process.stdout.read() or b""
        return self.seen

    @property
    def expected(self) -> bytes:
        """What the recording must hold of the target's output."""
        return b"".join(b"got line %d\n" % number for number in range(1, self.lines + 1))

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(45)

    def wait_until_thrown_out(self, seconds: float = 30) -> None:
        wait_until(lambda: self.process.poll() is not None, "still in session", seconds=seconds)
        self.read()
