"""Engine, worker and control as the package's own services, on a machine that really boots.

All three on one machine, which wants a state directory and a metrics port of its own for the
engine, as docs/operations.md says; broker and database stand beside it.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.machine import Machine
from peers.needed import free_port, wait_until
from peers.openssh import OpenSSHServer
from peers.postgresql import PostgreSQLServer, database_name
from peers.rabbitmq import PASSWORD, RabbitMQ, VirtualHost, new_vhost

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

SETTINGS = """\
state_dir = "{state}"
public_host = "127.0.0.1"
[ssh]
listen = ["127.0.0.1:{port}"]
[rdp]
listen = []
[recorder]
chunk_interval_s = 1
[metrics]
listen = "127.0.0.1:{metrics_port}"
[bus]
url = "{bus}"
{more}
"""
ENGINE_DROP_IN = """\
[Service]
Environment=PROXYD_CONFIG=/etc/proxyd/engine.toml
StateDirectory=
StateDirectory=proxyd-engine
StateDirectoryMode=0700
"""
ENGINE_ALONE = (
    "runuser",
    "-u",
    "proxyd",
    "--",
    "proxyd",
    "--config",
    "/etc/proxyd/engine.toml",
)
SERVICES = ("proxyd-control", "proxyd-worker@1", "proxyd-engine")
AS_THE_SERVICE = (
    *("systemd-run", "--quiet", "--pipe", "--wait", "--uid=proxyd", "--gid=proxyd"),
    *("-p", "StateDirectory=proxyd", "-p", "StateDirectoryMode=0700"),
    *("-p", "LoadCredentialEncrypted=database-password:proxyd.database-password"),
)


class ThreeRoles(Daemon):
    """The command line of the control node, and the services beside it."""

    def __init__(self, machine: Machine, vhost: VirtualHost, database: str) -> None:
        super().__init__(state=Path("/var/lib/proxyd"))
        self.machine = machine
        self.engine_metrics_port = free_port()
        common = {"port": self.port, "bus": vhost.url}
        self._write(
            "/etc/proxyd/proxyd.toml",
            SETTINGS.format(
                state="/var/lib/proxyd",
                metrics_port=self.metrics_port,
                more=f'[database]\nurl = "{database}"',
                **common,
            ),
        )
        self._write(
            "/etc/proxyd/engine.toml",
            SETTINGS.format(
                state="/var/lib/proxyd-engine",
                metrics_port=self.engine_metrics_port,
                more='password_file = "/var/lib/proxyd-engine/bus-password"',
                **common,
            ),
        )
        self._write("/etc/systemd/system/proxyd-engine.service.d/own.conf", ENGINE_DROP_IN)

    @property
    def argv(self) -> list[str]:
        return [*self.machine.entering, "/usr/bin/proxyd"]

    def set_up(self) -> "ThreeRoles":
        do = self.machine.do
        do("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
        for name, secret in (("bus-password", PASSWORD), ("database-password", "open sesame")):
            sealed = f"/etc/credstore.encrypted/proxyd.{name}"
            sealing = ("systemd-creds", "encrypt", "--with-key=host", f"--name={name}")
            do(*sealing, "-", sealed, typed=secret)
        do(*AS_THE_SERVICE, "/usr/bin/proxyd", "init")
        do("systemctl", "daemon-reload")
        do("systemctl", "enable", *SERVICES, "proxyd.target")
        do("systemctl", "start", "proxyd-control", seconds=90)
        do(
            "install",
            "-d",
            "-o",
            "proxyd",
            "-g",
            "proxyd",
            "-m",
            "700",
            "/var/lib/proxyd-engine",
        )
        do(*ENGINE_ALONE, "init", "--engine")
        put = "umask 077; cat > /var/lib/proxyd-engine/bus-password"
        do("runuser", "-u", "proxyd", "--", "sh", "-c", put, typed=PASSWORD)
        self._enrol()
        do("systemctl", "start", "proxyd.target", seconds=90)
        password = "Correct-Horse-9-Battery\n"
        self.cli("user", "add", "alice", "--password-stdin", typed=password)
        return self

    def states(self) -> list[str]:
        return [self.machine.run("systemctl", "is-active", name).text for name in SERVICES]

    def _write(self, path: str, text: str) -> None:
        file = self.machine.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _enrol(self) -> None:
        words = (*ENGINE_ALONE, "--output", "json", "engine", "enrol", "--site", "default")
        with subprocess.Popen(
            [*self.machine.entering, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as enrolling:
            assert enrolling.stdout is not None
            assert enrolling.stderr is not None
            shown = json.loads(enrolling.stdout.readline())
            while "waiting for approval" not in enrolling.stderr.readline():
                assert enrolling.poll() is None, "the engine gave up"
            self.cli("engine", "approve", shown["id"], typed=f"{shown['code']}\n")
            assert enrolling.wait(20) == 0


@pytest.fixture(scope="module")
def roles(
    machine: Machine,
    package: Path,
    rabbitmq: RabbitMQ,
    postgresql_server: PostgreSQLServer,
    openssh_server: OpenSSHServer,
) -> Iterator[ThreeRoles]:
    machine.path("/tmp/proxyd.deb").write_bytes(package.read_bytes())  # noqa: S108 - its own
    machine.do("dpkg", "--install", "/tmp/proxyd.deb")  # noqa: S108
    name = database_name(postgresql_server.empty_database())
    where = f"127.0.0.1:{postgresql_server.port}/{name}"
    made = ThreeRoles(machine, new_vhost(rabbitmq), f"postgresql+psycopg2://proxyd@{where}")
    made.set_up()
    machine.path("/run/target.key").write_bytes(openssh_server.user_key.read_bytes())
    made.add_target(
        "web",
        *("--port", str(openssh_server.port), "--username", "target"),
        *("--key-file", "/run/target.key", "--host-key", openssh_server.host_key),
    )
    yield made
    Daemon.remove(made)


@pytest.fixture(scope="module")
def login(roles: ThreeRoles) -> Login:
    return roles.login("web")


def test_a_session_crosses_all_three_services(roles: ThreeRoles, login: Login) -> None:
    assert roles.states() == ["active"] * 3
    done = login.run("echo hello; exit 3")
    assert (done.status, done.text) == (3, "hello")
    recording = roles.recorded()
    assert recording.row["complete"]
    assert recording.verify() == 0


def test_an_engine_is_given_no_credential_of_the_database(roles: ThreeRoles) -> None:
    pid = roles.machine.do("systemctl", "show", "--value", "-p", "MainPID", "proxyd-engine")
    environ = roles.machine.path(f"/proc/{pid}/environ").read_bytes()
    folder = "/run/credentials/proxyd-engine.service"
    assert f"CREDENTIALS_DIRECTORY={folder}".encode() in environ.split(b"\0")
    given = roles.machine.do("ls", folder)
    assert given == "bus-password"


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("control", ["proxyd"]),
        ("engine", ["proxyd", "--config", "/etc/proxyd/engine.toml"]),
        ("worker", ["env", "PROXYD_METRICS__LISTEN=127.0.0.1:9471", "proxyd"]),
    ],
)
def test_the_doctor_finds_each_role_well(
    roles: ThreeRoles, role: str, words: list[str]
) -> None:
    done = roles.machine.run(*words, "--output", "json", "doctor", "--role", role)
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    assert [finding for finding in findings if not finding["ok"]] == []
    ready = next(finding for finding in findings if finding["what"] == "readiness")
    assert ready["detail"] == "runs, and can take work"


def test_the_target_restarts_what_is_enabled(roles: ThreeRoles, login: Login) -> None:
    shown = shlex.split("systemctl show --value -p MainPID")
    before = [roles.machine.do(*shown, name) for name in SERVICES]
    roles.machine.do("systemctl", "restart", "proxyd.target", seconds=90)
    wait_until(lambda: roles.states() == ["active"] * 3, "not all are back", seconds=30)
    after = [roles.machine.do(*shown, name) for name in SERVICES]
    assert not set(before) & set(after)
    ready = ["proxyd", "--config", "/etc/proxyd/engine.toml", "status", "--wait", "30"]
    roles.machine.do(*ready)
    # The engine may be there before those whom it asks.
    wait_until(
        lambda: login.run("echo again").text == "again", "nobody gets in", seconds=30, every=1
    )
    assert roles.recorded(seconds=30).row["complete"]
