"""How long a chunk of a live session waits for its storage receipt, through all roles.

An engine with 300 live sessions, in each of which somebody works, a real broker, a worker
and a PostgreSQL that syncs each commit: all on the same cores, and so are the clients and
the target. From the engine's own log: a chunk is sealed, its receipt has come. What a session
costs the engine meanwhile is told, too.
"""

import asyncio
import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from peers.needed import cpu_s, rss_bytes
from peers.postgresql import private_server
from peers.rabbitmq import RabbitMQ, new_vhost
from peers.recording import Json
from peers.site import Site

from bench.figures import Figure, median, quantile
from bench.memory import AT_ONCE, Opened, light_target, open_session
from bench.rig import Login, Rig

SESSIONS: Final = 300
WORKED_S: Final = 75
"""Two whole intervals of 30 s and more, once everybody is in."""
LIMIT_S: Final = 2.0


def measure(rig: Rig) -> list[Figure]:
    """Open sessions, work in them, and read the log."""
    with _site(rig) as site, light_target() as port:
        where = ("--port", str(port), "--username", "light", "--password-stdin")
        site.control.add_target("light", *where, "--host-key-any", typed="light\n")
        empty_bytes = rss_bytes(site.engine.pid)
        cost = asyncio.run(_work(site, site.control.login("light", uses=100_000)))
        log = _entries(site.engine.log)
        waited_s = list(_waited_s(log, cost.since))
        sizes = [each["size_bytes"] for each in log if each["event"] == "chunk.sealed"]
    memory_kib = (cost.memory_bytes - empty_bytes) / 1024 / SESSIONS
    return [
        Figure(f"chunks of {SESSIONS} live sessions with a receipt", len(waited_s)),
        Figure("sealed chunk to its receipt, p50", median(waited_s), "s"),
        Figure("sealed chunk to its receipt, p99", quantile(waited_s, 0.99), "s", LIMIT_S),
        Figure(
            "the engine's CPU for each live session",
            cost.cpu_s / WORKED_S / SESSIONS * 100,
            "%",
        ),
        Figure("the engine's memory for each live session", memory_kib, "KiB"),
        Figure("a chunk of 30 s in which somebody types", median(sizes) / 1000, "KB"),
    ]


class _Cost(Struct, frozen=True):
    since: dt.datetime
    """When everybody was in."""
    cpu_s: float
    """Of the engine, from then on."""
    memory_bytes: int
    """Of the engine, at the end."""


@contextmanager
def _site(rig: Rig) -> Iterator[Site]:
    # Where a disk is: what lies below /tmp may be memory.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/var/tmp"))
    server, broker = private_server(folder, fsync=True), RabbitMQ()
    try:
        database = server.empty_database()
        site = Site(new_vhost(broker.start()), rig.target, database=database)
        del site.workers[1:]
        config = site.engine.config
        config.write_text(f'log_level = "debug"\n{config.read_text()}')
        try:
            yield site.start()
        finally:
            site.remove()
    finally:
        broker.remove()
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


async def _work(site: Site, login: Login) -> _Cost:
    opened: list[Opened] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        # Nobody arranges to come in at the same moment.
        await asyncio.sleep(number * 30 / SESSIONS)
        async with gate:
            opened.append(await open_session(login))

    async with asyncio.TaskGroup() as group:
        for number in range(SESSIONS):
            group.create_task(one(number))
    all_in_at, before_s = dt.datetime.now(dt.UTC), cpu_s(site.engine.pid)
    loop = asyncio.get_running_loop()
    end_s = loop.time() + WORKED_S
    while loop.time() < end_s:
        for _, process in opened:
            process.stdin.write(b"ls -l /var/log\r")
            # A round of all takes three seconds.
            await asyncio.sleep(3 / SESSIONS)
    cost = _Cost(all_in_at, cpu_s(site.engine.pid) - before_s, rss_bytes(site.engine.pid))
    for connection, _ in opened:
        connection.abort()
    return cost


def _entries(log: Path) -> list[Json]:
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    return [each for each in entries if each["event"] in ("chunk.sealed", "chunk.shipped")]


def _waited_s(entries: list[Json], since: dt.datetime) -> Iterator[float]:
    sealed: dict[tuple[str, int], dt.datetime] = {}
    for entry in entries:
        name = (entry["session_id"], entry["sequence"])
        at = dt.datetime.fromisoformat(entry["timestamp"])
        if entry["event"] == "chunk.sealed":
            if entry["sealed"] != "end" and at > since:
                sealed[name] = at
        elif name in sealed:
            yield (at - sealed[name]).total_seconds()
