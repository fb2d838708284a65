"""Many sites on one storage side: how many chunks it bears, and what gives out first.

Fifty engines and five thousand sessions are simulated (`bench.fleet`); the broker, the
workers and PostgreSQL, which syncs each commit, are real and on the same cores. Each
session ships a chunk of 30 s flat out into one worker, one at 100 a second into the same
worker, one flat out into two, and its last one. Text for the most part; one session in a
hundred moves files. `PROXYD_SCALE_SESSIONS` makes it smaller.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from peers.needed import wanted
from peers.postgresql import PostgreSQLServer, database_name, private_server
from peers.rabbitmq import RabbitMQ, new_vhost
from peers.site import Site

from bench.figures import Figure, median, quantile
from bench.fleet import Fleet
from bench.rig import Rig
from recorder.chunk import Chunk
from storage.database import Database

ENGINES: Final = wanted("PROXYD_SCALE_ENGINES", 50)
SESSIONS: Final = wanted("PROXYD_SCALE_SESSIONS", 5000)
RATE_PER_S: Final = 100
INDEXED_S: Final = 20
"""How long the indexers are watched once everything is stored."""
RECEIPT_LIMIT_S: Final = 2.0
_INDEXING: Final = "worker, the rest of it: indexing"
_SLOWEST_MS: Final = 1000 / RATE_PER_S


class Run(Struct, frozen=True):
    """What shipping one chunk of every session came to."""

    chunks: int
    took_s: float
    receipts_s: list[float]
    cores: Mapping[str, float]
    """Who used how much of the machine, in processors."""

    def figures(self, what: str, *, paced: bool) -> Iterator[Figure]:
        """Yield what is to be shown."""
        if not paced:
            rate = self.chunks / self.took_s
            yield Figure(f"{what}: chunks stored", rate, "/s")
            yield Figure(f"{what}: a chunk", 1000 / rate, "ms", _SLOWEST_MS)
            yield Figure(f"{what}: time to drain {self.chunks}", self.took_s, "s")
        limit = RECEIPT_LIMIT_S if paced else None
        yield Figure(f"{what}: receipt p50", median(self.receipts_s), "s")
        yield Figure(f"{what}: receipt p99", quantile(self.receipts_s, 0.99), "s", limit)
        for name, cores in self.cores.items():
            yield Figure(f"{what}: {name}", cores, "cores")


def measure(rig: Rig) -> list[Figure]:
    """Return rates, receipts, and who used the processors."""
    with _storage_side(rig) as (site, server):
        database = Database(site.database)
        try:
            return asyncio.run(_load(site, server, database))
        finally:
            database.close()


async def _load(site: Site, server: PostgreSQLServer, database: Database) -> list[Figure]:
    fleet = Fleet(ENGINES, SESSIONS, database)
    first, second = site.workers
    first.start()
    async with fleet.connected(site.vhost):
        begun = await fleet.next_chunks()
        alone = await _run(site, server, fleet, begun, None)
        paced = await _run(site, server, fleet, await fleet.next_chunks(), RATE_PER_S)
        second.start()
        both = await _run(site, server, fleet, await fleet.next_chunks(), None)
        await _run(site, server, fleet, await fleet.next_chunks(last=True), None)
    _check(server, site)
    waiting, before = _unindexed(server, site), _spent_s(site, server)
    await asyncio.sleep(INDEXED_S)
    indexed = waiting - _unindexed(server, site)
    spent_s = _spent_s(site, server)[_INDEXING] - before[_INDEXING]
    sizes = sorted(len(each.encoded) for each in begun)
    return [
        Figure("a chunk, p50", sizes[len(sizes) // 2] / 1000, "KB"),
        Figure("a chunk, the mean", sum(sizes) / len(sizes) / 1000, "KB"),
        *alone.figures("one worker", paced=False),
        *paced.figures(f"one worker at {RATE_PER_S}/s", paced=True),
        *both.figures("two workers", paced=False),
        Figure("not searchable yet when all is stored", waiting, "chunks"),
        Figure("then two workers: made searchable", indexed / INDEXED_S, "/s"),
        Figure("then two workers: CPU to make one searchable", spent_s / indexed * 1000, "ms"),
        *_stored(server, site),
    ]


async def _run(
    site: Site,
    server: PostgreSQLServer,
    fleet: Fleet,
    chunks: list[Chunk],
    rate_per_s: float | None,
) -> Run:
    before, began_s = _spent_s(site, server), time.monotonic()
    receipts_s = await fleet.ship(chunks, rate_per_s)
    took_s = time.monotonic() - began_s
    spent_s = {name: now - before[name] for name, now in _spent_s(site, server).items()}
    cores = {name: spent / took_s for name, spent in spent_s.items()}
    return Run(len(chunks), took_s, receipts_s, cores)


def _spent_s(site: Site, server: PostgreSQLServer) -> dict[str, float]:
    """Return CPU seconds so far; what a worker uses to index is not in its own."""
    running = [node.pid for node in site.workers if node.process is not None]
    storing = sum(_thread_s(pid, "consumer") for pid in running)
    return {
        "worker, storing": storing,
        _INDEXING: sum(map(_tree_s, running)) - storing,
        "PostgreSQL": _tree_s(server.pid),
        "RabbitMQ": _tree_s(site.vhost.broker.pid),
        "the simulation": time.process_time(),
    }


def _thread_s(pid: int, name: str) -> float:
    """Return the CPU seconds of the threads of a process that are called so."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        if (thread / "comm").read_text().startswith(name):
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _tree_s(root: int) -> float:
    """Return the CPU seconds of a process, and of all that descend from it or did."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended meanwhile.
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sum(ticks.get(pid, 0) for pid in tree) / os.sysconf("SC_CLK_TCK")


def _check(server: PostgreSQLServer, site: Site) -> None:
    """Stop where anything is missing or there twice: then the figures are of no worth."""
    name = database_name(site.database)
    [(whole,)] = server.sql(
        "SELECT count(*) FROM sessions WHERE chunks = last_sequence + 1 AND NOT chain_broken",
        name,
    )
    [(rows,)] = server.sql("SELECT count(*) FROM chunks", name)
    if (whole, rows) != (SESSIONS, 4 * SESSIONS):
        raise SystemExit(f"bench: {whole} sessions are whole, of {SESSIONS}; {rows} chunks")


def _stored(server: PostgreSQLServer, site: Site) -> Iterator[Figure]:
    """Yield what a chunk comes to in the database, indexes and dead rows included."""
    name = database_name(site.database)
    [(chunks, indexed)] = server.sql(
        "SELECT count(*), count(*) FILTER (WHERE indexed <> 0) FROM chunks", name
    )
    tables = {"chunks": chunks, "blobs": chunks, "keyframes": indexed, "lines": indexed}
    for table, of in tables.items():
        [(rows, size_bytes)] = server.sql(
            f"SELECT count(*), pg_total_relation_size('{table}') FROM {table}",  # noqa: S608
            name,
        )
        yield Figure(f"{table}: rows for each chunk", int(str(rows)) / int(str(of)))
        kilobytes = int(str(size_bytes)) / int(str(of)) / 1000
        yield Figure(f"{table}: disk for each chunk", kilobytes, "KB")


def _unindexed(server: PostgreSQLServer, site: Site) -> int:
    query = "SELECT count(*) FROM chunks WHERE indexed = 0"
    [(waiting,)] = server.sql(query, database_name(site.database))
    return int(str(waiting))


@contextmanager
def _storage_side(rig: Rig) -> Iterator[tuple[Site, PostgreSQLServer]]:
    """Set up control, and two workers that are not started."""
    # Where a disk is: what lies below /tmp may be memory.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/var/tmp"))
    server, broker = private_server(folder, fsync=True), RabbitMQ()
    try:
        vhost = new_vhost(broker.start())
        site = Site(vhost, rig.target, database=server.empty_database())
        try:
            site.control.state.mkdir()
            site.control.cli("init")
            site.control.start()
            for worker in site.workers:
                worker.state.mkdir()
                shutil.copy(site.control.state / "master.key", worker.state)
            yield site, server
        finally:
            site.remove()
    finally:
        broker.remove()
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
