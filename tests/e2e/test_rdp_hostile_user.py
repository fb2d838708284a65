"""RDP users that attack: who has logged on breaks the protocol, or the memory of others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.freerdp import RDPLogin
from peers.needed import rss_bytes, wait_until
from peers.raw_rdp import (
    CLIENT_CLIPBOARD,
    CLIENT_USER,
    TARGET_CLIPBOARD,
    RawPeer,
    RawTarget,
    from_client,
    from_target,
    login_to,
    painted,
    relayed,
)
from samples.rdp import client_packets, connect_initial, share

from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.virtual_channel import pieces

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("hung_up")]

MIB = 1024 * 1024
FLOOD_BYTES = 40 * MIB
"""Of 64 MiB: what waits for the disk, and segments being sealed and stored, but no more."""


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    return make_daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false", PROXYD_LOG_LEVEL="debug")


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[RawTarget]:
    made = RawTarget(tmp_path)
    async with made.listening():
        yield made


@pytest.fixture
async def login(daemon: Daemon, target: RawTarget) -> RDPLogin:
    return await asyncio.to_thread(login_to, daemon, target)


def piece(data: bytes, whole_bytes: int, flags: int) -> bytes:
    """A piece on the clipboard's channel."""
    header = whole_bytes.to_bytes(4, "little") + flags.to_bytes(4, "little")
    return from_client(header + data, CLIENT_CLIPBOARD)


BROKEN = {
    "a channel that nobody joined": [from_client(b"x", 1020)],
    "the last channel number": [from_client(b"x", 0xFFFF)],
    "another user": [mcs.send_request(1001, 1003, share(7, bytes(12)))],
    "another Client Info": [client_packets()[-1]],
    "a conference": [connect_initial().write()],
    "a join": [mcs.join(CLIENT_USER, 1003)],
    "a PDU of a target": [mcs.send_indication(CLIENT_USER, 1003, share(7, bytes(12)))],
    "capabilities of nothing": [from_client(share(3, b""))],
    "capabilities without end": [from_client(share(3, b"\xff" * 900))],
    "no packet": [b"\x01\x02\x03"],
    "a FastPath packet of nothing": [b"\x04\x80\x00"],
    "a piece in the middle": [piece(b"x" * 100, 1000, 0)],
    "a message larger than it says": [piece(b"x" * 100, 10, 1)],
    "a message of no end": [piece(b"x" * 100, 0xFFFF_FFFF, 1), piece(b"x" * 100, 1, 2)],
    "a list of formats without end": [
        piece(b"\x02\0\0\0\xff\xff\xff\x7f" + bytes(1500), 0x7FFF_FFFF, 1),
        *[piece(bytes(1600), 0x7FFF_FFFF, 0)] * 2000,
    ],
    "compressed pieces": [piece(b"x", 1, 0x0020_0003)],
}


@pytest.mark.parametrize("packets", BROKEN.values(), ids=BROKEN)
async def test_a_client_that_breaks_the_protocol_ends_its_own_session(
    daemon: Daemon, login: RDPLogin, target: RawTarget, packets: list[bytes]
):
    held = rss_bytes(daemon.pid)
    async with relayed(login, target) as (client, peer):
        client.leg.write(b"".join(packets))
        await client.until(slowpath.set_error_info(ErrorInfo.DENIED))
        client.hang_up()
        await peer.gone()
    assert rss_bytes(daemon.pid) - held < 8 * MIB
    recording = await asyncio.to_thread(daemon.recorded)
    assert recording.row["end_reason"] == "protocol_error"
    assert "Traceback" not in daemon.log.read_text()


async def flood(sender: RawPeer, packet: bytes, daemon: Daemon) -> int:
    """Send on and on, whoever reads; return by how much the daemon has grown."""
    held, most = rss_bytes(daemon.pid), 0
    for _ in range(64):
        sender.leg.write(packet * (MIB // len(packet)))
        await asyncio.sleep(0.02)
        most = max(most, rss_bytes(daemon.pid) - held)
    return most


async def test_a_target_that_does_not_read_costs_no_memory(
    daemon: Daemon, login: RDPLogin, target: RawTarget
):
    async with relayed(login, target) as (client, _):
        assert await flood(client, b"\x04\x82\x00" + bytes(509), daemon) < FLOOD_BYTES


async def test_a_client_that_does_not_read_costs_no_memory(
    daemon: Daemon, login: RDPLogin, target: RawTarget
):
    async with relayed(login, target) as (_, peer):
        assert await flood(peer, painted(16_000), daemon) < FLOOD_BYTES


async def test_a_clipboard_of_gigabytes_costs_no_memory(
    daemon: Daemon, login: RDPLogin, target: RawTarget
):
    """It crosses, for it may; nobody keeps it."""
    asked = b"\x04\0\0\0\x04\0\0\0\x0d\0\0\0"
    offered = b"\x02\0\0\0" + (36).to_bytes(4, "little") + b"\x0d\0\0\0" + bytes(32)
    body_bytes = 2**31
    begins = b"\x05\0\x01\0" + body_bytes.to_bytes(4, "little")
    async with relayed(login, target) as (client, peer):
        [offer] = pieces(offered)
        client.leg.write(from_client(offer, CLIENT_CLIPBOARD))
        await peer.until(b"\x0d\0\0\0")
        [question] = pieces(asked)
        peer.leg.write(from_target(question, TARGET_CLIPBOARD))
        await client.until(asked)
        held, whole_bytes = 0, body_bytes + len(begins)
        client.leg.write(piece(begins + b"A" * 1592, whole_bytes, 1))
        crossed = 0
        for megabyte in range(96):
            if megabyte == 32:
                # What storing takes it has by now, and does not give back all of it.
                held = rss_bytes(daemon.pid)
            client.leg.write(piece(b"B" * 1600, whole_bytes, 0) * 600)
            while crossed < 600 * 1600 * 0.9:
                crossed += len(await peer.read())
            crossed -= 600 * 1600
        await asyncio.to_thread(
            wait_until, lambda: rss_bytes(daemon.pid) - held < 32 * MIB, "memory is kept"
        )
