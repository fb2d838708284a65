"""Serves a session with the channel relay: its login, its legs, and what asyncssh asks.

Only documented names of asyncssh decide what is allowed. Where a method is overridden that
its documentation does not name, asyncssh's own version would do without harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncssh

from bus.contract import TargetCredential
from config.model import SSHSettings
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.ssh import algorithms
from protocols.ssh.auth import Door, UserLogin
from protocols.ssh.channel_pair import PACKET_BYTES, WINDOW_BYTES
from protocols.ssh.channel_relay import ChannelRelay
from protocols.ssh.legs import Leg, Owner, Rules, UserLeg
from protocols.ssh.own_login import Outcome, nobody
from protocols.ssh.packets import MAX_IGNORED_BYTES
from protocols.ssh.target import HostKeys, TargetLogin, dial, options_for
from recorder.session_info import Target

_CIPHERS = tuple(name for name in algorithms.TARGET_CIPHERS if not name.startswith("chacha20"))

GREETING_BYTES: Final = 64 * 1024
"""How much a client may send before it has logged on, which takes a tenth of it."""


def serving(settings: SSHSettings) -> "ChannelWiring":
    """Return the channel relay."""
    del settings
    return ChannelWiring()


class ChannelWiring:
    """The channel relay, between connections of asyncssh."""

    judges_commands = False

    def __init__(self) -> None:
        self._options: asyncssh.SSHServerConnectionOptions | None = None

    def new_leg(self, options: asyncssh.SSHServerConnectionOptions) -> asyncio.BaseProtocol:
        """Return the protocol of a connection that is being accepted."""
        if self._options is None:
            # Once: it reads the host keys.
            self._options = asyncssh.SSHServerConnectionOptions(
                options=options,
                config=None,
                encryption_algs=list(_CIPHERS),
                # Without chacha20, dropbear needs a MAC for its cipher, and knows only these.
                mac_algs=list(algorithms.TARGET_MACS),
                encoding=None,
                line_editor=False,
                window=WINDOW_BYTES,
                max_pktsize=PACKET_BYTES,
            )
        return ChannelUser(self._options)

    def new_login(self, door: Door) -> asyncssh.SSHServer:
        """Return what asks `door` about the user of a connection."""
        return ChannelLogin(door)

    def new_terminal(self, *_asked: object) -> None:
        """Return none: a launch needs the packets of a connection, not its channels."""

    async def dial(
        self, target: Target, credential: TargetCredential, keys: HostKeys, limit_s: float
    ) -> Leg:
        """Return a leg that is logged on; raise `TargetUnreachableError`."""
        return await dial(_connect, target, credential, keys, limit_s)

    def start(self, client: UserLeg, target: Leg, rules: Rules, owner: Owner) -> ChannelRelay:
        """Start to relay between two legs that this wiring made."""
        assert isinstance(client, ChannelUser)  # noqa: S101 - `new_leg` makes no other
        assert isinstance(target, ChannelTarget)  # noqa: S101 - `dial` makes no other
        # asyncssh awaits each answer as long as it waits before it asks at all.
        target.conn.set_keepalive(rules.alive_interval_s / 2, rules.alive_count)
        relay = ChannelRelay(client, target.conn, rules, owner)
        client.stands(relay)
        return relay


class ChannelUser(asyncssh.SSHServerConnection):
    """The connection to the user's client."""

    def __init__(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, options)
        self.on_closed: Callable[[Exception | None], None] | None = None
        self.may_fail: Callable[[], bool] = lambda: False
        self.key_proven: Callable[[str, str], Awaitable[Outcome]] = nobody
        self.user_transport: asyncio.BaseTransport | None = None
        self.user_unproven_bytes = 0
        self.user_proven = False
        self.user_relay: asyncio.Future[ChannelRelay | None] = loop.create_future()

    @property
    def peer_address(self) -> str:
        """The client's IP address."""
        return str(self.get_extra_info("peername")[0])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport, to refuse on it."""
        self.user_transport = transport
        super().connection_made(transport)

    def data_received(self, data: bytes, *more: Any) -> None:  # noqa: ANN401 - asyncssh's own
        """Cut off a client that sends without end before it has logged on."""
        if not self.user_proven:
            self.user_unproven_bytes += len(data)
            if self.user_unproven_bytes > GREETING_BYTES:
                self.abort()
                return
        super().data_received(data, *more)

    def banner(self, text: str) -> None:
        """Show a line before authentication (RFC 4252 5.4)."""
        self.send_auth_banner(text + "\r\n")

    def refuse(self, line: str) -> None:
        """Turn away a connection that was just made, before any protocol."""
        if isinstance(self.user_transport, asyncio.WriteTransport):
            self.user_transport.write(line.encode() + b"\r\n")
            self.user_transport.close()

    def leave(self, code: int, text: str) -> None:
        """Say goodbye and close."""
        self.disconnect(code, text)

    def stands(self, relay: ChannelRelay) -> None:
        """Let channels be opened."""
        if not self.user_relay.done():
            self.user_relay.set_result(relay)

    def left(self, error: Exception | None) -> None:
        """Tell the session that the connection is gone."""
        if not self.user_relay.done():
            self.user_relay.set_result(None)
        _tell(self.on_closed, error)

    async def relay(self) -> ChannelRelay:
        """Return the relay once it stands; raise `ChannelOpenError` where it never will."""
        relay = await asyncio.shield(self.user_relay)
        if relay is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "it is over")
        return relay

    async def reload_config(self) -> None:
        """Do nothing: asyncssh would read all host keys again for each login, 100 ms long."""

    async def create_agent_listener(self) -> bool:
        """Refuse the user's agent, and record it."""
        (await self.relay()).cannot_forward("auth-agent-req@openssh.com")
        return False

    async def attach_x11_listener(self, *_asked: Any) -> None:  # noqa: ANN401 - asyncssh's own
        """Refuse the user's screen, and record it."""
        (await self.relay()).cannot_forward("x11-req")


