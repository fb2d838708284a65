"""How long the list of 100 000 sessions takes, and a search through 1 000 hours of them.

Makes the data itself: two hundred lines an hour, none like another.
"""

import asyncio
import datetime as dt
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
from sqlalchemy import insert

from bench.figures import Figure, median
from bench.rig import Rig
from config.model import Settings
from control.live import NoLiveSessions
from control.live_requests import LivePicture
from control.log_in import LogIn
from control.offline import open_operations
from control.operations import ControlNode
from control.passkeys import Passkeys
from control.playback import Playback
from control.state_dir import Initialiser
from control.web.app import make_app
from control.web.page import Page
from control.web.recordings import Recordings
from proxyd.page import ASSETS
from recorder.clock import SystemClock
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.reader import Reader
from storage.search import Search
from storage.tables import LineRow, SessionRow

SESSIONS: Final = 100_000
LIMIT_MS: Final = 300
HOURS: Final = 1000
LINES_AN_HOUR: Final = 200
SEARCH_LIMIT_MS: Final = 1000
_WORDS: Final = (
    *("systemctl", "status", "nginx", "active", "running", "since", "error", "failed", "sudo"),
    *("connection", "refused", "kernel", "usb", "disk", "mounted", "ext4", "cat", "grep", "ls"),
    *("permission", "denied", "root", "docker", "image", "pulled", "postgres", "select", "row"),
)
_ROUNDS: Final = 7
_ADMIN: Final = ("root", "Correct-Horse-9-Battery")
_BEGAN: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_SITES: Final = ("paris", "lyon", "oslo")


def measure(_rig: Rig) -> list[Figure]:
    """Return how long a page of the list takes: the first, one in the middle, filtered."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state_dir=Path(folder) / "state")
        Initialiser(settings, SystemClock()).run(*_ADMIN)
        return asyncio.run(_measure(settings))


async def _measure(settings: Settings) -> list[Figure]:
    with open_operations(settings, NoLiveSessions()) as operations:
        node = operations.node
        with node.database.transaction() as session:
            session.execute(insert(SessionRow), [_row(number) for number in range(SESSIONS)])
        _write_lines(node.database)
        page = Page(
            operations=operations,
            log_in=LogIn(node.database, node.vault, node.clock),
            passkeys=Passkeys(node.vault, "localhost"),
            database=node.database,
            vault=node.vault,
            recordings=_recordings(node),
            clock=node.clock,
            host="localhost",
            rdp_signer=lambda: None,
            require_second_factor=False,
            not_ready=list,
            follow=_nobody,
            pictures=_no_picture,
            node_loop=asyncio.get_running_loop(),
        )
        transport = httpx.ASGITransport(make_app(page, ASSETS))
        async with httpx.AsyncClient(transport=transport, base_url="https://x") as browser:
            name, password = _ADMIN
            await browser.post("/login", data={"username": name, "password": password})
            middle = UUID(int=SESSIONS // 2)
            return [
                await _timed(browser, "first page", ""),
                await _timed(browser, "a page in the middle", f"?after={middle}"),
                await _timed(browser, "one user of 500", "?user=user123"),
                await _timed(browser, "by RDP, lost: one in 3000", "?protocol=rdp&state=lost"),
                await _timed(browser, "a filter that nothing fits", "?site=nowhere&state=lost"),
                await _searched(browser, "a word that is everywhere", "systemctl"),
                await _searched(browser, "one line of 200 000", "needle-500-77"),
                await _searched(browser, "what nobody typed", "no such thing"),
            ]


def _recordings(node: ControlNode) -> Recordings:
    reader = Reader(node.database, DatabaseBlobs())
    return Recordings(
        database=node.database,
        playback=Playback(reader, Search(node.database), node.keys),
        export=lambda *_: iter(()),
        clock=node.clock,
    )


async def _timed(browser: httpx.AsyncClient, name: str, query: str) -> Figure:
    took_ms = await _took_ms(browser, query)
    return Figure(f"list of {SESSIONS} sessions: {name}", took_ms, "ms", LIMIT_MS)


async def _searched(browser: httpx.AsyncClient, name: str, text: str) -> Figure:
    took_ms = await _took_ms(browser, f"?q={text}")
    return Figure(f"search of {HOURS} hours: {name}", took_ms, "ms", SEARCH_LIMIT_MS)


async def _took_ms(browser: httpx.AsyncClient, query: str) -> float:
    took_ms = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        (await browser.get(f"/sessions{query}")).raise_for_status()
        took_ms.append((time.perf_counter() - began) * 1000)
    return median(took_ms)


def _write_lines(database: Database) -> None:
    chance = random.Random(1)  # noqa: S311 - the same data every time
    for hour in range(HOURS):
        rows = [
            {
                "session_id": UUID(int=hour * (SESSIONS // HOURS)),
                "sequence": 0,
                "at_ms": number * 3600,
                "kind": "output" if number % 5 else "command",
                "channel": 0,
                "text": f"needle-{hour}-{number} " + " ".join(chance.choices(_WORDS, k=9)),
            }
            for number in range(LINES_AN_HOUR)
        ]
        with database.transaction() as session:
            session.execute(insert(LineRow), rows)


def _row(number: int) -> dict[str, object]:
    began = _BEGAN + dt.timedelta(minutes=number)
    return {
        "id": UUID(int=number),
        "protocol": "ssh" if number % 3 else "rdp",
        "state": "finished" if number % 1000 else "lost",
        "user": f"user{number % 500}",
        "secret": f"secret{number % 2000}",
        "target": "10.0.0.5:22",
        "site": _SITES[number % 3],
        "engine": "engine-1",
        "client_address": "192.0.2.1",
        "started_at": began,
        "ended_at": began + dt.timedelta(minutes=9),
        "end_reason": "client_left",
        "chunks": 18,
        "input_bytes": 1000,
        "output_bytes": 100_000,
        "chain_broken": False,
        "signed": True,
    }


async def _no_picture(_session_id: UUID) -> AsyncIterator[LivePicture]:
    nothing: tuple[LivePicture, ...] = ()
    for picture in nothing:
        yield picture


async def _nobody(_session_id: UUID) -> AsyncIterator[bytes]:
    nobody: tuple[bytes, ...] = ()
    for body in nobody:
        yield body
