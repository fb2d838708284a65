import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from control.web.limits import MAX_BODY_BYTES, Limits


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@pytest.fixture
def client():
    transport = httpx.ASGITransport(Limits(echo, body_limit_s=0.05))
    return httpx.AsyncClient(transport=transport, base_url="https://x")


async def test_a_body_is_handed_on_whole(client):
    answer = await client.post("/", content=b"x" * MAX_BODY_BYTES)
    assert answer.text == str(MAX_BODY_BYTES)
    assert answer.headers["x-frame-options"] == "DENY"


async def pieces(count: int, pause_s: float = 0):
    for _ in range(count):
        await asyncio.sleep(pause_s)
        yield b"x" * 1024


async def test_a_body_that_does_not_say_how_large_it_is_is_counted(client):
    answer = await client.post("/", content=pieces(MAX_BODY_BYTES // 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("declared", [str(MAX_BODY_BYTES + 1), "-1", "many", "9" * 5000])
async def test_a_body_that_says_it_is_too_large_is_not_read(client, declared):
    answer = await client.post("/", content=b"", headers={"content-length": declared})
    assert answer.status_code == 413


async def test_a_body_that_does_not_come_is_not_waited_for(client):
    assert (await client.post("/", content=pieces(3, 0.04))).status_code == 408
