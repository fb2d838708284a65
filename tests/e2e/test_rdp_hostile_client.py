"""RDP clients that attack before anybody knows who they are."""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.needed import cpu_s, rss_bytes, wait_until
from peers.raw_rdp import (
    CLIENT_USER,
    RawPeer,
    RawTarget,
    from_client,
    guest,
    login_to,
    relayed,
    under_tls,
    walk,
)
from samples.rdp import (
    NLAClient,
    client_blocks,
    client_packets,
    connect_initial,
)

from protocols.rdp.leg import LegClosedError
from protocols.rdp.wire import gcc, mcs
from protocols.rdp.wire.framing import data_packet
from protocols.rdp.wire.ts_request import TSRequest
from protocols.rdp.wire.x224 import ConnectionRequest, Security

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("hung_up")]

MIB = 1024 * 1024
LOGIN_S = 2
REQUEST = ConnectionRequest(protocols=Security.TLS | Security.NLA).write()
_newcomers = itertools.count(1)
SETTINGS = {"PROXYD_RDP__LOGIN_TIMEOUT_S": str(LOGIN_S), "PROXYD_LOG_LEVEL": "debug"}


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    many = {"PROXYD_RDP__SOURCE_PENALTIES": "false", "PROXYD_RDP__MAX_STARTUPS": "40:30:100"}
    return make_daemon(rdp=True, **many, **SETTINGS)


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[RawTarget]:
    made = RawTarget(tmp_path)
    async with made.listening():
        yield made


def asks(source: str, port: int) -> bytes:
    """The first byte of the answer to somebody's request; none where he is not let in."""
    knocking = socket.create_connection(("127.0.0.1", port), 30, (source, 0))
    with knocking, contextlib.suppress(ConnectionError):
        knocking.sendall(REQUEST)
        return knocking.recv(1)
    return b""


async def seconds_to_be_answered(port: int) -> float:
    """How long somebody who comes for the first time waits for the answer to his request."""
    source = f"127.0.1.{next(_newcomers)}"

    def ask() -> float:
        started = time.monotonic()
        assert asks(source, port) == b"\x03"
        return time.monotonic() - started

    return await asyncio.to_thread(ask)


# --- before anybody knows who they are: silence


async def nothing(port: int) -> RawPeer:
    return await guest(port)


async def half_a_request(port: int) -> RawPeer:
    peer = await guest(port)
    await peer.send(REQUEST[:-1])
    return peer


async def a_request_byte_by_byte(port: int) -> RawPeer:
    """Each byte in time, and all of them too late."""
    peer = await guest(port)
    with contextlib.suppress(LegClosedError):
        for byte in b"\x03\x00\xff\xff" + bytes(60):
            await peer.send(bytes([byte]))
            await asyncio.sleep(LOGIN_S / 16)
    return peer


async def no_tls(port: int) -> RawPeer:
    peer = await guest(port)
    await peer.send(REQUEST)
    await peer.read()
    return peer


async def half_a_tls_hello(port: int) -> RawPeer:
    peer = await no_tls(port)
    await peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40))
    return peer


async def no_token(port: int) -> RawPeer:
    return await under_tls(port, Security.NLA)


async def no_second_token(port: int) -> RawPeer:
    peer = await no_token(port)
    token = NLAClient("ntlm").context.step()
    await peer.send(TSRequest(token=token).write())
    await peer.read()
    return peer


async def half_a_token(port: int) -> RawPeer:
    peer = await no_token(port)
    await peer.send(b"\x30\x82\xff\x00" + bytes(60_000))
    return peer


async def no_conference(port: int) -> RawPeer:
    return await under_tls(port)


async def half_a_conference(port: int) -> RawPeer:
    peer = await no_conference(port)
    await peer.send(connect_initial().write()[:-1])
    return peer


async def no_join(port: int) -> RawPeer:
    peer = await no_conference(port)
    await walk(peer, client_packets()[:3])
    return peer


async def no_client_info(port: int) -> RawPeer:
    peer = await no_conference(port)
    await walk(peer, client_packets()[:-1])
    return peer


SILENT = (
    nothing,
    half_a_request,
    a_request_byte_by_byte,
    no_tls,
    half_a_tls_hello,
    no_token,
    no_second_token,
    half_a_token,
    no_conference,
    half_a_conference,
    no_join,
    no_client_info,
)


async def test_who_falls_silent_on_his_way_in_is_cut_in_time(daemon: Daemon):
    async def seconds_until_cut(come: Callable[[int], Awaitable[RawPeer]]) -> float:
        began = time.monotonic()
        peer = await come(daemon.rdp_port)
        assert await peer.is_cut(10), come.__name__
        return time.monotonic() - began

    files = daemon.open_files()
    took = await asyncio.gather(*(seconds_until_cut(come) for come in SILENT))
    by_name = dict(zip((come.__name__ for come in SILENT), took, strict=True))
    assert all(LOGIN_S * 0.9 < one < LOGIN_S + 2 for one in took), by_name
    await asyncio.to_thread(
        # Its database's files are opened once somebody has come.
        wait_until,
        lambda: daemon.open_files() < files + len(SILENT) // 2,
        "files stay open",
    )


# --- before anybody knows who they are: noise


def joins(peer: RawPeer) -> bytes:
    """More joins than there are channels."""
    return mcs.join(CLIENT_USER, 1003) * 40_000


def domains(peer: RawPeer) -> bytes:
    return mcs.erect_domain() * 40_000


