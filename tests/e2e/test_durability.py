"""What reached a peer is in the recording, whatever dies; and nobody fills the memory."""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import environment, files_under, program, rss_bytes, wait_until, wanted
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.terminal import OpenTerminal

pytestmark = [pytest.mark.peers, pytest.mark.timeout(150)]

BUSY = (
    "i=0; while :; do i=$((i+1)); echo line-$i-$(head -c 300 /dev/urandom | base64 -w0); done"
)
MEGABYTE = 1024 * 1024
ALLOWED_BYTES = 4 * MEGABYTE
"""Windows, what is not synced yet, and a segment being sealed."""


@contextmanager
def running(
    login: Login, *command: str, options: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*login.ssh(*options), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**login.env),
    )
    with process:
        yield process
        process.kill()


def read_for(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    assert process.stdout is not None
    got, end = bytearray(), time.monotonic() + seconds
    while time.monotonic() < end:
        got += process.stdout.read1(65536)
    return bytes(got)


def rest_of(process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    stdout, stderr = process.communicate(timeout=30)
    return stdout, stderr.decode(errors="replace")


# --- the daemon dies


@pytest.mark.timeout(60 + 10 * wanted("PROXYD_KILLS", 3))
def test_nothing_that_was_forwarded_is_missing_after_a_kill(daemon: Daemon, login: Login):
    moment = random.Random(7)  # noqa: S311
    missing = []
    for kill in range(wanted("PROXYD_KILLS", 3)):
        with running(login, BUSY) as client:
            got = read_for(client, 0.6 + moment.random())
            daemon.kill9()
            got += rest_of(client)[0]
        daemon.start()
        recording = daemon.recorded()
        assert recording.row["state"] == "interrupted"
        assert recording.row["end_reason"] == "engine_crashed"
        assert recording.verify() == 0
        if not recording.export("output").startswith(got):
            missing.append(kill)
    assert missing == []


def test_what_was_typed_into_a_terminal_survives_a_kill(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    terminal = open_terminal(login.ssh("-tt"), login.env)
    terminal.expect(r"\$ ")
    for word in ("first", "second", "third"):
        terminal.type(f"echo {word}-$((40+2))\r")
        terminal.expect(f"{word}-42")
    shown = bytes(terminal.output)
    daemon.kill9()
    daemon.start()
    recording = daemon.recorded()
    assert recording.export("output").startswith(shown)
    assert b"echo second-$((40+2))\r" in recording.export("input")


def test_a_damaged_spool_is_noticed_and_the_rest_is_kept(daemon: Daemon, login: Login):
    with running(login, "seq 100000; sleep 100") as client:
        read_for(client, 0.1)
        wait_until(lambda: worth_damage(daemon), "nothing is spooled")
        daemon.kill9()
        client.communicate(timeout=30)
    damaged = worth_damage(daemon)
    assert damaged
    for path in damaged:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)
    daemon.start()
    recording = daemon.recorded(complete=False)
    assert recording.row["state"] in ("interrupted", "lost")
    whole = "".join(f"{n}\n" for n in range(1, 100_001)).encode()
    kept = recording.export("output")
    assert kept != whole
    assert whole.startswith(kept)
    assert login.run("echo still here").text == "still here"
    daemon.recorded()


def worth_damage(daemon: Daemon) -> list[Path]:
    return [path for path in spooled(daemon) if len(path.read_bytes()) > 1000]


def spooled(daemon: Daemon) -> list[Path]:
    """What waits to be shipped."""
    return [
        path
        for path, _ in files_under(daemon.state / "spool")
        if path.suffix in (".open", ".chunk") and path.parent.name != "quarantine"
    ]


def test_a_stop_tells_the_user_and_ships_what_there_is(daemon: Daemon, login: Login):
    with running(login, "echo before; sleep 100") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"before\n"
        assert daemon.stop() == 0
        said = rest_of(client)[1]
    daemon.start()
    recording = daemon.recorded()
    assert recording.row["end_reason"] == "engine_stopped"
    assert recording.export("output") == b"before\n"
    assert "proxyd" in said
    wait_until(lambda: spooled(daemon) == [], "what was shipped stays")


# --- the target dies


def test_a_target_that_dies_ends_the_session(daemon: Daemon, login: Login):
    with running(login, "echo before; read it; kill -9 $PPID; sleep 5") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"before\n"
        client.communicate(b"now\n", timeout=30)
        assert client.returncode == 255
    recording = daemon.recorded()
    assert recording.row["end_reason"] in ("target_left", "target_unreachable")
    assert recording.export("output") == b"before\n"


def test_a_target_that_freezes_ends_the_session(daemon: Daemon, login: Login):
    with running(login, "echo $PPID; sleep 100") as client:
        assert client.stdout is not None
        frozen = int(client.stdout.readline())
        os.kill(frozen, signal.SIGSTOP)
        try:
            client.wait(60)
            recording = daemon.recorded()
        finally:
            os.kill(frozen, signal.SIGKILL)
    assert recording.row["end_reason"] == "target_unreachable"


# --- the operator ends it


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminated_session_ends_at_once_and_says_why(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal, *, terminal: bool
):
    words = ["-tt"] if terminal else []
    client = open_terminal([*login.ssh(*words), "echo on; sleep 100"], login.env)
    client.expect("on\r\n")
    live = daemon.live()
    daemon.cli("session", "terminate", live.id, "--reason", "the change window is over")
    told = time.monotonic()
    client.expect("the change window is over")
    assert client.wait() != 0
    assert time.monotonic() - told < 5
    assert daemon.recorded().row["end_reason"] == "terminated"


def test_who_is_cut_off_while_he_sends_reads_why(daemon: Daemon, login: Login):
    daemon.forget_sessions()
    for reason in map("the change window {} is over".format, range(5)):
        with (
            running(login, "cat > /dev/null") as client,
            subprocess.Popen(
                [program("head"), "-c", "4G", "/dev/zero"], stdout=client.stdin
            ) as source,
        ):
            live = daemon.live()
            time.sleep(0.3)
            daemon.cli("session", "terminate", live.id, "--reason", reason)
            assert client.wait(30) != 0
            source.kill()
            assert client.stderr is not None
            assert reason in client.stderr.read().decode()
        assert daemon.recorded().row["end_reason"] == "terminated"


def test_a_revoked_credential_ends_its_sessions(daemon: Daemon):
    short = daemon.login("web")
    with running(short, "echo on; sleep 100") as client:
        assert client.stdout is not None
        client.stdout.readline()
        daemon.cli("credential", "revoke", short.id)
        assert client.wait(30) != 0
        assert "revoked" in rest_of(client)[1]
    assert daemon.recorded().row["end_reason"] == "terminated"
    assert short.run("true").status == 255


# --- nobody reads


def await_no_growth(daemon: Daemon, before_bytes: int) -> None:
    """Wait until all that is taken is little: what came first is still being stored."""
    wait_until(
        lambda: rss_bytes(daemon.pid) - before_bytes <= ALLOWED_BYTES,
        "memory grows",
    )


def test_a_client_that_does_not_read_costs_no_memory(daemon: Daemon, login: Login):
    login.run("head -c 50000000 /dev/zero")
    daemon.recorded()  # What sealing and storing it takes is taken.
    before = rss_bytes(daemon.pid)
    with running(login, "yes | head -c 1G"):
        time.sleep(4)
        await_no_growth(daemon, before)


def test_a_target_that_does_not_read_costs_no_memory(daemon: Daemon, login: Login):
    login.run("cat > /dev/null", typed=bytes(50_000_000))
    daemon.recorded()  # What sealing and storing it takes is taken.
    before = rss_bytes(daemon.pid)
    with (
        running(login, "sleep 100") as client,
        subprocess.Popen(
            [program("head"), "-c", "1G", "/dev/zero"], stdout=client.stdin
        ) as source,
    ):
        time.sleep(4)
        await_no_growth(daemon, before)
        source.kill()


# --- the disk is full


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 40 MB."""
    with tempfile.TemporaryDirectory(prefix="proxyd-disk-") as folder:
        size = ("-t", "tmpfs", "-o", "size=40m", "tmpfs", folder)
        mounted = run([program("mount"), *size])
        if mounted.status != 0:
            pytest.fail(f"a tmpfs cannot be mounted: {mounted.said}")
        yield Path(folder)
        run([program("umount"), "--lazy", folder])


def test_a_full_disk_ends_the_session_and_loses_nothing(
    make_daemon: MakeDaemon, openssh_server: OpenSSHServer, small_disk: Path
):
    daemon = make_daemon(state=small_disk / "state")
    daemon.add_secret("full", openssh_server, "--capture", "full")
    login = daemon.login("full")
    done = login.run("head -c 200000000 /dev/urandom", seconds=90)
    assert done.status != 0
    assert 0 < len(done.stdout) < 200_000_000
    assert "record" in done.stderr.decode()
    assert "recording.lost" in daemon.log.read_text()
    assert daemon.process is not None
    assert daemon.process.poll() is None
    run([program("mount"), "-o", "remount,size=400m", str(small_disk)])
    recording = daemon.recorded(seconds=60)
    assert recording.row["end_reason"] == "recording_lost"
    assert recording.export("output").startswith(done.stdout)
    wait_until(lambda: login.run("echo again").text == "again", "no new session", seconds=30)
    daemon.stop()
