"""The Debian package on a machine that really boots: its services, from installation to purge.

The tests go in the order of a package's life; only the last ones take it away.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers.daemon import SETTINGS, Daemon
from peers.login import Login
from peers.machine import Machine
from peers.needed import ROOT, environment, wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

UNITS = sorted(path.name for path in (ROOT / "systemd").glob("proxyd*.*"))
WATCHDOG_S = 5
DROP_IN = f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=0.2\n"
PACKAGE = "/tmp/proxyd.deb"  # noqa: S108 - of a machine of our own
EXTENSIONS = ROOT / "tests/samples/use_extensions.py"


class Installed(Daemon):
    """The daemon as the package installs it."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(state=Path("/var/lib/proxyd"))
        self.machine = machine

    @property
    def argv(self) -> list[str]:
        return [*self.machine.entering, "/usr/bin/proxyd"]

    def systemctl(self, *words: str) -> Output:
        return self.machine.run("systemctl", *words, seconds=90)

    def shown(self, what: str, unit: str = "proxyd") -> str:
        return self.systemctl("show", "--property", what, "--value", unit).text

    @property
    def main_pid(self) -> str:
        return self.shown("MainPID")

    def start(self) -> "Installed":
        self.machine.do("systemctl", "start", "proxyd", seconds=90)
        return self

    def stop(self) -> int:
        return self.systemctl("stop", "proxyd").status


@pytest.fixture(scope="module")
def unpacked(machine: Machine, package: Path) -> Machine:
    """A machine with the package, as `dpkg --install` leaves it."""
    machine.path(PACKAGE).write_bytes(package.read_bytes())
    # Where there is one, this host's word against starting services is not this machine's.
    machine.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
    told = machine.run("dpkg", "--install", PACKAGE, check=True)
    assert told.stderr == b""
    return machine


