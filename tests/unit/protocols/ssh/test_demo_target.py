import asyncio
import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import time

import asyncssh
import pytest


@pytest.fixture(scope="module")
def place():
    target = subprocess.Popen(
        [sys.executable, "-m", "protocols.ssh.demo_target"], stdout=subprocess.PIPE
    )
    yield json.loads(target.stdout.readline())
    target.terminate()
    target.wait(10)
    target.stdout.close()


@pytest.fixture
async def connection(place):
    known = asyncssh.import_known_hosts(f"[127.0.0.1]:* {place['host_key']}")
    async with asyncssh.connect(
        place["host"],
        place["port"],
        username=place["username"],
        password=place["password"],
        known_hosts=known,
        client_keys=None,
        config=None,
    ) as connection:
        yield connection


async def test_a_command_runs_as_its_user_and_its_status_comes_back(connection):
    done = await connection.run("id -un; pwd; echo oh >&2; exit 3")
    account = pwd.getpwuid(os.getuid())
    assert done.stdout == f"{account.pw_name}\n{account.pw_dir}\n"
    assert (done.stderr, done.exit_status) == ("oh\n", 3)


async def test_a_killed_command_says_which_signal(connection):
    assert (await connection.run("kill -KILL $$")).exit_signal[0] == "KILL"


async def test_bytes_pass_both_ways_unchanged(connection):
    blob = os.urandom(2_000_000)
    done = await connection.run("cat", input=blob, encoding=None)
    assert done.stdout == blob


async def test_a_command_that_reads_nothing_does_not_hang(connection):
    done = await connection.run("true", input=bytes(1_000_000), encoding=None)
    assert done.exit_status == 0


async def test_a_terminal_is_one(connection):
    async with connection.create_process(term_type="xterm", term_size=(97, 31)) as shell:
        shell.stdin.write("tty; stty size; echo $TERM; exit 4\n")
        shown = await shell.stdout.read()
        await shell.wait()
    assert "/dev/pts/" in shown
    assert "31 97" in shown
    assert "xterm" in shown
    assert shell.exit_status == 4


async def test_a_terminal_takes_a_new_size_and_control_c(connection):
    command = "trap 'stty size; exit 5' INT; echo on; while :; do sleep 0.1; done"
    async with connection.create_process(command, term_type="xterm") as process:
        assert "on" in await process.stdout.readline()
        process.change_terminal_size(120, 40)
        process.stdin.write("\x03")
        shown = await process.stdout.read()
        await process.wait()
    assert "40 120" in shown
    assert process.exit_status == 5


async def test_a_session_ends_with_its_shell_whatever_runs_on_behind_it(connection):
    started = time.monotonic()
    done = await connection.run("sleep 30 & echo bye", term_type="xterm")
    assert "bye" in done.stdout
    assert time.monotonic() - started < 10


async def test_a_signal_reaches_the_command(connection):
    command = "trap 'echo got; exit 6' USR1; echo on; while :; do sleep 0.1; done"
    async with connection.create_process(command) as process:
        assert await process.stdout.readline() == "on\n"
        process.send_signal("USR1")
        assert await process.stdout.readline() == "got\n"
        await process.wait()
    assert process.exit_status == 6


async def test_sftp_reads_and_writes_files(connection, tmp_path):
    path = str(tmp_path / "there")
    async with connection.start_sftp_client() as sftp, sftp.open(path, "wb") as file:
        await file.write(b"bytes")
    assert (tmp_path / "there").read_bytes() == b"bytes"


async def test_the_wrong_password_stays_outside(place):
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            place["host"],
            place["port"],
            username=place["username"],
            password="guess",
            known_hosts=None,
            client_keys=None,
            config=None,
        )
    # The client's socket closes in a later turn of the loop, which ends with this test.
    await asyncio.sleep(0.05)


def test_it_does_not_outlive_its_parent():
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'protocols.ssh.demo_target'],\n"
        "                         stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        target = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone_within(10, target)


def gone_within(seconds: float, pid: int) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
