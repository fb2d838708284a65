"""The end of a connection whose peer is to read what it was sent last.

A socket that is closed over what it has not read is reset, and a reset takes from the peer
what it has not read either (RFC 9293 section 3.10.4, RFC 2525 section 2.17). So a peer that
may be sending is heard, and what it says thrown away, until it hangs up.
"""

import asyncio
import contextlib
from typing import Final

FLUSH_LIMIT_S: Final = 30
"""How long a peer may take to read what it was sent."""
FAREWELL_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""What a peer may still send while it is to read that it is over."""


class Farewell(asyncio.Protocol):
    """Takes a transport over from the protocol whose connection ends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._limit = loop.call_later(FLUSH_LIMIT_S, transport.abort)
        self._left_bytes = FAREWELL_LIMIT_BYTES

    def take(self, *, reading: bool) -> None:
        """Close once all is sent; `reading` says to wait until the peer hangs up, too."""
        self._transport.set_protocol(self)
        if not reading:
            self._transport.close()
        elif not self._transport.is_closing():
            # Where the peer is gone already, reading finds out.
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Throw away what comes too late, unless it never ends."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the time limit."""
        self._limit.cancel()
