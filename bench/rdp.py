"""What a desktop through proxyd costs: xfreerdp to xrdp, directly, through us and a rival.

Each is run in turn. Bitmaps are not compressed twice for noise (`-compression`, as CPU is
counted there), and are as clients have it by default for text. Many sessions at once are
`bench.rdp_crowd`.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from msgspec import Struct
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import Viewer, rdp_login
from peers.needed import program, wanted
from peers.stopwatch import Screen
from peers.xrdp import XRDP, start_xrdp

from bench import rdp_paint
from bench.cpu import Meter
from bench.figures import Figure, median, quantile
from bench.rdp_crowd import crowd_figures
from bench.rdp_paint import BLUE, RED
from bench.rdp_rival import FreeRDPProxy, built
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


RIVAL = "FreeRDP's proxy"


class Painted(Struct, frozen=True):
    """What crossed while the target painted."""

    mb: float
    seconds: float
    engine_s: float
    """CPU of the thread that relays and of those that keep what was recorded."""
    all_s: float
    """With control, storage and index, which are the same process here."""


class Run(Struct, frozen=True):
    """One round of one way."""

    connect_s: float
    keys_ms: list[float]
    noise: Painted
    text: Painted


Waits = tuple[float, list[float]]
"""How long connecting took, in seconds, and each key, in milliseconds."""


Runs = dict[str, list[Run]]
"""By way."""


class Way(Struct, frozen=True):
    """One way to the desktop."""

    view: Callable[..., Viewer]
    """Takes the display, then words for xfreerdp."""
    meter: Meter | None = None
    """Of the process in between."""

    def spent_s(self) -> tuple[float, float]:
        """Return the CPU of what relays and records, and of the whole process."""
        return (self.meter.engine_s(), self.meter.read_s()) if self.meter else (0, 0)


class Ways:
    """The ways to the desktop, by name."""

    def __init__(self, server: XRDP, daemon: Daemon, rival: FreeRDPProxy | None) -> None:
        account = server.account
        known = (f"/u:{account.name}", f"/p:{account.password}")

        def view(port: int, *needed: str) -> Callable[..., Viewer]:
            return lambda display, *words: Viewer(display, port, *known, *needed, *words)

        login = rdp_login(daemon, "desk")
        self.ways = {"direct": Way(view(server.port))}
        self._meter = Meter(daemon.pid)
        self.ways["proxyd"] = Way(login.view, self._meter)
        if rival is not None:
            self.ways[RIVAL] = Way(view(rival.port, *rival.words), rival.meter)
        self._display = Display()
        self._screen = Screen(self._display.name)

    def close(self) -> None:
        """Take the display away."""
        self._display.remove()
        self._meter.close()

    def waits(self, way: Way) -> Waits:
        """Measure how long one waits."""
        with self._view(way, "-compression") as (_, connect_s):
            return connect_s, [self._key_ms() for _ in range(KEYS)]

    def run(self, way: Way, waits: Waits) -> Run:
        """Measure how much crosses, and what that costs."""
        with self._view(way, "-compression") as (viewer, _):
            noise = self._painted(viewer, way, "n")
        with self._view(way) as (viewer, _):
            text = self._painted(viewer, way, "t")
        return Run(*waits, noise, text)

    @contextmanager
    def _view(self, way: Way, *words: str) -> Iterator[tuple[Viewer, float]]:
        self._display.run("xsetroot", "-solid", "#000000")
        begun_s = time.monotonic()
        viewer = way.view(self._display, *words)
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

    def _painted(self, viewer: Viewer, way: Way, mode: str) -> Painted:
        self._screen.press(mode)
        time.sleep(SETTLE_S)
        before = (_received_mb(viewer), *way.spent_s(), time.monotonic())
        time.sleep(PAINTED_S)
        after = (_received_mb(viewer), *way.spent_s(), time.monotonic())
        self._screen.press("s")
        mb, engine_s, all_s, seconds = (b - a for a, b in zip(before, after, strict=True))
        return Painted(mb, seconds, engine_s, all_s)


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
        program = built()
        with nullcontext() if program is None else FreeRDPProxy(program, server.port) as rival:
            figures = _in_turn(server, daemon, rival)
    finally:
        daemon.remove()
        server.end()
        userland.remove()
    return figures + crowd_figures()


def _in_turn(server: XRDP, daemon: Daemon, rival: FreeRDPProxy | None) -> list[Figure]:
    ways = Ways(server, daemon, rival)
    try:
        # First: for a while after noise the disk is busy with what was recorded of it, and
        # so is whoever shares it.
        waits = [
            {name: ways.waits(way) for name, way in ways.ways.items()} for _ in range(ROUNDS)
        ]
        runs: Runs = {name: [] for name in ways.ways}
        for waited in waits:
            for name, way in ways.ways.items():
                runs[name].append(ways.run(way, waited[name]))
    finally:
        ways.close()
    return [*_waits(runs), *_amounts(runs, "noise"), *_amounts(runs, "text")]


def _waits(runs: Runs) -> Iterator[Figure]:
    for way, kept in runs.items():
        yield Figure(f"rdp: connect, {way}", median(one.connect_s for one in kept), "s")
    for way, kept in runs.items():
        waited_ms = [ms for one in kept for ms in one.keys_ms]
        yield Figure(f"rdp: key to pixel, {way}: p50", median(waited_ms), "ms")
        yield Figure(f"rdp: key to pixel, {way}: p90", quantile(waited_ms, 0.9), "ms")
    added_ms = median(
        median(one.keys_ms) - median(other.keys_ms)
        for one, other in zip(runs["proxyd"], runs["direct"], strict=True)
    )
    yield Figure("rdp: key to pixel, added", added_ms, "ms", ADDED_KEY_MS)


def _amounts(runs: Runs, what: str) -> Iterator[Figure]:
    painted: dict[str, list[Painted]] = {
        way: [getattr(one, what) for one in kept] for way, kept in runs.items()
    }
    rates = {way: median(one.mb / one.seconds for one in kept) for way, kept in painted.items()}
    for way, rate in rates.items():
        yield Figure(f"rdp: {what}, {way}", rate, "MB/s")
    yield Figure(f"rdp: {what}: direct, against proxyd", rates["direct"] / rates["proxyd"])
    ours = median(one.engine_s / one.mb for one in painted["proxyd"])
    whole = median(one.all_s / one.mb for one in painted["proxyd"])
    limit = CPU_S_PER_MB if what == "noise" else None
    yield Figure(f"rdp: {what}: CPU of the engine", ours, "s/MB", limit)
    yield Figure(f"rdp: {what}: CPU of proxyd, storing and indexing too", whole, "s/MB")
    cores = median(one.engine_s / one.seconds for one in painted["proxyd"])
    yield Figure(f"rdp: {what}: CPU of the engine, by time", cores, "cores")
    if RIVAL in painted:
        # By time as well: what was compressed it sends on at its full size.
        rival = median(one.all_s / one.mb for one in painted[RIVAL])
        rival_cores = median(one.all_s / one.seconds for one in painted[RIVAL])
        yield Figure(f"rdp: {what}: CPU of {RIVAL}", rival, "s/MB")
        yield Figure(f"rdp: {what}: CPU of {RIVAL}, by time", rival_cores, "cores")
        yield Figure(f"rdp: {what}: CPU of the engine, against {RIVAL}", ours / rival, "x", 1)


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
