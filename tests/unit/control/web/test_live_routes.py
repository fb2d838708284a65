"""The sockets of live sessions, as far as they need no engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
from starlette.types import ASGIApp

from control import logins, users
from control.requests import DisableUser
from control.web import live_routes
from control.web.visitor import COOKIE

REFUSED = 4001
FRAME = "websocket.send"


class Socket:
    """A WebSocket as the page sees one; leaves when the test does."""

    def __init__(self, app: ASGIApp, path: str, cookie: str) -> None:
        headers = {
            "host": "bastion.example.org",
            "origin": "https://bastion.example.org",
            "cookie": f"{COOKIE}={cookie}",
        }
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "subprotocols": ["v1.alis"],
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 1),
        }
        self._in: asyncio.Queue[Any] = asyncio.Queue()
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self._serving = asyncio.ensure_future(app(scope, self._in.get, self._out.put))  # noqa: TID251

    async def __aenter__(self) -> "Socket":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(10):
            await self._serving

    async def hears(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind."""
        async with asyncio.timeout(10):
            while (message := await self._out.get())["type"] != kind:
                pass
        return message

    async def closed(self) -> tuple[int, str]:
        message = await self.hears("websocket.close")
        return message["code"], message["reason"]


async def silence(_session_id: UUID) -> AsyncIterator[bytes]:
    await asyncio.sleep(30)
    yield b""


@pytest.fixture
async def watch(app, page, database, session_id, monkeypatch) -> Callable[[str], Socket]:
    """Connects somebody, with a cookie that he got a while ago."""
    monkeypatch.setattr(live_routes, "LOOK_S", 0.05)
    object.__setattr__(page, "follow", silence)
    object.__setattr__(page, "node_loop", asyncio.get_running_loop())
    with database.transaction() as session:
        audrey, now = users.find(session, "audrey").id, page.clock.now()
        cookie = logins.begin(session, audrey, "192.0.2.1", now, second_factor=False)
    return lambda: Socket(app, f"/sessions/{session_id}/live", cookie)


async def test_who_must_show_who_he_is_is_told_so_and_does_not_try_for_ever(watch, clock):
    clock.advance(16 * 60)
    async with watch() as socket:
        reason = "load the page again: it wants your password once more"
        assert await socket.closed() == (REFUSED, reason)


async def test_who_is_shut_out_watches_no_more(watch, page):
    async with watch() as socket:
        await socket.hears(FRAME)
        page.ask(DisableUser(name="audrey"), "adam")
        assert await socket.closed() == (REFUSED, "you are logged out")


async def test_who_watches_for_long_may_come_back_when_the_network_was_gone(
    watch, clock, page, database
):
    async with watch() as socket:
        await socket.hears(FRAME)
        for _ in range(3):
            clock.advance(20 * 60)
            await asyncio.sleep(0.3)
    async with watch() as socket:
        assert await socket.hears(FRAME)
