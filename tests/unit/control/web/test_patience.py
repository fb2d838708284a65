"""Connections as uvicorn serves them, by whoever is in no hurry to send or to read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import pytest
import uvicorn
from samples.recordings import until
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from control.web import patience
from control.web.limits import Limits
from control.web.patience import PatientProtocol, PatientSocket

LARGE = 64 * 1024 * 1024
ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answers_at_length(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        is_in = scope["path"] == "/in"
        await send({"type": "websocket.accept" if is_in else "websocket.close"})
        await receive()
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(64):
        body = bytes(LARGE // 64)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Where somebody answers at length, whose patience is short."""
    monkeypatch.setattr(patience, "HEAD_LIMIT_S", 0.3)
    monkeypatch.setattr(patience, "READ_LIMIT_S", 0.3)
    app = Limits(answers_at_length, body_limit_s=0.3)
    config = uvicorn.Config(
        app, http=PatientProtocol, ws=PatientSocket, log_config=None, lifespan="off"
    )
    config.load()
    made = partial(PatientProtocol, config=config, server_state=ServerState(), app_state={})
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    async with asyncio.timeout(20), server:
        yield server.sockets[0].getsockname()[1]
    # Connections close in a later turn of the loop.
    await asyncio.sleep(0.05)


async def test_whoever_sends_slowly_is_not_waited_for(port: int):
    sent = (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nuser")
    heard = []
    for words in sent:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        heard.append((await reader.read())[:13])
        writer.close()
    assert heard == [b"", b"", b"HTTP/1.1 408 "]


async def test_who_stops_reading_an_answer_is_cut_off(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(ASKED)
    await asyncio.sleep(1.5)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(LARGE)
    assert PatientProtocol.from_source == {}
    writer.close()


async def test_who_reads_slowly_is_sent_all_of_it(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKED)
    read = 0
    for _ in range(8):
        read += len(await reader.readexactly(LARGE // 8))
        await asyncio.sleep(0.15)
    assert read == LARGE
    writer.close()


@pytest.mark.parametrize("path", ["in", "refused"])
async def test_a_websocket_counts_for_its_source_until_it_is_closed(port: int, path: str):
    for _ in range(3):
        with contextlib.suppress(InvalidStatus):
            async with connect(f"ws://127.0.0.1:{port}/{path}"):
                assert PatientProtocol.from_source == {"127.0.0.1": 1}
        await until(lambda: not PatientProtocol.from_source)
