"""The edge of RDP between two sockets: what one end writes the other one reads."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop
from peers.certificates import Authority

from protocols.errors import RemoteProtocolError
from protocols.rdp.leg import READ_BYTES, Leg, LegClosedError

MUCH = os.urandom(5_000_000)
Both = tuple[Leg, Leg]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    folder: Path = tmp_path_factory.mktemp("leg")
    signed = Authority(folder, "ours").sign("leg")
    ours, theirs = (
        ssl.SSLContext(role) for role in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)
    )
    ours.load_cert_chain(signed.certificate, signed.key)
    theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
    return ours, theirs


async def connected() -> Both:
    """Both ends of a connection, the one that was dialled first in saying a word."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Leg] = loop.create_future()
    server = await loop.create_server(lambda: Leg(accepted.set_result), "127.0.0.1", 0)
    _, dialled = await loop.create_connection(Leg, *server.sockets[0].getsockname()[:2])
    near = await accepted
    server.close()
    dialled.write(b"hello")
    return near, dialled


async def accepted_from_a_thread() -> tuple[Leg, socket.socket]:
    """The same, but whoever dialled reads only when told to."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Leg] = loop.create_future()
    server = await loop.create_server(lambda: Leg(accepted.set_result), "127.0.0.1", 0)
    dialled = socket.create_connection(server.sockets[0].getsockname()[:2], timeout=10)
    near = await accepted
    server.close()
    return near, dialled


async def both(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Both:
    """The same under TLS."""
    near, dialled = await connected()
    assert await near.read() == b"hello"
    ours, theirs = contexts
    await asyncio.gather(near.start_tls(ours), dialled.start_tls(theirs))
    return near, dialled


async def everything(leg: Leg, size_bytes: int, *, pause_s: float = 0) -> bytes:
    came = b""
    while len(came) < size_bytes:
        came += await leg.read()
        await asyncio.sleep(pause_s)
    return came


async def much_arrives(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    near, dialled = await both(contexts)
    dialled.write(MUCH)
    assert await everything(near, len(MUCH)) == MUCH
    await dialled.drain()
    near.write(MUCH)
    assert await everything(dialled, len(MUCH), pause_s=0.001) == MUCH
    near.abort()
    with pytest.raises(LegClosedError):
        await dialled.read()


async def a_slow_reader_is_waited_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    near, dialled = await both(contexts)
    near.write(MUCH * 4)
    await asyncio.sleep(0.2)
    first = await dialled.read()
    assert len(first) < 3 * READ_BYTES
    assert first + await everything(dialled, 4 * len(MUCH) - len(first)) == MUCH * 4
    await dialled.close()
    await near.close()


async def last_words_are_read_by_who_goes_on_sending(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    near, dialled = await accepted_from_a_thread()
    ours, theirs = contexts

    def begin() -> ssl.SSLSocket:
        return theirs.wrap_socket(dialled)

    def go_on_sending(peer: ssl.SSLSocket) -> bytes:
        with peer:
            for _ in range(20):
                peer.sendall(bytes(100_000))
            return peer.recv(64)

    peer, _ = await asyncio.gather(asyncio.to_thread(begin), near.start_tls(ours))
    async with asyncio.TaskGroup() as tasks:
        going_on = tasks.create_task(asyncio.to_thread(go_on_sending, peer))
        await near.read()
        near.part(b"last words")
        await near.close()
    assert going_on.result() == b"last words"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(
    "happens",
    [
        much_arrives,
        a_slow_reader_is_waited_for,
        last_words_are_read_by_who_goes_on_sending,
    ],
)
def test_what_is_written_arrives_whole_on_either_loop(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    loop: Callable[[], asyncio.AbstractEventLoop],
    happens: Callable[[tuple[ssl.SSLContext, ssl.SSLContext]], Coroutine[None, None, None]],
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(happens(contexts))


async def test_what_came_before_tls_is_not_taken_for_what_came_under_it(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    near, dialled = await connected()
    await asyncio.sleep(0.05)
    with pytest.raises(RemoteProtocolError, match="before it began"):
        await near.start_tls(contexts[0])
    dialled.abort()
    near.abort()


async def test_what_came_in_pieces_is_read_in_bursts_that_are_not_too_large():
    leg, third = Leg(), READ_BYTES // 3
    for number in range(5):
        buffer = leg.get_buffer(third)
        buffer[:third] = bytes([number]) * third
        leg.buffer_updated(third)
    bursts = [await leg.read(), await leg.read()]
    assert [len(burst) for burst in bursts] == [3 * third, 2 * third]
    assert b"".join(bursts)[::third] == bytes(range(5))