def users(peer: RawPeer) -> bytes:
    return mcs.attach_user() * 40_000


@pytest.mark.parametrize("attack", [joins, domains, users])
async def test_a_stranger_cannot_make_others_wait(daemon: Daemon, attack):
    waited_s, spent = 1.0, 0.0
    for _ in range(5):
        peer = await under_tls(daemon.rdp_port)
        await walk(peer, client_packets()[:3])
        before_s = cpu_s(daemon.pid)
        peer.leg.write(attack(peer))
        waited_s = await seconds_to_be_answered(daemon.rdp_port)
        assert await peer.is_cut(1), "it goes on being heard"
        spent = cpu_s(daemon.pid) - before_s
        # Another program may have had the processor then, but not each time.
        if waited_s < 0.25 and spent < 0.2:
            break
    assert waited_s < 0.25
    assert spent < 0.2


TOO_MUCH = {
    "a token larger than any": (Security.NLA, b"\x30\x84\x7f\xff\xff\xff" + bytes(200_000)),
    "a token larger than is taken": (Security.NLA, b"\x30\x83\x02\x00\x00" + bytes(200_000)),
    "a token of a length without end": (Security.NLA, b"\x30\x80" + bytes(1000)),
    "lengths that say too much": (Security.NLA, b"\x30\x06\xa0\x03\x02\x01\x7f\xff"),
    "a conference without end": (
        Security.TLS,
        data_packet(b"\x7f\x65\x84\xff\xff\xff\xff" + bytes(500)),
    ),
    "32 channels": (
        Security.TLS,
        connect_initial(client_blocks((gcc.StaticChannel("a", 0),) * 31))
        .write()
        .replace(
            (31).to_bytes(4, "little") + b"a\0\0\0", (32).to_bytes(4, "little") + b"a\0\0\0"
        ),
    ),
    "channels without their names": (
        Security.TLS,
        connect_initial(
            [
                *client_blocks()[:3],
                (gcc.Block.CLIENT_NETWORK, b"\xff\xff\xff\xff" + bytes(24)),
            ]
        ).write(),
    ),
    "a FastPath packet": (Security.TLS, b"\x00\x85\x00" + bytes(2000)),
    "no packet": (Security.TLS, bytes(range(1, 256)) * 100),
}


@pytest.mark.parametrize(("security", "data"), TOO_MUCH.values(), ids=TOO_MUCH)
async def test_what_is_too_much_is_cut_at_once(daemon: Daemon, security: Security, data: bytes):
    held = rss_bytes(daemon.pid)
    peer = await under_tls(daemon.rdp_port, security)
    peer.leg.write(data)
    began = time.monotonic()
    assert await peer.is_cut(10)
    assert time.monotonic() - began < LOGIN_S / 2
    assert rss_bytes(daemon.pid) - held < 4 * MIB
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert "session.failed" not in log


async def test_31_channels_are_as_many_as_a_client_may_have(daemon: Daemon):
    peer = await under_tls(daemon.rdp_port)
    channels = tuple(gcc.StaticChannel(f"c{number}", 0) for number in range(31))
    await walk(peer, client_packets(channels=channels))
    # It is told that its login is refused, and not cut before.
    assert await peer.is_cut()
    assert mcs.disconnect() in peer.came


# --- many of them


async def test_silent_strangers_cost_little_memory_and_keep_nobody_out(daemon: Daemon):
    begin, strangers = rss_bytes(daemon.pid), 0
    for number in range(3, 8):
        for _ in range(12):
            with contextlib.suppress(OSError, LegClosedError):
                peer = await under_tls(daemon.rdp_port, Security.NLA, f"127.0.0.{number}")
                peer.leg.write(b"\x30\x82\xff\x00" + bytes(60_000))
                strangers += 1
    assert strangers > 20
    assert rss_bytes(daemon.pid) - begin < strangers * 400 * 1024
    assert await seconds_to_be_answered(daemon.rdp_port) < 1


def test_a_flood_from_one_source_keeps_no_other_out(daemon: Daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            idle = socket.create_connection(
                ("127.0.0.1", daemon.rdp_port), 30, ("127.0.0.9", 0)
            )
            stack.enter_context(contextlib.closing(idle))
        for _ in range(5):
            assert asyncio.run(seconds_to_be_answered(daemon.rdp_port)) < 1
    assert "from this source have not authenticated" in daemon.log.read_text()


async def test_who_fails_again_and_again_is_not_let_in_for_a_while(
    make_daemon: MakeDaemon, target: RawTarget
):
    """As OpenSSH does; and nobody else, nor whoever is in, is the worse for it."""
    daemon = await asyncio.to_thread(lambda: make_daemon(rdp=True, **SETTINGS))
    login = await asyncio.to_thread(login_to, daemon, target)
    async with relayed(login, target) as (client, peer):
        for _ in range(4):
            failed = await under_tls(daemon.rdp_port, source="127.0.0.5")
            await walk(failed, client_packets())
            await failed.gone()
        # The last one counts once its connection is over on both sides.
        await asyncio.to_thread(
            wait_until, lambda: not asks("127.0.0.5", daemon.rdp_port), "he is let in"
        )
        assert "this source is being penalised" in daemon.log.read_text()
        assert await seconds_to_be_answered(daemon.rdp_port) < 1
        await client.send(from_client(b"\x0c\0\x17\0" + bytes(8)))
        await peer.until(b"\x0c\0\x17\0")
