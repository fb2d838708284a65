"""How fast a long recording opens in a browser, and how fast it is anywhere in it.

Three hours and 50 MB of a terminal that is redrawn all the time, in chunks of 30 s, are put
into a daemon's database, indexed by the daemon, and played in Chromium from its page.
"""

import json
import random
import time
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

from msgspec.structs import replace
from peers.chromium import AUDITOR, Visit, add_auditor
from peers.daemon import Daemon
from peers.needed import program, wait_until
from playwright.sync_api import Page, sync_playwright
from samples.chunks import INFO
from samples.planted import plant

from bench.figures import Figure, quantile
from bench.rig import Rig
from recorder.events import (
    ChannelOpened,
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from recorder.session_info import SessionInfo

_HOURS: Final = 3
_CHUNKS: Final = _HOURS * 120
_CHUNK_MS: Final = 30_000
_SCREENS: Final = 14
"""In a chunk: some 10 KB each."""
_COLUMNS, _ROWS = 200, 50
_GOAL_MS: Final = 500.0
_SHARES: Final = (0.5, 0.99, 0.5, 0.501, 0.5, 0.001, 0.73, 0.31, 0.87, 0.12)


def measure(_rig: Rig) -> list[Figure]:
    """Return how long opening and jumping take, in milliseconds."""
    daemon = Daemon(page=True, PROXYD_SSH__SOURCE_PENALTIES="false")
    try:
        daemon.set_up()
        add_auditor(daemon)
        daemon.stop()
        session_id = uuid4()
        parts = list(_parts(session_id))
        size_bytes = sum(
            len(one.data) for part in parts for one in part if isinstance(one, TargetData)
        )
        plant(daemon.config, session_id, parts)
        begun = time.monotonic()
        daemon.start()
        wait_until(lambda: _is_indexed(daemon), "not indexed", seconds=600, every=1)
        indexed_s = time.monotonic() - begun
        loads, jumps = _played(daemon, session_id)
    finally:
        daemon.remove()
    what = f"{_HOURS} h of {size_bytes / 1e6:.0f} MB"
    return [
        Figure(f"{what}: index", indexed_s, "s"),
        Figure(f"{what}: the player is there", min(loads), "ms", _GOAL_MS),
        Figure("... the slowest of three", max(loads), "ms"),
        Figure("a jump, p50", quantile(jumps, 0.5), "ms"),
        Figure("... the slowest", max(jumps), "ms", _GOAL_MS),
    ]


def _is_indexed(daemon: Daemon) -> bool:
    # Its socket is there a moment after its gateway.
    told = daemon.cli("--output", "json", "status", check=False)
    return told.status == 0 and not json.loads(told.stdout)["unindexed_chunks"]


def _parts(session_id: UUID) -> Iterator[list[KnownEvent]]:
    info = replace(INFO, session_id=session_id)
    numbers = random.Random(7)  # noqa: S311 - the same recording each time
    for number in range(_CHUNKS):
        yield list(_events(number, info, numbers))


def _events(number: int, info: SessionInfo, numbers: random.Random) -> Iterator[KnownEvent]:
    begun_ms = number * _CHUNK_MS
    if number == 0:
        yield SessionStarted(at_ms=0, info=info)
        yield ChannelOpened(at_ms=1, channel=0, kind="session")
        yield TerminalRequested(
            at_ms=2, channel=0, terminal="xterm", columns=_COLUMNS, rows=_ROWS
        )
    for step in range(_SCREENS):
        at_ms = begun_ms + 10 + step * _CHUNK_MS // _SCREENS
        yield ClientData(at_ms=at_ms, channel=0, data=b"top %d\r" % numbers.randrange(999))
        for row, line in enumerate(_screen(numbers)):
            yield TargetData(at_ms=at_ms + row * 20, channel=0, data=line)
    if number == _CHUNKS - 1:
        yield SessionEnded(at_ms=begun_ms + _CHUNK_MS, reason=EndReason.CLIENT_LEFT)


def _screen(numbers: random.Random) -> Iterator[bytes]:
    for row in range(_ROWS):
        words = b" ".join(b"%08x" % numbers.getrandbits(32) for _ in range(20))
        yield b"\x1b[%d;1H\x1b[3%dm%s\x1b[0m\x1b[K" % (row + 1, row % 8, words)


def _played(daemon: Daemon, session_id: UUID) -> tuple[list[float], list[float]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium-headless-shell"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        visit = Visit.begun(browser, daemon, viewport={"width": 1280, "height": 900})
        visit.log_in(*AUDITOR)
        loads = [_load(visit, session_id) for _ in range(3)]
        jumps = [_jump(visit.page, share) for share in _SHARES]
        browser.close()
    return loads, jumps


def _load(visit: Visit, session_id: UUID) -> float:
    page = visit.go(f"/sessions/{session_id}?t=5400")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    return float(page.evaluate(_SHOW))


def _jump(page: Page, share: float) -> float:
    took: Any = page.evaluate(_JUMP, share)
    return float(took)


_FRAMES: Final = "await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
_SHOW: Final = f"""async () => {{
  const page = document.querySelector("[data-play]").page, begun = performance.now();
  await page.show(5400); {_FRAMES}; return performance.now() - begun;
}}"""
"""Everything that opening fetches and draws, without starting the browser's own process."""
_JUMP: Final = f"""async (share) => {{
  const page = document.querySelector("[data-play]").page, begun = performance.now();
  await page.go(share * page.duration); {_FRAMES}; return performance.now() - begun;
}}"""
