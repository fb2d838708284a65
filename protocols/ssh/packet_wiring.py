"""Serves a session with the packet relay: carries its bursts between the two legs."""

import asyncio
from collections.abc import Callable

import asyncssh

from bus.contract import TargetCredential
from bus.own_account import TerminalOpened
from config.model import SSHSettings
from protocols.ssh import private_names
from protocols.ssh.accounts import Visitor
from protocols.ssh.auth import Door, UserLogin
from protocols.ssh.channels import Out, Side
from protocols.ssh.client_leg import ClientLeg
from protocols.ssh.commands.rules import Found
from protocols.ssh.guarded_policy import GuardedPolicy
from protocols.ssh.guarded_relay import GuardedRelay
from protocols.ssh.launched_leg import LaunchedLeg
from protocols.ssh.legs import Leg, Owner, Rules, UserLeg
from protocols.ssh.packet_relay import PacketRelay
from protocols.ssh.rehearsal import Rehearsal
from protocols.ssh.served_session import Surroundings
from protocols.ssh.serving import Serve
from protocols.ssh.target import HostKeys, TargetLogin, dial, options_for
from protocols.ssh.terminal_session import TerminalSession
from protocols.ssh.transport import TargetLeg, install
from recorder.errors import RecordingLostError
from recorder.session_info import Target


def serving(settings: SSHSettings) -> "PacketWiring":
    """Return the packet relay; raise `ImportError` where asyncssh is not the one it knows."""
    private_names.check()
    install()
    return PacketWiring(settings)


class PacketWiring:
    """The packet relay, between legs of `protocols.ssh.transport`."""

    judges_commands = True

    def __init__(self, settings: SSHSettings) -> None:
        self._rehearsal = Rehearsal(settings.keep_warm_ms / 1000)

    def new_leg(self, options: asyncssh.SSHServerConnectionOptions) -> asyncio.BaseProtocol:
        """Return the protocol of a connection that is being accepted."""
        return ClientLeg(options)

    def new_login(self, door: Door) -> asyncssh.SSHServer:
        """Return what asks `door` about the user of a connection."""
        return UserLogin(door, _leg_of)

    def new_terminal(
        self,
        leg: UserLeg,
        visitor: Visitor,
        opened: TerminalOpened,
        around: Surroundings,
        serve: Serve,
    ) -> TerminalSession:
        """Return the terminal on `leg`."""
        assert isinstance(leg, ClientLeg)  # noqa: S101 - `new_leg` makes no other
        return TerminalSession(leg, visitor, opened, around, serve)

    async def dial(
        self, target: Target, credential: TargetCredential, keys: HostKeys, limit_s: float
    ) -> Leg:
        """Return a leg that is logged on; raise `TargetUnreachableError`."""
        return await dial(_connect, target, credential, keys, limit_s)

    def start(self, client: UserLeg, target: Leg, rules: Rules, owner: Owner) -> "Bursts":
        """Start to relay between two legs that this wiring made."""
        assert isinstance(client, ClientLeg | LaunchedLeg)  # noqa: S101 - made here
        assert isinstance(target, TargetLeg)  # noqa: S101 - the same
        return Bursts(client, target, rules, owner, self._rehearsal)


def _leg_of(conn: asyncssh.SSHServerConnection) -> ClientLeg:
    assert isinstance(conn, ClientLeg)  # noqa: S101 - `new_leg` makes no other
    return conn


async def _connect(target: Target, login: TargetLogin) -> TargetLeg:
    loop = asyncio.get_running_loop()
    options = options_for(target, login)
    options.waiter = loop.create_future()
    leg = TargetLeg(options)
    try:
        await loop.create_connection(lambda: leg, target.host, target.port)
        await options.waiter
    except BaseException:
        # Also on a time-out: a leg that nobody waits for must not stay half open.
        leg.abort()
        raise
    return leg


def _relay_of(rules: Rules) -> PacketRelay:
    if isinstance(rules.policy, GuardedPolicy):
        return GuardedRelay(
            rules.policy, rules.commands, rules.terms, rules.limits, rules.sink, rules.become
        )
    return PacketRelay(rules.policy, rules.terms, rules.limits, rules.sink)


