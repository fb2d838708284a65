"""What a desktop through proxyd costs: xfreerdp to xrdp, directly and through us, in turn.

Bitmaps are not compressed twice for noise (`-compression`, as CPU is counted there), and are
as clients have it by default for text. Many sessions at once are `bench.rdp_crowd`.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import RDPLogin, Viewer, rdp_login
from peers.needed import program, wanted
from peers.stopwatch import Screen
from peers.xrdp import XRDP, start_xrdp

from bench import rdp_paint
from bench.cpu import Meter
from bench.figures import Figure, median, quantile
from bench.rdp_crowd import crowd_figures
from bench.rdp_paint import BLUE, RED
from bench.rig import Rig

ROUNDS = wanted("PROXYD_RDP_ROUNDS", 3)
PAINTED_S = 4.0
SETTLE_S = 1.0
KEYS = 25
ADDED_KEY_MS = 3.0
CPU_S_PER_MB = 0.010
_CORNER = (50, 50)
_MB = 1e6

START = """\
#!/bin/sh
exec /usr/bin/python3 "$HOME/paint.py"
"""


class Painted(Struct, frozen=True):
    """What crossed while the target painted."""

    mb: float
    seconds: float
    engine_s: float
    """CPU of the thread that relays and of those that keep what was recorded."""
    all_s: float
    """With control, storage and index, which are the same process here."""


class Run(Struct, frozen=True):
    """One connection."""

    connect_s: float
    keys_ms: list[float]
    noise: Painted
    text: Painted


class Ways:
    """The two ways to the desktop."""

    def __init__(self, server: XRDP, daemon: Daemon) -> None:
        self._server, self._meter = server, Meter(daemon.pid)
        self._login: RDPLogin = rdp_login(daemon, "desk")
        self._display = Display()
        self._screen = Screen(self._display.name)

    def close(self) -> None:
        """Take the display away."""
        self._display.remove()
        self._meter.close()

    def run(self, way: str) -> Run:
        """Measure one way."""
        with self._view(way, "-compression") as (viewer, connect_s):
            keys_ms = [self._key_ms() for _ in range(KEYS)]
            noise = self._painted(viewer, way, "n")
        with self._view(way) as (viewer, _):
            text = self._painted(viewer, way, "t")
        return Run(connect_s, keys_ms, noise, text)

    @contextmanager
    def _view(self, way: str, *words: str) -> Iterator[tuple[Viewer, float]]:
        self._display.run("xsetroot", "-solid", "#000000")
        begun_s = time.monotonic()
        if way == "proxyd":
            viewer = self._login.view(self._display, *words)
        else:
            account = self._server.account
            credential = (f"/u:{account.name}", f"/p:{account.password}")
            viewer = Viewer(self._display, self._server.port, *credential, *words)
        try:
            self._screen.wait_for(*_CORNER, RED, BLUE)
            connect_s = time.monotonic() - begun_s
            time.sleep(SETTLE_S)
            yield viewer, connect_s
        finally:
            viewer.close()
            time.sleep(SETTLE_S)

    def _key_ms(self) -> float:
        other = RED if self._screen.pixel(*_CORNER) == BLUE else BLUE
        self._screen.press("a")
        waited_ms = self._screen.wait_for(*_CORNER, other) * 1000
        time.sleep(0.05)
        return waited_ms

    def _painted(self, viewer: Viewer, way: str, mode: str) -> Painted:
        self._screen.press(mode)
        time.sleep(SETTLE_S)
        before = (_received_mb(viewer), *self._spent_s(way), time.monotonic())
        time.sleep(PAINTED_S)
        after = (_received_mb(viewer), *self._spent_s(way), time.monotonic())
        self._screen.press("s")
        mb, engine_s, all_s, seconds = (b - a for a, b in zip(before, after, strict=True))
        return Painted(mb, seconds, engine_s, all_s)

    def _spent_s(self, way: str) -> tuple[float, float]:
        return (self._meter.engine_s(), self._meter.read_s()) if way == "proxyd" else (0, 0)


def measure(rig: Rig) -> list[Figure]:
    """Measure both ways in turn, then many sessions."""
    del rig
    userland, server = start_xrdp()
    daemon = Daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false")
    try:
        server.write("startwm.sh", START)
        shutil.copy(Path(rdp_paint.__file__), server.account.home / "paint.py")
        daemon.set_up()
        account = server.account
        where = ("--port", str(server.port), "--username", account.name, "--password-stdin")
        daemon.add_target("desk", *where, typed=account.password + "\n", protocol="rdp")
        figures = _in_turn(server, daemon)
    finally:
        daemon.remove()
        server.end()
        userland.remove()
    return figures + crowd_figures()


def _in_turn(server: XRDP, daemon: Daemon) -> list[Figure]:
    ways = Ways(server, daemon)
    try:
        runs: dict[str, list[Run]] = {"direct": [], "proxyd": []}
        for _ in range(ROUNDS):
            for way, kept in runs.items():
                kept.append(ways.run(way))
    finally:
        ways.close()
    return [*_waits(runs), *_amounts(runs)]


def _waits(runs: dict[str, list[Run]]) -> Iterator[Figure]:
    direct, ours = runs["direct"], runs["proxyd"]
    for way, kept in runs.items():
        yield Figure(f"rdp: connect, {way}", median(one.connect_s for one in kept), "s")
    keys = {way: [ms for one in kept for ms in one.keys_ms] for way, kept in runs.items()}
    for way, waited_ms in keys.items():
        yield Figure(f"rdp: key to pixel, {way}: p50", median(waited_ms), "ms")
        yield Figure(f"rdp: key to pixel, {way}: p90", quantile(waited_ms, 0.9), "ms")
    added_ms = median(
        median(one.keys_ms) - median(other.keys_ms)
        for one, other in zip(ours, direct, strict=True)
    )
    yield Figure("rdp: key to pixel, added", added_ms, "ms", ADDED_KEY_MS)


def _amounts(runs: dict[str, list[Run]]) -> Iterator[Figure]:
    for what in ("noise", "text"):
        rates: dict[str, float] = {}
        for way, kept in runs.items():
            painted: list[Painted] = [getattr(one, what) for one in kept]
            rates[way] = median(one.mb / one.seconds for one in painted)
            yield Figure(f"rdp: {what}, {way}", rates[way], "MB/s")
        yield Figure(f"rdp: {what}: direct, against proxyd", rates["direct"] / rates["proxyd"])
        ours: list[Painted] = [getattr(one, what) for one in runs["proxyd"]]
        limit = CPU_S_PER_MB if what == "noise" else None
        engine = median(one.engine_s / one.mb for one in ours)
        whole = median(one.all_s / one.mb for one in ours)
        yield Figure(f"rdp: {what}: CPU of the engine", engine, "s/MB", limit)
        yield Figure(f"rdp: {what}: CPU of proxyd, storing and indexing too", whole, "s/MB")


def _received_mb(viewer: Viewer) -> float:
    """Return what xfreerdp's connection has brought it."""
    done = subprocess.run(
        [program("ss"), "-tinpHO", "state", "established"],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        if f"pid={viewer.process.pid}," in line and "bytes_received:" in line:
            return int(line.split("bytes_received:")[1].split()[0]) / _MB
    raise SystemExit(f"bench: xfreerdp has no connection: {viewer.said[-300:]}")
