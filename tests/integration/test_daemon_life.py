"""The daemon as an operator starts, asks, signals and stops it."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.needed import environment, wait_until

pytestmark = pytest.mark.peers


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    try:
        yield daemon.set_up()
    finally:
        daemon.remove()


def logged(daemon: Daemon) -> list[dict[str, object]]:
    return [json.loads(line) for line in daemon.log.read_text().splitlines()]


def events(daemon: Daemon) -> list[object]:
    return [line["event"] for line in logged(daemon)]


def run_again(daemon: Daemon, config: Path) -> subprocess.CompletedProcess[str]:
    argv = [*daemon.argv[:-1], str(config), "run"]
    return subprocess.run(
        argv, env=environment(), capture_output=True, text=True, timeout=30, check=False
    )


def test_it_says_how_it_is_and_ends_with_0(daemon: Daemon) -> None:
    status = daemon.json("status", "--wait", "20")
    assert (status["running"], status["role"], status["pid"]) == (True, "all", daemon.pid)
    assert status["listening"]["ssh"] == [f"127.0.0.1:{daemon.port}"]
    assert daemon.stop() == 0
    assert events(daemon) == ["daemon.started", "daemon.draining", "daemon.stopped"]
    assert daemon.cli("status", check=False).status == 5


def test_interrupt_is_as_good_as_terminate(daemon: Daemon) -> None:
    daemon.json("status", "--wait", "20")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.process.wait(20) == 0


def test_its_metrics_can_be_scraped(daemon: Daemon) -> None:
    assert daemon.metric('proxyd_sessions_active{protocol="ssh"}') == 0
    assert daemon.metric("proxyd_spool_quota_bytes") == 10 * 1024**3
    assert daemon.asked("/")[0] == 404


def test_it_says_that_it_turns_and_that_it_can_take_work(daemon: Daemon) -> None:
    daemon.json("status", "--wait", "20")
    assert daemon.asked("/healthz") == (200, '{"healthy":true}\n')
    assert daemon.asked("/readyz") == (200, '{"ready":true,"why":[]}\n')


def test_hangup_reads_the_log_level_again(daemon: Daemon) -> None:
    daemon.json("status", "--wait", "20")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "settings.reloaded" in events(daemon), "no reload")
    good = daemon.config.read_text()
    daemon.config.write_text('log_level = "loud"\n' + good)
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "settings.refused" in events(daemon), "a bad level was taken")
    daemon.config.write_text(good)
    assert daemon.json("status")["running"]


def test_a_second_daemon_on_the_same_state_is_refused(daemon: Daemon) -> None:
    daemon.json("status", "--wait", "20")
    done = run_again(daemon, daemon.config)
    assert done.returncode == 1
    assert f"process {daemon.pid} uses the state directory" in done.stderr


def test_a_port_in_use_is_named(daemon: Daemon) -> None:
    other = daemon.folder / "other.toml"
    text = daemon.config.read_text().replace(str(daemon.state), f"{daemon.folder}/other")
    other.write_text(text.replace(str(daemon.metrics_port), "0"))
    init = [*daemon.argv[:-1], str(other), "init"]
    subprocess.run(init, env=environment(), capture_output=True, check=True)
    done = run_again(daemon, other)
    assert done.returncode == 1
    assert f"127.0.0.1:{daemon.port} is in use by another program" in done.stderr


def test_without_init_it_names_the_next_step(daemon: Daemon) -> None:
    fresh = daemon.folder / "fresh.toml"
    fresh.write_text(f'state_dir = "{daemon.folder}/fresh"\n')
    done = run_again(daemon, fresh)
    assert done.returncode == 78
    assert "run `proxyd init`" in done.stderr


def test_a_core_dump_would_hold_nothing(daemon: Daemon) -> None:
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]


def test_systemd_is_told_of_start_and_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        daemon = Daemon(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000")
        try:
            daemon.set_up()
            assert manager.recv(500).startswith(b"READY=1\nSTATUS=")
            assert daemon.stop() == 0
            told = []
            while b"STOPPING=1" not in told:
                told.append(manager.recv(500))
        finally:
            daemon.remove()
    assert b"WATCHDOG=1" in told
