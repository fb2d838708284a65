"""Many desktops at once, by clients and targets that cost little.

What a session keeps in memory, and how late pictures come while all show video, against how
late they come where clients and targets talk directly, in the same run. Both are in a process
of their own, `python -m bench.rdp_crowd`, and draw nothing: xfreerdp and Xorg for each of 25
would leave no processor to measure on. To proxyd they speak as real ones do, with NLA, by
this repository's own machines.
"""

import asyncio
import contextlib
import json
import random
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

from peers.certificates import Authority
from peers.daemon import Daemon
from peers.freerdp import rdp_login
from peers.light_rdp import connected, log_on
from peers.needed import environment, rss_bytes
from samples.rdp import ScriptedTarget

from bench import ROOT
from bench.cpu import Meter
from bench.figures import Figure, median, quantile
from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs
from protocols.rdp.wire.framing import Splitter

SESSIONS: Final = 25
MBIT_PER_S: Final = 2.0
SHOWN_S: Final = 10.0
LIMIT_MIB: Final = 2.0
ADDED_MS: Final = 20.0
"""Half of them come so much later than directly at most: a hand notices five times that."""
_PDU_BYTES: Final = 8192
_STAMP: Final = slice(16, 24)
"""Behind the headers of an update on the IO channel: when it was sent, in nanoseconds."""
_UPDATE_HEADER: Final = (16 + 8 + _PDU_BYTES).to_bytes(2, "little") + bytes.fromhex(
    "1700ea03ea030000000100000200"
)
"""[MS-RDPBCGR] 2.2.8.1.1.1.2, of an update."""
_INFO: Final = 0x0040
_CONNECTION_REQUEST: Final = 0xE0
_CONNECT_INITIAL: Final = b"\x7f"


