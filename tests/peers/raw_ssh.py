"""An SSH client and a target without manners: they send any packet at any time.

Version and key exchange are done properly, by asyncssh and the gateway's own legs; from
then on the test writes the packets, and reads what came, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import asyncssh

from bus.contract import HostKeyPolicy, TargetCredential
from config.model import SSHSettings
from protocols.ssh import algorithms
from protocols.ssh.packet_wiring import serving
from protocols.ssh.packets import body_of, payload_of, string
from protocols.ssh.target import HostKeys
from protocols.ssh.transport import Leg
from recorder.session_info import Target, TargetProtocol

_SERVICE_ACCEPT, _USERAUTH_REQUEST, _USERAUTH = 6, 50, range(50, 80)


@dataclass
class RawPeer:
    """One end of a connection that is logged on."""

    leg: Leg
    came: list[bytes] = field(default_factory=list)
    """Payloads that came and were not asked for yet."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take_over(self) -> Self:
        self.leg.take_over(self._take, self.leg)
        return self

    def _take(self, bodies: list[bytes]) -> None:
        self.came += map(payload_of, bodies)
        self._news.set()

    def send(self, *payloads: bytes) -> None:
        self.leg.send_bodies([body_of(payload) for payload in payloads])

    async def next(self, kind: int, seconds: float = 30) -> bytes:
        """The next payload of this kind; what came before it is forgotten."""
        async with asyncio.timeout(seconds):
            while True:
                while self.came:
                    if (payload := self.came.pop(0))[0] == kind:
                        return payload
                self._news.clear()
                await self._news.wait()

    @property
    def connected(self) -> bool:
        return not self.leg.is_closed()

    async def gone(self, seconds: float = 30) -> None:
        """Wait until the other end has closed the connection."""
        async with asyncio.timeout(seconds):
            await self.leg.wait_closed()

    def hang_up(self) -> None:
        self.leg.abort()


async def _unpinned(key: str) -> tuple[str, ...]:
    return (key,)


async def raw_client(port: int, username: str, password: str) -> RawPeer:
    """Log on to a gateway."""
    where = Target(host="127.0.0.1", port=port, protocol=TargetProtocol.SSH)
    who = TargetCredential(username=username, password=password)
    keys = HostKeys(HostKeyPolicy.ANY, (), _unpinned, secret_name="gateway")
    leg = await serving(SSHSettings()).dial(where, who, keys, 30)
    assert isinstance(leg, Leg)
    return RawPeer(leg).take_over()


class _Welcome(asyncssh.SSHServer):
    """Takes every password."""

    def __init__(self, met: Callable[[Leg], None]) -> None:
        self._met = met
        self._leg: Any = None

    def connection_made(self, conn: Any) -> None:
        conn.may_fail = lambda: True
        self._leg = conn

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        del username, password
        return True

    def auth_completed(self) -> None:
        self._met(self._leg)


@dataclass
class RawTarget:
    """A target that takes every password, and who logged on to it."""

    port: int = 0
    host_key: str = ""
    peers: "asyncio.Queue[RawPeer]" = field(default_factory=asyncio.Queue)

    async def met(self) -> RawPeer:
        async with asyncio.timeout(30):
            return await self.peers.get()


@asynccontextmanager
async def raw_target() -> AsyncIterator[RawTarget]:
    """Listen as a target does."""
    wiring, target = serving(SSHSettings()), RawTarget()
    key = asyncssh.generate_private_key("ssh-ed25519")
    target.host_key = " ".join(key.export_public_key().decode().split()[:2])
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: _Welcome(
            lambda leg: target.peers.put_nowait(RawPeer(leg).take_over())
        ),
        server_host_keys=[key],
        config=None,
        gss_host=None,
        encryption_algs=list(algorithms.GCM),
        compression_algs=None,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: wiring.new_leg(options), "127.0.0.1", 0)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()


class Stranger(asyncssh.SSHClientConnection):
    """A client that has exchanged keys and says what it likes about who it is."""

    def __init__(self, options: asyncssh.SSHClientConnectionOptions) -> None:
        super().__init__(asyncio.get_running_loop(), options)
        self.heard: list[int] = []
        """The numbers of the messages about authentication that came."""
        self.greeted = asyncio.Event()
        self.lost = asyncio.Event()

    def process_packet(self, pkttype: int, pktid: int, packet: Any) -> Any:
        if pkttype == _SERVICE_ACCEPT or pkttype in _USERAUTH:
            self.heard.append(pkttype)
            self.greeted.set()
            return True
        return super().process_packet(pkttype, pktid, packet)

    def connection_lost(self, exc: Exception | None = None) -> None:
        self.lost.set()
        super().connection_lost(exc)

    def ask(self, username: str, method: str, rest: bytes = b"") -> None:
        """Send SSH_MSG_USERAUTH_REQUEST."""
        words = (username, "ssh-connection", method)
        self.send_packet(_USERAUTH_REQUEST, *(string(word.encode()) for word in words), rest)

    def guess(self, username: str, password: str) -> None:
        self.ask(username, "password", b"\0" + string(password.encode()))

    async def is_cut(self, seconds: float = 30) -> bool:
        """Say whether the gateway has closed the connection, or does so soon."""
        try:
            async with asyncio.timeout(seconds):
                await self.lost.wait()
        except TimeoutError:
            return False
        return True


async def stranger(port: int) -> Stranger:
    """Connect to a gateway and say nothing yet."""
    options = asyncssh.SSHClientConnectionOptions(
        username="nobody",
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        config=None,
        gss_host=None,
        compression_algs=None,
    )
    loop = asyncio.get_running_loop()
    _, came = await loop.create_connection(lambda: Stranger(options), "127.0.0.1", port)
    async with asyncio.timeout(30):
        await came.greeted.wait()
    return came
