"""One session from its grant to its end: record, dial, relay, tell the user.

    grant ── recording on disk ── target dialled and logged on ── relay ── end

The recording stands before the target is dialled, so a session that was granted has
one, however it ends.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import UUID

import asyncssh
import msgspec
import structlog
from msgspec import Struct

from bus.command_rules import PatternError, RuleAction
from bus.contract import Grant, TargetCredential
from bus.errors import BusError
from bus.sealed import credential_info
from config.model import SSHSettings
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.recording_start import AnySurroundings, say_unrecorded, start_recording
from protocols.session import Happened, Session
from protocols.ssh.auth import Redeemed
from protocols.ssh.becoming import Become, become
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import Limits
from protocols.ssh.command_reports import CommandReports
from protocols.ssh.commands.rules import Found
from protocols.ssh.guarded_policy import policy_for
from protocols.ssh.legs import Leg, Relay, Rules, UserLeg, Wiring
from protocols.ssh.target import HostKeys
from recorder.errors import RecordingLostError
from recorder.events import EndReason
from recorder.ports import EventSink

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_credentials = msgspec.msgpack.Decoder(TargetCredential)

_ANSWER_S: Final = 5
"""How long a target may think about whether it lives."""
_PAUSE_LIMIT_S: Final = 900.0
"""Longer than it takes to ask somebody, and shorter than to forget it."""
_SILENT: Final = frozenset({EndReason.CLIENT_LEFT})
"""Ends that the user need not be told of."""


class Surroundings(AnySurroundings, frozen=True, kw_only=True):
    """What every session of this gateway shares."""

    settings: SSHSettings
    capture_limit_bytes: int


class Ending(Struct, frozen=True):
    """Why a session ends, and what its user reads."""

    reason: EndReason
    text: str


class ServedSession:
    """A granted session."""

    def __init__(
        self,
        client: UserLeg,
        redeemed: Redeemed,
        around: Surroundings,
        wiring: Wiring,
        wants_tick: Callable[["ServedSession"], None],
    ) -> None:
        self.grant: Grant = redeemed.grant
        self._opener = redeemed.opener
        self._client = client
        self._around, self._wiring, self._wants_tick = around, wiring, wants_tick
        self._life = Session()
        for step in (Happened.CREDENTIAL_PRESENTED, Happened.GRANTED):
            self._life.happened(step)
        self._target: Leg | None = None
        self._relay: Relay | None = None
        self._sink: EventSink | None = None
        self._become: Become | None = None
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._tasks = asyncio.TaskGroup()
        self._checking: asyncio.TimerHandle | None = None
        self._pause_limit: asyncio.TimerHandle | None = None
        """There while nothing crosses."""

    @property
    def session_id(self) -> UUID:
        """The session that it is."""
        return self.grant.session_id

    def end(self, reason: EndReason, text: str) -> None:
        """End the session; the first reason given is the one that counts."""
        if not self._ending.done():
            self._ending.set_result(Ending(reason, text))

    def message(self, text: str) -> bool:
        """Show `text` in the user's sessions; say whether there was one to show it in."""
        if self._relay is None or self._ending.done():
            return False
        try:
            return self._relay.notice(_printable(text))
        except RecordingLostError as error:
            self.lost(error)
            return False

    def pause(self, text: str, *, paused: bool) -> bool:
        """Let nothing cross, or let it cross again, and say so; return whether it was there.

        A pause ends by itself: who ordered it may have forgotten it.
        """
        if self._relay is None or self._ending.done():
            return False
        if self._pause_limit:
            self._pause_limit.cancel()
        self._pause_limit = None
        self.message(text)
        self._relay.hold(held=paused)
        if paused:
            later = asyncio.get_running_loop().call_later
            self._pause_limit = later(_PAUSE_LIMIT_S, self._go_on)
        return True

    def _go_on(self) -> None:
        self.pause("proxyd: the session goes on", paused=False)

    def tick(self) -> bool:
        """Let time pass; return whether another tick is wanted soon."""
        if self._relay is None or self._ending.done():
            return False
        try:
            self._relay.tick()
        except RecordingLostError as error:
            self.lost(error)
        return self._relay.wants_tick

    async def run(self) -> None:
        """Serve the session until it is over. Raises nothing that a peer can cause."""
        log = _log.bind(session_id=str(self.grant.session_id))
        self._client.on_closed = self._client_closed
        try:
            self._sink = await start_recording(
                self.grant, self._around, self._client.peer_address
            )
        except RecordingLostError as error:
            await self._refuse_unrecorded(error)
            return
        log.info("session.opened", user=self.grant.user, secret=self.grant.secret_name)
        ending = Ending(EndReason.ENGINE_STOPPED, "proxyd is stopping")
        try:
            async with self._tasks:
                ending = await self._serve()
        finally:
            self._leave(ending)
            await self._sink.close(ending.reason, ending.text)
            self._life.happened(Happened.CONNECTION_LOST)
            log.info("session.ended", reason=ending.reason.value, detail=ending.text)

    # --- what its relay asks for: `protocols.ssh.legs.Owner`

    @property
    def over(self) -> bool:
        """Whether the session ends: nothing is forwarded any more."""
        return self._ending.done()

    def lost(self, error: RecordingLostError) -> None:
        """End the session: what crosses can no longer be recorded."""
        text = f"proxyd: this session can no longer be recorded, so it ends ({error})"
        self.end(EndReason.RECORDING_LOST, text)

    def tick_soon(self) -> None:
        """Let the relay be told of time passing."""
        self._wants_tick(self)

    def found(self, channel: int, found: Found) -> None:
        """Take it that a command on a channel broke a rule."""
        relay, over = self._relay, self._ending.done
        reports = CommandReports(self._around.broker, self.grant, over)
        self.spawn(reports.tell(found))
        if found.action is RuleAction.END:
            name = found.rules[0].name
            self.end(EndReason.TERMINATED, f"proxyd: rule {name} of this secret ends it")
        elif found.action is RuleAction.HOLD and relay:
            self.spawn(self._hold(reports, channel, found, relay))

    async def _hold(
        self, reports: CommandReports, channel: int, found: Found, relay: Relay
    ) -> None:
        try:
            await reports.wait(channel, found, relay)
        except RecordingLostError as error:
            self.lost(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as part of the session."""
        return self._tasks.create_task(work)

    # --- the steps

    async def _serve(self) -> Ending:
        dialling = self._tasks.create_task(self._dial())
        either: set[asyncio.Future[Any]] = {dialling, self._ending}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not dialling.done():
            dialling.cancel()
            return self._ending.result()
        if isinstance(failure := dialling.result(), Ending):
            return failure
        loop = asyncio.get_running_loop()
        limit = loop.call_later(self._around.settings.max_session_s, self._too_long)
        self._check_target(0)
        if idle_s := self._around.settings.idle_timeout_s:
            self._tasks.create_task(self._watch_idle(idle_s))
        try:
            return await self._ending
        finally:
            limit.cancel()
            if self._checking:
                self._checking.cancel()
            if self._pause_limit:
                self._pause_limit.cancel()
            if self._relay:
                self._relay.stop()

    async def _dial(self) -> Ending | None:
        """Dial and start the relay; return why not, if it failed."""
        grant, judges = self.grant, self._wiring.judges_commands
        try:
            policy = policy_for(
                grant.channels, grant.commands, grant.become_command, judged=judges
            )
            target = await self._dialled()
        except PatternError as error:
            return Ending(EndReason.TERMINATED, f"proxyd: {error}")
        except TargetUnreachableError as error:
            return Ending(EndReason.TARGET_UNREACHABLE, f"proxyd: {error}")
        except BusError as error:
            return Ending(EndReason.TARGET_UNREACHABLE, f"proxyd: {error}; try again")
        if self._ending.done():
            target.abort()
            return self._ending.result()
        self._life.happened(Happened.TARGET_READY)
        self._start_relay(target, policy)
        self._tasks.create_task(self._say_ready())
        return None

    async def _dialled(self) -> Leg:
        grant = self.grant
        packed = self._opener.open(grant.sealed_credential, credential_info(grant.session_id))
        credential = _credentials.decode(packed)
        limit_s = self._around.settings.dial_timeout_s
        self._become = become(grant.become_command, credential.become_password, limit_s)
        keys = HostKeys(
            grant.host_key_policy,
            grant.host_keys,
            lambda key: self._around.broker.pin_host_key(grant, key),
            secret_name=grant.secret_name,
        )
        return await self._wiring.dial(grant.target, credential, keys, limit_s)

    async def _say_ready(self) -> None:
        try:
            await self._around.broker.session_ready(self.grant)
        except BusError as error:
            _log.warning("session.ready_unsaid", error=str(error))

    def _start_relay(self, target: Leg, policy: ChannelPolicy) -> None:
        if self._sink is None:
            return
        around, grant = self._around, self.grant
        rules = Rules(
            policy=policy,
            become=self._become,
            commands=grant.commands,
            terms=grant.terms,
            limits=Limits(
                sessions=around.settings.max_channels,
                capture_bytes=around.capture_limit_bytes,
            ),
            sink=self._sink,
            alive_interval_s=around.settings.target_alive_interval_s,
            alive_count=around.settings.target_alive_count,
            crossed_bytes=around.crossed_bytes,
        )
        self._target = target
        target.on_closed = self._target_closed
        self._relay = self._wiring.start(self._client, target, rules, self)

    def _check_target(self, unanswered: int) -> None:
        """Ask a silent target whether it lives; end the session when it does not answer.

        TCP would notice a dead machine, but neither a frozen one nor a frozen sshd.
        """
        settings, relay, sink = self._around.settings, self._relay, self._sink
        if self._ending.done() or not (relay and sink):
            return
        silent_s = (sink.at_ms() - relay.heard_ms) / 1000
        wait_s = settings.target_alive_interval_s - silent_s
        if self._pause_limit:
            # What it answers is not read.
            unanswered, wait_s = 0, settings.target_alive_interval_s
        elif wait_s > 0:
            unanswered = 0
        elif unanswered == settings.target_alive_count:
            text = f"proxyd: the target has not answered for {silent_s:.0f} s"
            self.end(EndReason.TARGET_UNREACHABLE, text)
            return
        else:
            relay.ping()
            unanswered, wait_s = unanswered + 1, _ANSWER_S
        loop = asyncio.get_running_loop()
        self._checking = loop.call_later(wait_s, self._check_target, unanswered)

    async def _watch_idle(self, limit_s: float) -> None:
        relay, sink = self._relay, self._sink
        while relay and sink and not self._ending.done():
            left_s = limit_s - (sink.at_ms() - relay.active_ms) / 1000
            if left_s <= 0:
                self.end(EndReason.IDLE, f"proxyd: nothing was typed for {limit_s:g} s")
                return
            await asyncio.wait({self._ending}, timeout=left_s)

    # --- the ends

    def _too_long(self) -> None:
        hours = self._around.settings.max_session_s / 3600
        self.end(EndReason.TOO_LONG, f"proxyd: a session may last {hours:g} h")

    def _client_closed(self, error: Exception | None) -> None:
        if isinstance(error, RemoteProtocolError):
            self.end(EndReason.PROTOCOL_ERROR, f"the client: {error}")
        self.end(EndReason.CLIENT_LEFT, "")

    def _target_closed(self, error: Exception | None) -> None:
        if isinstance(error, RemoteProtocolError):
            self.end(EndReason.PROTOCOL_ERROR, f"the target: {error}")
        if isinstance(error, TargetUnreachableError):
            self.end(EndReason.TARGET_UNREACHABLE, f"proxyd: {error}")
        self.end(EndReason.TARGET_LEFT, "proxyd: the target closed the connection")

    def _leave(self, ending: Ending) -> None:
        """Record how the channels ended, tell the user, and close both legs."""
        if self._relay:
            try:
                if ending.reason not in _SILENT:
                    self._relay.notice(_printable(ending.text))
                self._relay.finish()
            except RecordingLostError as error:
                _log.warning("session.end_unrecorded", error=str(error))
        self._client.leave(asyncssh.DISC_BY_APPLICATION, _printable(ending.text))
        if self._target:
            self._target.leave(asyncssh.DISC_BY_APPLICATION, "the session is over")

    async def _refuse_unrecorded(self, error: RecordingLostError) -> None:
        _log.error("session.refused", session_id=str(self.grant.session_id), error=str(error))
        text = f"proxyd: this session cannot be recorded, so it is refused: {error}"
        self._client.leave(asyncssh.DISC_BY_APPLICATION, _printable(text))
        await say_unrecorded(self.grant, self._around.broker, error)


def _printable(text: str) -> str:
    """Return `text` without anything that a terminal would act on."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
