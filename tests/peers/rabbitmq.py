"""A real RabbitMQ: a private node on free ports, in a folder of its own, for this run of tests.

It shares nothing with a system's broker: own name, own port mapper, own cookie. Each test
has a virtual host to itself, so that none sees another's queues.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import pika
import pytest
from peers.certificates import Authority
from peers.needed import answers, free_port, program, wait_until

HOME: Final = Path("/usr/lib/rabbitmq/bin")
USER, PASSWORD = "guest", "guest"
CONFIG: Final = """\
listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {folder}/authority.pem
ssl_options.certfile = {folder}/broker.crt
ssl_options.keyfile = {folder}/broker.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
disk_free_limit.absolute = 50MB
log.file.level = warning
max_message_size = 16777216
"""
START_S: Final = 60
ALL: Final = ", ".join(['<<".*">>'] * 3)
"""Configure, write and read everything."""
ALLOW: Final = (
    f'rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, Name, {ALL}, <<"test">>)'
)
SPARE: Final = 16
"""How many virtual hosts are made at once."""


class RabbitMQ:
    """One node. `start` it, `stop` it, kill it, freeze it: what it holds on disk stays."""

    def __init__(self) -> None:
        if not (HOME / "rabbitmq-server").exists():
            program("rabbitmq-server")
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-rabbitmq-"))
        self.port, self.tls_port = free_port(), free_port()
        self._dist_port, self._epmd_port = free_port(), free_port()
        self.authority = Authority(self.folder)
        self.authority.sign("broker")
        self._node = f"proxyd{secrets.token_hex(4)}@localhost"
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "env.conf").touch()
        (self.folder / "rabbitmq.conf").write_text(
            CONFIG.format(port=self.port, tls_port=self.tls_port, folder=self.folder)
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.spare: list[str] = []
        """Virtual hosts that nobody has used yet."""
        # Our own child: the one that Erlang starts by itself outlives everything.
        self._port_mapper = subprocess.Popen(
            [program("epmd"), "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> Self:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [HOME / "rabbitmq-server"],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        wait_until(lambda: answers(self.port), self._said(), seconds=START_S, every=0.2)

    def ctl(self, *words: str) -> str:
        done = subprocess.run(
            [HOME / "rabbitmqctl", "-q", "-n", self._node, *words],
            env=self._env(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"rabbitmqctl {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def kill9(self) -> None:
        assert self.process is not None
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)
        # The script that started the virtual machine is gone; so must be what it started.
        wait_until(lambda: not answers(self.port), "RabbitMQ survived SIGKILL")

    def stop(self) -> None:
        """Stop it as an operator would, for maintenance."""
        assert self.process is not None
        os.killpg(self.pid, signal.SIGTERM)
        self.process.wait(60)

    def freeze(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.kill9()
        self._port_mapper.terminate()
        self._port_mapper.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _env(self) -> dict[str, str]:
        folder = str(self.folder)
        loopback = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2"
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": folder,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/env.conf",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
        }

    def _said(self) -> str:
        log = self.folder / "server.log"
        return f"no RabbitMQ: {log.read_text()[-2000:] if log.exists() else ''}"


@dataclass(frozen=True)
class VirtualHost:
    """A part of the broker that one test has to itself."""

    broker: RabbitMQ
    name: str
    password: str = field(default=PASSWORD, repr=False)

    @property
    def url(self) -> str:
        return self.url_of(USER)

    def url_of(self, user: str) -> str:
        return f"amqp://{user}@127.0.0.1:{self.broker.port}/{self.name}"

    def parameters(
        self, user: str = USER, password: str = PASSWORD
    ) -> pika.ConnectionParameters:
        return pika.ConnectionParameters(
            host="127.0.0.1",
            port=self.broker.port,
            virtual_host=self.name,
            credentials=pika.PlainCredentials(user, password),
            heartbeat=10,
            socket_timeout=5,
            stack_timeout=8,
            connection_attempts=1,
        )

    def depth(self, queue: str) -> int:
        """How many messages lie in a queue."""
        with pika.BlockingConnection(self.parameters()) as connection:
            found = connection.channel().queue_declare(queue, passive=True)
            return int(found.method.message_count)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """The one that tests share; what stops or freezes it must leave it running."""
    broker = RabbitMQ()
    try:
        yield broker.start()
    finally:
        broker.remove()


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> VirtualHost:
    return new_vhost(rabbitmq)


def new_vhost(broker: RabbitMQ) -> VirtualHost:
    """Return a virtual host that nobody has used; it goes with the broker."""
    if not broker.spare:
        broker.spare = [f"test-{secrets.token_hex(4)}" for _ in range(SPARE)]
        # One call: each starts an Erlang machine of its own, which takes seconds.
        names = ", ".join(f'<<"{name}">>' for name in broker.spare)
        make = f'rabbit_vhost:add(Name, <<"test">>), {ALLOW}'
        broker.ctl("eval", f"lists:foreach(fun(Name) -> {make} end, [{names}]).")
    return VirtualHost(broker, broker.spare.pop())
