"""What every request and every answer must be: bounded in size and time, with headers.

A body is read whole before the page sees the request, so that nothing behind this waits for
a slow one.
"""

import asyncio
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 256 * 1024
"""Keys and certificates are the largest things that are sent here."""
BODY_LIMIT_S: Final = 10.0
_MOST_DIGITS: Final = 20

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'wasm-unsafe-eval'",  # The player's terminal is WebAssembly.
            "style-src 'self' 'unsafe-inline'",  # The player sizes itself.
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "media-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CACHED: Final = "public, max-age=31536000, immutable"
"""For what has its version in its path."""


class _TooLargeError(Exception):
    """The body has more bytes than any that is sent here."""


class _LeftError(Exception):
    """The client went away."""


class Limits:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, body_limit_s: float = BODY_LIMIT_S) -> None:
        self._app = app
        self._body_limit_s = body_limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then let the page answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dressed = _with_headers(send)
        try:
            async with asyncio.timeout(self._body_limit_s):
                body = await _read(Headers(scope=scope), receive)
        except _TooLargeError:
            await _refuse(413, f"the request has more than {MAX_BODY_BYTES} bytes", dressed)
        except TimeoutError:
            await _refuse(408, "the request took too long to arrive", dressed)
        except _LeftError:
            return
        else:
            await self._app(scope, _once(body, receive), dressed)


async def _read(headers: Headers, receive: Receive) -> bytes:
    declared = headers.get("content-length", "0")
    is_number = declared.isdecimal() and len(declared) < _MOST_DIGITS
    if not is_number or int(declared) > MAX_BODY_BYTES:
        raise _TooLargeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _LeftError
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    """Hand out `body`, then whatever comes later."""
    waiting = [body]

    async def read() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return read


def _with_headers(send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return dressed


async def _refuse(status: int, why: str, send: Send) -> None:
    answer = PlainTextResponse(why + "\n", status, headers={"Connection": "close"})
    await answer({"type": "http"}, _nothing, send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
