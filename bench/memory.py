"""What an idle session keeps in the engine's memory."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh
from peers.needed import cpu_s, environment, rss_bytes

from bench.figures import Figure
from bench.rig import ROOT, Daemon, Login, Rig

Opened = tuple[asyncssh.SSHClientConnection, asyncssh.SSHClientProcess[bytes]]

COUNTS = (500, 1000)
LIMIT_KIB = 72
AT_ONCE = 8
"""Fewer than the gateway starts to refuse at."""


def measure(rig: Rig) -> list[Figure]:
    """Open sessions and leave them alone.

    In a daemon of their own: what earlier measurements left behind is not a session's.
    """
    del rig
    daemon = Daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    try:
        daemon.set_up()
        with light_target() as port:
            where = ("--port", str(port), "--username", "light", "--password-stdin")
            daemon.add_target("light", *where, "--host-key-any", typed="light\n")
            login = daemon.login("light", uses=100_000)
            _warm_up(login)
            return asyncio.run(_open_and_weigh(login, daemon.pid))
    finally:
        daemon.remove()


@contextmanager
def light_target() -> Iterator[int]:
    """Run a target that costs little; yield its port."""
    """Run the target that costs little; yield its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.light_target"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["port"])
        process.kill()


def _warm_up(login: Login) -> None:
    async def few() -> None:
        for connection, _ in [await open_session(login) for _ in range(5)]:
            connection.abort()

    asyncio.run(few())
    time.sleep(1)


async def open_session(login: Login) -> Opened:
    """Log on and open an idle terminal."""
    """Log on and open a terminal."""
    connection = await asyncssh.connect(
        "127.0.0.1",
        login.port,
        username=login.username,
        password=login.password,
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        config=None,
        encryption_algs=["aes128-gcm@openssh.com"],
    )
    process = await connection.create_process(term_type="xterm", encoding=None)
    return connection, process


async def _open_and_weigh(login: Login, pid: int) -> list[Figure]:
    base_bytes = rss_bytes(pid)
    opened: list[Opened] = []
    figures: list[Figure] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            opened.append(await open_session(login))

    for count in COUNTS:
        async with asyncio.TaskGroup() as group:
            for _ in range(count - len(opened)):
                group.create_task(one())
        await asyncio.sleep(3)
        grown_kib = (rss_bytes(pid) - base_bytes) / 1024 / len(opened)
        name = f"memory per idle session, {count} sessions"
        figures.append(Figure(name, grown_kib, "KiB", LIMIT_KIB))
    before_s = cpu_s(pid)
    await asyncio.sleep(5)
    idle = (cpu_s(pid) - before_s) / 5 * 100
    for connection, _ in opened:
        connection.abort()
    return [*figures, Figure(f"CPU of {COUNTS[-1]} idle sessions", idle, "%")]
