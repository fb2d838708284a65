"""The way to a syslog server: UDP, TCP or TLS.

Syslog has no receipts. On a stream the most that can be known is that the server's
machine acknowledged every byte, so `send` waits for that; a server that dies with
messages in its hands loses them.
"""

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from config.errors import ConfigError
from config.model import AuditSettings
from control.syslog import framed

_POLL_S: Final = 0.01


class SyslogLink(Protocol):
    """An open way to a server."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Return when they are there, as far as can be known; raise `OSError`."""
        ...


@contextlib.asynccontextmanager
async def linked(settings: AuditSettings) -> AsyncIterator[SyslogLink]:
    """Open the way while entered.

    Raises `OSError` where the server cannot be reached (a refused certificate is one,
    too), `ConfigError` where the authority's file cannot be used.
    """
    scheme, _, address = settings.syslog.partition("://")
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if scheme == "udp":
        async with _datagrams(host, int(port)) as link:
            yield link
        return
    context = _context(settings) if scheme == "tls" else None
    async with asyncio.timeout(settings.syslog_timeout_s):
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        yield _Stream(reader, writer, settings.syslog_timeout_s)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


def _context(settings: AuditSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.syslog_ca)
    except OSError as error:
        raise ConfigError(
            f"audit.syslog_ca: {settings.syslog_ca} holds no certificate that can be used "
            f"({error}): name a PEM file"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Stream:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float
    ) -> None:
        self._reader, self._writer, self._timeout_s = reader, writer, timeout_s
        self._socket: socket.socket = writer.get_extra_info("socket")

    async def send(self, messages: Sequence[bytes]) -> None:
        async with asyncio.timeout(self._timeout_s):
            self._still_there()
            self._writer.writelines(map(framed, messages))
            await self._writer.drain()
            while self._unacknowledged_bytes():  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(_POLL_S)
            self._still_there()

    def _unacknowledged_bytes(self) -> int:
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return self._writer.transport.get_write_buffer_size() + int(
            struct.unpack("i", waiting)[0]
        )

    def _still_there(self) -> None:
        if self._reader.at_eof() or self._writer.transport.is_closing():
            raise ConnectionResetError("the server closed the connection")


class _Datagrams:
    def __init__(self, socket_: socket.socket) -> None:
        self._socket = socket_

    async def send(self, messages: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        for one in messages:
            await loop.sock_sendall(self._socket, one)
        # A machine where nobody listens says so in a moment, to whoever asks.
        await asyncio.sleep(_POLL_S)
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "nobody listens")


@contextlib.asynccontextmanager
async def _datagrams(host: str, port: int) -> AsyncIterator[_Datagrams]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as opened:
        opened.setblocking(False)  # noqa: FBT003 - the socket module's own
        await loop.sock_connect(opened, address)
        yield _Datagrams(opened)