class ChannelLogin(UserLogin):
    """The login of one connection, and what its client opens after it."""

    def __init__(self, door: Door) -> None:
        super().__init__(door, _leg_of)
        self._user: ChannelUser | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Ask to be let in."""
        self._user = _leg_of(conn)
        super().connection_made(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the connection is gone."""
        super().connection_lost(exc)
        if self._user:
            self._user.left(exc)

    def auth_completed(self) -> None:
        """Let it send as much as it likes from now on."""
        if self._user:
            self._user.user_proven = True
        super().auth_completed()

    def public_key_auth_supported(self) -> bool:
        """Take no keys: only the packet relay's leg tells which one has signed."""
        return False

    async def _judge(
        self, username: str, answers: Sequence[str], *, last: bool = False
    ) -> Outcome:
        """Judge what was answered; disconnect when a try was one too many."""
        outcome = await super()._judge(username, answers, last=last)
        if outcome is Outcome.REFUSED and self._user and not self._user.may_fail():
            text = "Too many authentication failures"
            self._user.disconnect(asyncssh.DISC_PROTOCOL_ERROR, text)
        return outcome

    def session_requested(self) -> Awaitable[asyncssh.SSHServerSession[bytes]]:
        """Open a session channel as soon as the relay stands."""

        async def session() -> asyncssh.SSHServerSession[bytes]:
            return (await self._relay()).session()

        return session()

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Forward a connection to where the target can reach."""

        async def session() -> Any:  # noqa: ANN401 - a session of asyncssh
            relay = await self._relay()
            return await relay.forwarded_tcp(dest_host, dest_port, (orig_host, orig_port))

        return session()

    def unix_connection_requested(
        self, dest_path: str
    ) -> Awaitable[asyncssh.SSHUNIXSession[bytes]]:
        """Forward a connection to a socket of the target."""

        async def session() -> Any:  # noqa: ANN401 - a session of asyncssh
            return await (await self._relay()).forwarded_unix(dest_path)

        return session()

    async def server_requested(
        self, listen_host: str, listen_port: int
    ) -> asyncssh.SSHListener | bool:
        """Listen on the target."""
        return await (await self._relay()).listening_tcp(listen_host, listen_port)

    async def unix_server_requested(self, listen_path: str) -> asyncssh.SSHListener | bool:
        """Listen on a socket of the target."""
        return await (await self._relay()).listening_unix(listen_path)

    async def _relay(self) -> ChannelRelay:
        assert self._user  # noqa: S101 - `connection_made` comes before everything
        return await self._user.relay()


class ChannelTarget:
    """The connection to the target."""

    def __init__(self, conn: asyncssh.SSHClientConnection) -> None:
        self.conn = conn
        self.on_closed: Callable[[Exception | None], None] | None = None

    def leave(self, code: int, text: str) -> None:
        """Say goodbye and close."""
        self.conn.disconnect(code, text)

    def abort(self) -> None:
        """Close at once."""
        self.conn.abort()


def _leg_of(conn: asyncssh.SSHServerConnection) -> ChannelUser:
    assert isinstance(conn, ChannelUser)  # noqa: S101 - `new_leg` makes no other
    return conn


def _tell(callback: Callable[[Exception | None], None] | None, error: Exception | None) -> None:
    if callback:
        wrong = isinstance(error, asyncssh.ProtocolError)
        callback(RemoteProtocolError(str(error)) if wrong else error)


def _silent(error: Exception | None) -> Exception | None:
    """Tell a target that gave no sign of life from one that closed the connection."""
    if isinstance(error, asyncssh.ConnectionLost) and "keepalive" in str(error):
        return TargetUnreachableError("the target has not answered for too long")
    return error


async def _connect(target: Target, login: TargetLogin) -> ChannelTarget:
    options = options_for(target, login)
    options = asyncssh.SSHClientConnectionOptions(
        options=options, config=None, encryption_algs=list(_CIPHERS)
    )
    conn = await asyncssh.connect(target.host, target.port, options=options, config=None)
    _allow_large_packets(conn)
    leg = ChannelTarget(conn)
    login.on_lost = lambda error: _tell(leg.on_closed, _silent(error))
    return leg


def _allow_large_packets(conn: asyncssh.SSHClientConnection) -> None:
    """Let the target hide a missing echo, which takes more than asyncssh allows (ADR 9).

    There is no public way. Where this one is gone, a paste may end a session, and nothing else.
    """
    if allow := getattr(conn, "_update_recv_pktlen", None):
        allow(MAX_IGNORED_BYTES)
