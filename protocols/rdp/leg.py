"""One TCP connection of a session: reads, writes, goes over to TLS. The asyncio edge of RDP."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final, cast

from protocols.errors import RemoteProtocolError

READ_BYTES: Final = 256 * 1024
"""What one read takes at most: one burst, one event."""
_CLOSE_S: Final = 2.0
"""How long a peer may take to read our last words."""


class LegClosedError(Exception):
    """The peer is gone."""


class Leg:
    """A stream with a TLS upgrade. Every wait is the caller's to limit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.peer_address: str = str((writer.get_extra_info("peername") or ("unknown",))[0])
        sock = cast("socket.socket | None", writer.get_extra_info("socket"))
        if sock is not None:
            # A key is 20 bytes that nobody wants to wait for.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def keep_alive(self, interval_s: float, count: int) -> None:
        """Let the kernel ask a silent peer for a sign of life, and give it up in time."""
        sock = cast("socket.socket | None", self._writer.get_extra_info("socket"))
        if sock is None:
            return
        interval = max(1, round(interval_s))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, interval)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
        # The same for what was sent and is never acknowledged.
        limit_ms = interval * (count + 1) * 1000
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)

    async def read(self) -> bytes:
        """Return what came; raise `LegClosedError` when nothing will any more."""
        try:
            data = await self._reader.read(READ_BYTES)
        except (OSError, ssl.SSLError) as error:
            raise LegClosedError(str(error)) from error
        if not data:
            raise LegClosedError("the connection was closed")
        return data

    def write(self, data: bytes) -> None:
        """Send without waiting."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken enough; raise `LegClosedError` where it is gone."""
        try:
            await self._writer.drain()
        except (OSError, ssl.SSLError) as error:
            raise LegClosedError(str(error)) from error

    async def start_tls(self, context: ssl.SSLContext, name: str | None = None) -> None:
        """Go over to TLS; raise `RemoteProtocolError` or `LegClosedError`."""
        try:
            await self._writer.start_tls(context, server_hostname=name)
        except ssl.SSLError as error:
            raise RemoteProtocolError(f"TLS: {error.reason or 'failed'}") from error
        except OSError as error:
            raise LegClosedError(str(error)) from error

    @property
    def certificate(self) -> bytes:
        """The peer's certificate, DER, once under TLS."""
        tls = self._writer.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls else None
        if der is None:
            raise RemoteProtocolError("the peer showed no certificate")
        return cast("bytes", der)

    def abort(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Let the peer read our last words, if it does so soon, and close."""
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()