def crowd_figures() -> list[Figure]:
    """Open the sessions, leave them alone, then let all of them show something."""
    daemon = Daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false")
    try:
        daemon.set_up()
        with subprocess.Popen(
            [sys.executable, "-m", "bench.rdp_crowd", str(daemon.folder), str(daemon.rdp_port)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as crowd:
            try:
                return _measured(daemon, crowd)
            finally:
                crowd.kill()
    finally:
        daemon.remove()


def _measured(daemon: Daemon, crowd: "subprocess.Popen[str]") -> list[Figure]:
    port = _heard(crowd)["port"]
    where = ("--port", str(port), "--username", "light", "--password-stdin")
    daemon.add_target("light", *where, typed="light\n", protocol="rdp")
    login = rdp_login(daemon, "light")
    _tell(crowd, {"username": login.username, "password": login.password})
    direct_ms = _heard(crowd)["late_ms"]
    base_bytes = rss_bytes(daemon.pid)
    _tell(crowd, {})
    _heard(crowd)
    time.sleep(3)
    mib = (rss_bytes(daemon.pid) - base_bytes) / 2**20 / SESSIONS
    meter = Meter(daemon.pid)
    engine_s, whole_s = meter.engine_s(), meter.read_s()
    _tell(crowd, {})
    late_ms = _heard(crowd)["late_ms"]
    cores = [(meter.engine_s() - engine_s) / SHOWN_S, (meter.read_s() - whole_s) / SHOWN_S]
    meter.close()
    what = f"rdp: {SESSIONS} sessions at {MBIT_PER_S:g} Mbit/s"
    return [
        Figure(f"rdp: memory per idle session, {SESSIONS} sessions", mib, "MiB", LIMIT_MIB),
        Figure(f"{what}: late p50, direct", median(direct_ms), "ms"),
        Figure(f"{what}: late p99, direct", quantile(direct_ms, 0.99), "ms"),
        Figure(f"{what}: late p50, added", median(late_ms) - median(direct_ms), "ms", ADDED_MS),
        Figure(f"{what}: late p99", quantile(late_ms, 0.99), "ms"),
        Figure(f"{what}: CPU of the engine", cores[0], "cores"),
        Figure(f"{what}: CPU of proxyd, storing and indexing too", cores[1], "cores"),
    ]


def _tell(crowd: "subprocess.Popen[str]", message: dict[str, str]) -> None:
    assert crowd.stdin is not None
    crowd.stdin.write(json.dumps(message) + "\n")
    crowd.stdin.flush()


def _heard(crowd: "subprocess.Popen[str]") -> dict[str, Any]:
    assert crowd.stdout is not None
    heard: dict[str, Any] = json.loads(crowd.stdout.readline())
    return heard


# --- the other process


class Target:
    """Takes every login, then sends what it is told to."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.legs: list[Leg] = []
        self._serving: set[asyncio.Task[None]] = set()
        self.opened = asyncio.Semaphore(0)
        """Is released by each session that stands."""

    def accept(self, leg: Leg) -> None:
        """Take a connection."""
        task = asyncio.get_running_loop().create_task(self._serve(leg))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, leg: Leg) -> None:
        """Be the target of one session."""
        scripted = ScriptedTarget()
        leg.write(scripted.answer(await leg.read()))
        await leg.start_tls(self._context)
        while not _is_info(scripted.heard[-1]):
            leg.write(scripted.answer(await leg.read()))
        self.legs.append(leg)
        self.opened.release()
        with contextlib.suppress(LegClosedError):
            while True:
                await leg.read()

    async def show(self) -> None:
        """Send every client its share, stamped, for a while."""
        pause_s = _PDU_BYTES * 8 / (MBIT_PER_S * 1e6)
        async with asyncio.timeout(SHOWN_S), asyncio.TaskGroup() as tasks:
            for number, leg in enumerate(self.legs):
                tasks.create_task(_show(leg, pause_s, number / len(self.legs)))


async def _show(leg: Leg, pause_s: float, share: float) -> None:
    due_s = time.monotonic() + share * pause_s
    filling = random.randbytes(_PDU_BYTES)  # noqa: S311 - noise
    while True:
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        stamp = time.monotonic_ns().to_bytes(8, "little")
        data = _UPDATE_HEADER + stamp + filling
        leg.write(mcs.send_indication(mcs.USER_BASE + 1, IO_CHANNEL, data))
        due_s += pause_s


def _is_info(packet: bytes) -> bool:
    if packet[5] == _CONNECTION_REQUEST or packet[7:8] == _CONNECT_INITIAL:
        return False
    number, _ = mcs.domain_of(packet)
    if number != mcs.Domain.SEND_DATA_REQUEST:
        return False
    start = mcs.read_sent(packet).offset
    return bool(packet[start] & _INFO)


async def _client(port: int, username: str, password: str, late_ms: list[float]) -> None:
    """Log on with NLA, then note how late what comes is."""
    leg = await connected(port)
    try:
        await log_on(leg, username, password)
        await _watch(leg, late_ms)
    finally:
        leg.abort()


async def _watch(leg: Leg, late_ms: list[float]) -> None:
    splitter = Splitter()
    while True:
        for packet in splitter.feed(await leg.read()):
            start = mcs.read_sent(packet).offset
            sent_ns = int.from_bytes(packet[start:][_STAMP], "little")
            late_ms.append((time.monotonic_ns() - sent_ns) / 1e6)


async def _crowd(folder: Path, port: int) -> None:
    signed = Authority(folder, "crowd").sign("light")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    target = Target(context)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Leg(target.accept), "127.0.0.1", 0)
    _say({"port": server.sockets[0].getsockname()[1]})
    login = await asyncio.to_thread(_told)
    own_port = server.sockets[0].getsockname()[1]
    async with _Clients(target, own_port, login) as direct:
        await direct.open(SESSIONS)
        direct_ms = await direct.watch()
    async with _Clients(target, port, login) as clients:
        # The first one makes the daemon load what every session needs.
        await clients.open(1)
        _say({"late_ms": direct_ms})
        await asyncio.to_thread(_told)
        await clients.open(SESSIONS)
        _say({})
        await asyncio.to_thread(_told)
        _say({"late_ms": await clients.watch()})
        await asyncio.to_thread(_told)


class _Clients:
    """Clients of one way to the target."""

    def __init__(self, target: Target, port: int, login: dict[str, str]) -> None:
        self._target, self._port, self._login = target, port, login
        self._late_ms: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)
        self._target.legs.clear()

    async def open(self, count: int) -> None:
        """Have so many more log on."""
        for _ in range(count):
            new = _client(self._port, **self._login, late_ms=self._late_ms)
            self._tasks.add(self._group.create_task(new))
            await self._target.opened.acquire()

    async def watch(self) -> list[float]:
        """Return how late everything came, while all are shown something."""
        try:
            await self._target.show()
        except TimeoutError:
            return self._late_ms
        raise AssertionError("it shows for ever")


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _told() -> dict[str, str]:
    told: dict[str, str] = json.loads(sys.stdin.readline())
    return told


if __name__ == "__main__":
    asyncio.run(_crowd(Path(sys.argv[1]), int(sys.argv[2])))
