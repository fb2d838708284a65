import asyncio
import socket
from collections.abc import Callable

import pytest

from protocols.ssh.farewell import FAREWELL_LIMIT_BYTES, Farewell


async def left(peer_sends: Callable[[socket.socket], bytes]) -> bytes:
    """Leave a peer with a word while it sends; return what it says it has read."""
    accepted: asyncio.Queue[asyncio.Transport] = asyncio.Queue()

    class Unread(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            accepted.put_nowait(transport)

    loop = asyncio.get_running_loop()
    async with await loop.create_server(Unread, "127.0.0.1", 0) as server:
        with socket.create_connection(server.sockets[0].getsockname(), timeout=10) as peer:
            transport = await accepted.get()
            peer.sendall(b"unread")
            transport.write(b"last words")
            Farewell(transport, loop).take(reading=True)
            return await asyncio.to_thread(peer_sends, peer)


async def test_last_words_are_read_by_who_goes_on_sending():
    def go_on_sending(peer: socket.socket) -> bytes:
        peer.sendall(bytes(1024 * 1024))
        return b"".join(iter(lambda: peer.recv(64), b""))

    assert await left(go_on_sending) == b"last words"


async def test_who_never_stops_sending_is_cut_off():
    def never_stop(peer: socket.socket) -> bytes:
        for _ in range(2 * FAREWELL_LIMIT_BYTES // 65536):
            peer.sendall(bytes(65536))
        return b"was never cut off"

    with pytest.raises(OSError, match=r"reset|pipe"):
        await left(never_stop)
