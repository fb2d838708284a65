"""An RDP client and a target without manners: once they have met, the test writes the bytes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.freerdp import RDPLogin, rdp_login
from peers.rdp_target import TLSTarget, is_info
from samples.rdp import ScriptedTarget, client_info, client_packets

from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs
from protocols.rdp.wire.x224 import ConnectionRequest, Security

CLIENT_USER, CLIENT_CLIPBOARD = 1006, 1005
"""The numbers that a gateway gives to the client of `samples.rdp`."""
TARGET_USER, TARGET_CLIPBOARD = 1010, 1020
_legs: list[Leg] = []


@dataclass
class RawPeer:
    """One end of a connection."""

    leg: Leg
    came: bytearray = field(default_factory=bytearray)
    """All that it was sent, under TLS."""
    handshake_bytes: int = 0
    """How much of it was said before the session."""

    async def read(self, seconds: float = 30) -> bytes:
        """What comes next; raises `LegClosedError` where nothing will."""
        async with asyncio.timeout(seconds):
            data = await self.leg.read()
        self.came += data
        return data

    async def until(self, mark: bytes, seconds: float = 30) -> None:
        """Read until `mark` has come."""
        async with asyncio.timeout(seconds):
            while mark not in self.came:
                await self.read(seconds)

    async def gone(self, seconds: float = 30) -> None:
        """Read until the other end has closed the connection."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(LegClosedError):
                while True:
                    await self.read(seconds)

    async def is_cut(self, seconds: float = 30) -> bool:
        """Say whether the other end closes the connection soon."""
        try:
            await self.gone(seconds)
        except TimeoutError:
            return False
        return True

    async def send(self, *packets: bytes) -> None:
        """Write, and wait until the other end has taken enough of it."""
        self.leg.write(b"".join(packets))
        await self.leg.drain()

    def hang_up(self) -> None:
        self.leg.abort()


@pytest.fixture
async def hung_up() -> AsyncIterator[None]:
    """Closes whatever was connected by what is here, once the test is over."""
    yield
    while _legs:
        _legs.pop().abort()
    # Connections close in a later turn of the loop.
    await asyncio.sleep(0.05)


async def guest(port: int, source: str = "127.0.0.1") -> RawPeer:
    """Connect and say nothing yet; for tests that use `hung_up`."""
    loop = asyncio.get_running_loop()
    _, leg = await loop.create_connection(Leg, "127.0.0.1", port, local_addr=(source, 0))
    _legs.append(leg)
    return RawPeer(leg)


async def under_tls(
    port: int, protocols: Security = Security.TLS, source: str = "127.0.0.1"
) -> RawPeer:
    """Connect, ask for this protection and have it."""
    peer = await guest(port, source)
    peer.leg.write(ConnectionRequest(protocols=protocols).write())
    await peer.read()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await peer.leg.start_tls(context)
    peer.came.clear()
    return peer


async def walk(peer: RawPeer, packets: Iterable[bytes]) -> None:
    """Say these, each upon an answer, but where none is due."""
    for packet in packets:
        peer.leg.write(packet)
        if packet != mcs.erect_domain() and not is_info(packet):
            await peer.read()


async def raw_client(port: int, username: str, password: str) -> RawPeer:
    """Log on to a gateway by TLS; what comes then is what the target says."""
    peer = await under_tls(port)
    await walk(peer, client_packets(client_info(username, password)))
    peer.handshake_bytes = len(peer.came)
    return peer


class RawTarget(TLSTarget):
    """Once somebody has logged on, it is the test's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "raw")
        self._peers: asyncio.Queue[RawPeer] = asyncio.Queue()

    async def met(self) -> RawPeer:
        """Whoever logged on next."""
        async with asyncio.timeout(30):
            return await self._peers.get()

    def _accept(self, leg: Leg) -> None:
        _legs.append(leg)
        super()._accept(leg)

    async def _logged_on(self, leg: Leg, _scripted: ScriptedTarget) -> None:
        self._peers.put_nowait(RawPeer(leg))


def from_client(data: bytes, channel: int = IO_CHANNEL) -> bytes:
    return mcs.send_request(CLIENT_USER, channel, data)


def from_target(data: bytes, channel: int = IO_CHANNEL) -> bytes:
    return mcs.send_indication(TARGET_USER, channel, data)


def painted(size_bytes: int, filled_with: bytes = b"\x07") -> bytes:
    """A FastPath packet of a target's, of so many bytes; what it shows is noise."""
    return b"\x00" + (0x8000 | size_bytes).to_bytes(2, "big") + filled_with * (size_bytes - 3)


def login_to(daemon: Daemon, target: RawTarget) -> RDPLogin:
    """A proxy credential for a raw target."""
    where = ("--port", str(target.port), "--username", "bob", "--password-stdin")
    name = f"raw-{target.port}"
    daemon.add_target(name, *where, "--certificate-any", typed="Real-S3cret\n", protocol="rdp")
    return rdp_login(daemon, name)


@asynccontextmanager
async def relayed(login: RDPLogin, target: RawTarget) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A raw client and a raw target with a session between them."""
    client = await raw_client(login.daemon.rdp_port, login.username, login.password)
    peer = await target.met()
    try:
        yield client, peer
    finally:
        client.hang_up()
        peer.hang_up()