class Bursts:
    """A packet relay at work: what a leg received goes through it to the other leg."""

    def __init__(
        self,
        client: ClientLeg | LaunchedLeg,
        target: TargetLeg,
        rules: Rules,
        owner: Owner,
        rehearsal: Rehearsal,
    ) -> None:
        self._rehearsal = rehearsal
        self._client, self._target, self._owner = client, target, owner
        self._sink, self._crossed_bytes = rules.sink, rules.crossed_bytes
        self._relay = _relay_of(rules)
        guarded = self._relay if isinstance(self._relay, GuardedRelay) else None
        self._guarded: GuardedRelay | None = guarded
        self._draining: asyncio.Task[None] | None = None
        target.take_over(self._receiver(Side.TARGET), client.carrier, self._relay.ignored)
        client.take_over(self._receiver(Side.CLIENT), target)

    @property
    def active_ms(self) -> int:
        """When data last crossed, in session time."""
        return self._relay.active_ms

    @property
    def heard_ms(self) -> int:
        """When the target last sent anything, in session time."""
        return self._relay.heard_ms

    @property
    def wants_tick(self) -> bool:
        """Whether a typed line waits for its echo."""
        return self._relay.wants_tick

    def tick(self) -> None:
        """Let time pass; raise `RecordingLostError`."""
        if self._guarded:
            self._send(self._guarded.pass_time())
        else:
            self._relay.tick()

    def notice(self, text: str) -> bool:
        """Show `text` to the user; say whether it could be. Raises `RecordingLostError`."""
        bodies = self._relay.notice(text)
        self._client.send_bodies(bodies)
        return bool(bodies)

    def ping(self) -> None:
        """Ask the target for a sign of life."""
        self._target.send_bodies([self._relay.ping()])

    def hold(self, *, held: bool) -> None:
        """Read from neither leg, or from both again."""
        for leg in (self._client, self._target):
            (leg.pause if held else leg.resume)("held")

    def resolve(self, channel: int, found: Found, *, approved: bool, said: str) -> None:
        """Let the command that waits on a channel run, or not; raise `RecordingLostError`."""
        if self._guarded:
            self._send(self._guarded.resolve(channel, found, approved=approved, said=said))
            if self._relay.judge():
                self._owner.tick_soon()

    def holds(self, channel: int, found: Found) -> bool:
        """Say whether that command, and no later one, still waits for approval there."""
        return self._guarded is not None and self._guarded.holds(channel, found)

    def stop(self) -> None:
        """Wait for the disk no longer: a session that is over takes no burst."""
        if self._draining:
            self._draining.cancel()

    def finish(self) -> None:
        """Record how the channels that are still open ended; raise `RecordingLostError`."""
        self._relay.finish()

    def _send(self, out: Out) -> None:
        if bodies := out.to[Side.TARGET]:
            self._target.send_bodies(bodies)
        if bodies := out.to[Side.CLIENT]:
            self._client.send_bodies(bodies)
        self._tell_found()

    def _tell_found(self) -> None:
        for channel, found in self._guarded.take_found() if self._guarded else ():
            self._owner.found(channel, found)

    def _receiver(self, side: Side) -> Callable[[list[bytes]], None]:
        relay, owner, rehearsal = self._relay, self._owner, self._rehearsal
        legs = (self._client, self._target)
        own, other, across = legs[side], legs[side.other], side.other
        crossed_bytes = self._crossed_bytes
        after = self._after_guarded if self._guarded else self._check_disk

        def receive(bodies: list[bytes]) -> None:
            if owner.over:
                return
            try:
                out = relay.receive(side, bodies)
                if forwarded := out.to[across]:
                    other.send_bodies(forwarded)
                if answers := out.to[side]:
                    own.answer(answers)
                after()
                if relay.judge():
                    owner.tick_soon()
                if relay.take_typed():
                    rehearsal.typed()
                crossed_bytes[side] += sum(map(len, bodies))
            except RecordingLostError as error:
                owner.lost(error)

        return receive

    def _after_guarded(self) -> None:
        self._tell_found()
        self._check_disk()

    def _check_disk(self) -> None:
        if self._sink.congested and self._draining is None:
            self._draining = self._owner.spawn(self._drain())

    async def _drain(self) -> None:
        """Read nothing more from either leg until the recording has room again."""
        legs = (self._client, self._target)
        for leg in legs:
            leg.pause("recording")
        try:
            await self._sink.drain()
        except RecordingLostError as error:
            self._owner.lost(error)
        finally:
            self._draining = None
            for leg in legs:
                leg.resume("recording")
