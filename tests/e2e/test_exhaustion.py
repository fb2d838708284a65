"""The daemon where something runs out: disk, open files, memory. Running sessions are kept."""

import contextlib
import os
import re
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.terminal import OpenTerminal

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    size = ("-t", "tmpfs", "-o", "size=60m", "tmpfs", str(tmp_path))
    mounted = run([program("mount"), *size])
    if mounted.status != 0:
        pytest.fail(f"a tmpfs cannot be mounted: {mounted.said}")
    yield tmp_path
    run([program("umount"), "--lazy", str(tmp_path)])


def fill_to(folder: Path, percent: int) -> None:
    ballast = folder / "ballast"
    disk = os.statvfs(folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    wanted = disk.f_blocks * disk.f_frsize * percent // 100
    # It only grows: a disk with room meanwhile would be told of once more.
    with ballast.open("ab") as file:
        os.posix_fallocate(file.fileno(), file.tell(), wanted - used)


def test_a_disk_that_fills_up_warns_alarms_and_then_refuses_new_sessions(
    make_daemon: MakeDaemon,
    openssh_server: OpenSSHServer,
    open_terminal: OpenTerminal,
    small_disk: Path,
):
    daemon = make_daemon(state=small_disk / "state")
    daemon.add_secret("web", openssh_server)
    login = daemon.login("web")
    terminal = open_terminal(login.ssh("-tt"), login.env)
    terminal.expect(r"\$ ")

    def filled_to(percent: int, said: int) -> None:
        fill_to(small_disk, percent)
        wait_until(lambda: told(daemon) == said, f"not told at {percent} %")

    filled_to(82, 1)
    filled_to(92, 2)
    assert login.run("echo still let in").text == "still let in"
    assert daemon.asked("/readyz")[0] == 200
    filled_to(97, 3)
    assert daemon.metric("proxyd_spool_disk_used_ratio") >= 0.95
    status, why = daemon.asked("/readyz")
    assert (status, "new sessions are refused" in why) == (503, True)
    refused = login.run("echo in")
    assert refused.stdout == b""
    assert "it is refused" in refused.said
    # Whoever was in before goes on.
    terminal.type("echo $((40+2))\r")
    terminal.expect("42\r\n")
    (small_disk / "ballast").unlink()
    wait_until(lambda: daemon.asked("/readyz")[0] == 200, "not ready again")
    assert login.run("echo in again").text == "in again"
    terminal.type("exit\r")
    terminal.wait()


def told(daemon: Daemon) -> int:
    return daemon.log.read_text().count("spool.nearly_full")


# --- open files


@contextlib.contextmanager
def only_files(daemon: Daemon, spare: int) -> Iterator[None]:
    """Let the daemon open no more than `spare` files."""
    before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    limit = max(int(name) for name in os.listdir(f"/proc/{daemon.pid}/fd")) + 1 + spare  # noqa: PTH208
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)


def test_a_daemon_out_of_files_goes_on_recording_who_is_in(
    make_daemon: MakeDaemon, openssh_server: OpenSSHServer, open_terminal: OpenTerminal
):
    daemon = make_daemon(
        PROXYD_RECORDER__CHUNK_INTERVAL_S="0.5", PROXYD_SSH__SOURCE_PENALTIES="false"
    )
    daemon.add_secret("web", openssh_server)
    login = daemon.login("web")
    terminal = open_terminal(login.ssh("-tt"), login.env)
    terminal.expect(r"\$ ")
    with only_files(daemon, 2), contextlib.ExitStack() as strangers:
        for _ in range(30):
            with contextlib.suppress(OSError):
                address = ("127.0.0.1", daemon.port)
                strangers.enter_context(socket.create_connection(address, timeout=1))
        for number in range(20):
            terminal.type(f"echo {number}-$((40+2))\r")
            terminal.expect(f"{number}-42")
            time.sleep(0.1)
    terminal.type("exit\r")
    terminal.wait()
    recording = daemon.recorded()
    assert recording.verify() == 0
    assert recording.export("output") == bytes(terminal.output)
    assert login.run("echo in again").text == "in again"
    assert daemon.metric("proxyd_recordings_lost_total") == 0


# --- memory


class MemoryGroup:
    """A control group that bounds the memory of one process, of either version."""

    def __init__(self) -> None:
        first = Path("/sys/fs/cgroup/memory")
        if first.is_dir():
            parent, names = first, ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            parent, names = Path("/sys/fs/cgroup"), ("memory.max", "memory.current")
        self.folder = parent / f"proxyd-test-{os.getpid()}"
        self._limit, self._usage = (self.folder / name for name in names)
        try:
            self.folder.mkdir()
            self._limit.write_text(str(1 << 40))
        except OSError as error:
            pytest.fail(f"memory cannot be bounded here: {error}; run the tests as root")

    def take(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))

    def leave_room_for(self, size_bytes: int) -> None:
        self._limit.write_text(str(int(self._usage.read_text()) + size_bytes))

    def remove(self) -> None:
        for pid in (self.folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (self.folder.parent / "cgroup.procs").write_text(pid)
        self.folder.rmdir()


@pytest.fixture
def memory_group() -> Iterator[MemoryGroup]:
    group = MemoryGroup()
    yield group
    group.remove()


def test_a_daemon_that_is_killed_for_want_of_memory_loses_nothing_that_was_forwarded(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal, memory_group: MemoryGroup
):
    memory_group.take(daemon.pid)
    client = open_terminal(login.ssh("-tt"), login.env)
    client.expect(r"\$ ")
    client.type("head -c 200 /dev/urandom | base64\r")
    client.expect(r"\$ ")
    memory_group.leave_room_for(64 * 1024)
    client.type("base64 /dev/urandom\r")
    assert daemon.process is not None
    assert daemon.process.wait(60) == -9
    client.wait()
    daemon.start()
    recording = daemon.recorded()
    assert recording.row["state"] == "interrupted"
    assert recording.verify() == 0
    # What the client says last is its own complaint.
    shown, *_ = re.split(rb"client_loop: |Connection to ", bytes(client.output))
    assert recording.export("output").startswith(shown)
