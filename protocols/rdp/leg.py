"""One TCP connection of a session: reads, writes, goes over to TLS. The asyncio edge of RDP."""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from protocols.errors import RemoteProtocolError

READ_BYTES: Final = 256 * 1024
"""So much may wait to be read; as much of it as fits into this is one burst, one event."""
_PLAIN_BYTES: Final = 16 * 1024
"""For a read without TLS: a handshake's first words."""
_CLOSE_S: Final = 2.0
"""How long a peer may take to read our last words."""


class LegClosedError(Exception):
    """The peer is gone."""


class Leg(asyncio.BufferedProtocol):
    """A stream with a TLS upgrade. Every wait on the peer is the caller's to limit.

    TLS decrypts into a buffer of ours: what a session shows is copied as rarely as may be.
    """

    def __init__(self, accepted: Callable[["Leg"], None] | None = None) -> None:
        """Tell `accepted` of a connection that a client made; None where we dial."""
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._came: deque[bytes] = deque()
        self._came_bytes = 0
        self._reading = True
        self._waiter: asyncio.Future[None] | None = None
        """Of whoever reads."""
        self._room = asyncio.Event()
        self._room.set()
        self._parting = False
        """Whether what comes is not heard any more."""
        self._gone = False
        """Whether nothing will come any more."""
        self._lost = asyncio.Event()
        self._why = "the connection was closed"
        self.peer_address = "unknown"

    # --- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self.peer_address = str((transport.get_extra_info("peername") or ("unknown",))[0])
        if self._socket is not None:
            # A key is 20 bytes that nobody wants to wait for.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._accepted is not None:
            self._accepted(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes."""
        size_bytes = sizehint if sizehint > 0 else _PLAIN_BYTES
        if len(self._buffer) < size_bytes:
            self._buffer = bytearray(size_bytes)
        # asyncio writes into slices of it: those of a bytearray would be copies.
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        if self._parting:
            return
        with memoryview(self._buffer) as buffer:
            self._came.append(bytes(buffer[:nbytes]))
        self._came_bytes += nbytes
        if self._came_bytes >= READ_BYTES and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Let the transport close: nobody sends half a connection."""
        self._gone = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits."""
        if error is not None:
            self._why = str(error)
        self._gone = True
        self._lost.set()
        self._room.set()
        self._wake()

    def pause_writing(self) -> None:
        """Have writers wait."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._room.set()

    # --- what a session calls

    def keep_alive(self, interval_s: float, count: int) -> None:
        """Let the kernel ask a silent peer for a sign of life, and give it up in time."""
        sock = self._socket
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
        while not self._came:
            if self._gone:
                raise LegClosedError(self._why)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        burst = [self._came.popleft()]
        size_bytes = len(burst[0])
        while self._came and size_bytes + len(self._came[0]) <= READ_BYTES:
            burst.append(self._came.popleft())
            size_bytes += len(burst[-1])
        self._came_bytes -= size_bytes
        if not self._reading and not self._came and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        return burst[0] if len(burst) == 1 else b"".join(burst)

    def write(self, data: bytes) -> None:
        """Send without waiting."""
        if self._transport is not None:
            self._transport.write(data)

    @property
    def has_room(self) -> bool:
        """Whether `drain` would return at once."""
        return self._room.is_set()

    async def drain(self) -> None:
        """Wait until the peer has taken enough; raise `LegClosedError` where it is gone."""
        await self._room.wait()
        if self._gone:
            raise LegClosedError(self._why)

    async def start_tls(self, context: ssl.SSLContext, name: str | None = None) -> None:
        """Go over to TLS; raise `RemoteProtocolError` or `LegClosedError`."""
        if self._transport is None or self._gone:
            raise LegClosedError(self._why)
        if self._came:
            # Else it would be taken for something that came under TLS.
            raise RemoteProtocolError("TLS: the peer went on before it began")
        plain, is_ours = self._transport, self._accepted is not None
        # What comes at once behind TLS's last message pauses neither the one nor the other.
        self._transport = None
        loop = asyncio.get_running_loop()
        try:
            under_tls = await loop.start_tls(
                plain, self, context, server_side=is_ours, server_hostname=name
            )
        except ssl.SSLError as error:
            raise RemoteProtocolError(f"TLS: {error.reason or 'failed'}") from error
        except OSError as error:
            raise LegClosedError(str(error)) from error
        finally:
            self._transport = plain
        if under_tls is None:
            raise LegClosedError(self._why)
        self._transport = under_tls

    @property
    def certificate(self) -> bytes:
        """The peer's certificate, DER, once under TLS."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport else None
        der = tls.getpeercert(binary_form=True) if tls else None
        if der is None:
            raise RemoteProtocolError("the peer showed no certificate")
        return cast("bytes", der)

    def abort(self) -> None:
        """Close at once."""
        # Python before 3.11.5 cannot abort TLS that is over.
        if self._transport is not None and not self._lost.is_set():
            self._transport.abort()

    def part(self, words: bytes) -> None:
        """Say last words, upon which the peer is to hang up, and hear it no more."""
        self.write(words)
        self._parting = True
        self._came.clear()
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()

    async def close(self) -> None:
        """Let the peer read our last words, if it does so soon, and close."""
        if self._transport is None:
            return
        if self._parting:
            # To close over what was not read is to reset, and that takes away what the peer
            # has not read either: on Windows all of it, elsewhere from who finds it sending.
            await self._lost_soon()
        self._transport.close()
        await self._lost_soon()
        self.abort()

    async def _lost_soon(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._lost.wait()

    @property
    def _socket(self) -> socket.socket | None:
        transport = self._transport
        found = transport.get_extra_info("socket") if transport is not None else None
        return cast("socket.socket | None", found)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