@pytest.fixture(scope="module")
def installed(unpacked: Machine, openssh_server: OpenSSHServer) -> Iterator[Installed]:
    """Set up as docs/operations.md says, the master key given to systemd; runs."""
    daemon = Installed(unpacked)
    settings = SETTINGS.format(**vars(daemon)) + '[recorder]\non_loss = "spool"\n'
    unpacked.path("/etc/proxyd/proxyd.toml").write_text(settings)
    as_proxyd = ("runuser", "-u", "proxyd", "--", "proxyd")
    unpacked.do(*as_proxyd, "init")
    password = "Correct-Horse-9-Battery\n"
    unpacked.do(*as_proxyd, "user", "add", "alice", "--password-stdin", typed=password)
    key, sealed = "/var/lib/proxyd/master.key", "/etc/credstore.encrypted/proxyd.master-key"
    unpacked.do("mkdir", "-p", "/etc/credstore.encrypted")
    unpacked.do("systemd-creds", "encrypt", "--with-key=host", "--name=master-key", key, sealed)
    unpacked.do("rm", key)
    drop_in = unpacked.path("/etc/systemd/system/proxyd.service.d/test.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(DROP_IN)
    unpacked.do("systemctl", "daemon-reload")
    daemon.start()
    # The target's key is a file of this machine, and the command runs on the other.
    key_file = unpacked.path("/run/target.key")
    key_file.write_bytes(openssh_server.user_key.read_bytes())
    daemon.add_target(
        "web",
        *("--port", str(openssh_server.port), "--username", "target"),
        *("--key-file", "/run/target.key", "--host-key", openssh_server.host_key),
    )
    yield daemon
    Daemon.remove(daemon)


@pytest.fixture(scope="module")
def login(installed: Installed) -> Login:
    return installed.login("web")


@contextmanager
def session(login: Login, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A live session that has shown something."""
    client = subprocess.Popen(
        [*login.ssh(), command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**login.env),
    )
    with client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"on\n"
        yield client
        client.kill()


def test_an_installation_starts_nothing(unpacked: Machine) -> None:
    for unit in ("proxyd.service", "proxyd.target", "proxyd-engine.service"):
        assert unpacked.run("systemctl", "is-enabled", unit).text == "disabled"
        assert unpacked.run("systemctl", "is-active", unit).text == "inactive"
    assert unpacked.do("stat", "-c", "%U %a", "/var/lib/proxyd") == "proxyd 700"
    assert unpacked.do("stat", "-c", "%U:%G %a", "/etc/proxyd/proxyd.toml") == "root:proxyd 640"


def test_every_unit_is_understood(unpacked: Machine) -> None:
    files = [f"/usr/lib/systemd/system/{name}" for name in UNITS]
    verified = unpacked.run("systemd-analyze", "verify", *files)
    assert (verified.status, verified.said) == (0, "")


def test_every_extension_runs_where_no_memory_can_become_code(unpacked: Machine) -> None:
    unit = (ROOT / "systemd/proxyd.service").read_text()
    runs = ("ExecStart", "ExecReload", "Type=")
    closed = [line for line in unit.splitlines() if not line.startswith(runs)]
    at = closed.index("[Service]") + 1
    closed[at:at] = ["Type=oneshot", "ExecStart=/opt/proxyd/bin/python -P /etc/proxyd/use.py"]
    unpacked.path("/run/systemd/system/use-extensions.service").write_text("\n".join(closed))
    unpacked.path("/etc/proxyd/use.py").write_text(EXTENSIONS.read_text())
    unpacked.do("systemctl", "daemon-reload")
    started = unpacked.run("systemctl", "start", "use-extensions")
    journal = unpacked.journal("use-extensions")
    assert started.status == 0, journal
    assert "used " in journal
    assert "memory that can become code: refused" in journal


def test_ready_means_that_users_can_log_in(installed: Installed, login: Login) -> None:
    installed.stop()
    installed.start()
    assert login.run("echo in").text == "in"
    assert installed.recorded().row["end_reason"] in ("client_left", "target_left")


def test_the_master_key_comes_from_systemd_and_lies_nowhere_else(installed: Installed) -> None:
    status = installed.json("status")
    assert status["master_key"] == "/run/credentials/proxyd.service/master-key"
    assert installed.json("secret", "test", "web")["ok"]
    findings = installed.json("doctor")
    assert [finding for finding in findings if not finding["ok"]] == []


def test_a_reload_keeps_sessions(installed: Installed, login: Login) -> None:
    pid = installed.main_pid
    with session(login, "echo on; cat") as client:
        installed.machine.do("systemctl", "reload", "proxyd")
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"still here\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"still here\n"
    wait_until(lambda: "settings.reloaded" in installed.machine.journal("proxyd"), "no reload")
    assert installed.main_pid == pid
    installed.recorded()


def test_a_daemon_that_hangs_is_started_again(installed: Installed, login: Login) -> None:
    pid = installed.main_pid
    with session(login, "echo on; sleep 100"):
        installed.machine.do("kill", "-STOP", pid)
        wait_until(lambda: installed.main_pid not in (pid, "0"), "no restart", seconds=60)
    wait_until(lambda: installed.shown("ActiveState") == "active", "not ready")
    wait_until(
        lambda: "Watchdog timeout" in installed.machine.journal("proxyd"), "it is not told"
    )
    interrupted = installed.recorded()
    assert interrupted.row["state"] == "interrupted"
    assert login.run("echo again").text == "again"
    installed.recorded()


def test_a_stop_drains(installed: Installed, login: Login) -> None:
    with session(login, "echo on; sleep 100") as client:
        assert installed.stop() == 0
        _, told = client.communicate(timeout=30)
    assert b"proxyd is stopping" in told
    assert installed.shown("Result") == "success"
    installed.start()
    assert installed.recorded().row["end_reason"] == "engine_stopped"


def test_settings_that_cannot_be_used_are_not_tried_again(installed: Installed) -> None:
    file = installed.machine.path("/etc/proxyd/proxyd.toml")
    kept = file.read_text()
    installed.stop()
    file.write_text("colour = 1\n" + kept)
    assert installed.systemctl("start", "proxyd").status != 0
    file.write_text(kept)
    # Not "activating", which it is while it waits for its next try.
    assert installed.shown("ActiveState") == "failed"
    assert installed.shown("NRestarts") == "0"
    wait_until(
        lambda: "unknown key `colour`" in installed.machine.journal("proxyd"), "it is not told"
    )
    installed.systemctl("reset-failed", "proxyd")
    installed.start()


def test_an_upgrade_drains_and_starts_again_what_ran(installed: Installed) -> None:
    pid = installed.main_pid
    installed.machine.do("dpkg", "--install", PACKAGE)
    assert installed.main_pid not in (pid, "0")
    assert installed.shown("ActiveState") == "active"
    assert installed.shown("ActiveState", "proxyd-engine") == "inactive"
    # The settings were changed here, and stay.
    assert str(installed.port) in installed.machine.path("/etc/proxyd/proxyd.toml").read_text()


def test_a_removal_takes_the_program_and_leaves_what_is_the_operators(
    installed: Installed,
) -> None:
    machine = installed.machine
    machine.do("systemctl", "enable", "proxyd", "proxyd.target")
    machine.do("dpkg", "--remove", "proxyd")
    assert machine.run("systemctl", "is-active", "proxyd").text == "inactive"
    left = [path for path in ("/opt/proxyd", "/usr/bin/proxyd") if machine.path(path).exists()]
    assert left == []
    assert machine.path("/etc/proxyd/proxyd.toml").exists()


def test_a_purge_leaves_nothing_but_recordings_and_keys(installed: Installed) -> None:
    machine = installed.machine
    told = machine.do("dpkg", "--purge", "proxyd")
    assert "recordings and keys were left in /var/lib/proxyd" in told
    folders = ("/etc/systemd", "/etc/credstore.encrypted", "/usr/lib", "/run/systemd/system")
    left = machine.do("find", *folders, "-name", "proxyd*")
    assert sorted(left.splitlines()) == [
        "/etc/credstore.encrypted/proxyd.master-key",
        "/etc/systemd/system/proxyd.service.d",
    ]
    assert not machine.path("/etc/proxyd").exists()
    assert machine.path("/var/lib/proxyd/proxyd.db").exists()
    assert machine.do("dpkg", "--audit") == ""
