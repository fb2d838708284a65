"""One desktop session from its grant to its end: record, dial, relay, tell the user.

    grant ── recording on disk ── target dialled and logged on ── relay ── end

The recording stands before the target is dialled, so a session that was granted has one,
however it ends.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final

import msgspec
import structlog
from msgspec import Struct, structs

from bus.contract import Grant, TargetCredential
from bus.errors import BusError
from bus.sealed import Opener, credential_info
from config.model import RDPSettings
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.acceptor import Acceptor, ClientSide
from protocols.rdp.certificates import TargetCertificates
from protocols.rdp.channel_policy import (
    OLD_TLS,
    REDIRECTION,
    channel_terms,
    static_channels,
)
from protocols.rdp.connector import Connector, Logon
from protocols.rdp.dialler import dial
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.redirections import refusal
from protocols.rdp.relay import Ended, Relay, Side
from protocols.rdp.tickets import opened
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.redirection import Redirection
from protocols.rdp.wire.ts_request import PasswordCredentials
from protocols.recording_start import AnySurroundings, say_unrecorded, start_recording
from protocols.session import Happened, Session
from recorder.errors import RecordingLostError
from recorder.events import EndReason
from recorder.ports import EventSink

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_credentials = msgspec.msgpack.Decoder(TargetCredential)

_SHOWN: Final = MappingProxyType(
    {
        EndReason.TERMINATED: ErrorInfo.ADMINISTRATOR_DISCONNECT,
        EndReason.ENGINE_STOPPED: ErrorInfo.ADMINISTRATOR_DISCONNECT,
        EndReason.IDLE: ErrorInfo.IDLE_TIMEOUT,
        EndReason.TOO_LONG: ErrorInfo.LOGON_TIMEOUT,
        EndReason.TARGET_UNREACHABLE: ErrorInfo.TARGET_UNREACHABLE,
        EndReason.PROTOCOL_ERROR: ErrorInfo.DENIED,
        EndReason.RECORDING_LOST: ErrorInfo.DENIED,
    }
)
"""What the client is told of an end; of the others it knows already, but where its target is
gone without a word."""

_ENDS: Final = MappingProxyType(
    {
        Ended.CLIENT_LEFT: (EndReason.CLIENT_LEFT, ""),
        Ended.TARGET_LEFT: (EndReason.TARGET_LEFT, "the target ended the session"),
    }
)


class Keys(Struct, frozen=True, kw_only=True):
    """What the gateway shows clients."""

    context: ssl.SSLContext
    public_key: bytes
    """Of the certificate in `context`, as CredSSP binds to it."""


class Surroundings(AnySurroundings, frozen=True, kw_only=True):
    """What every session of this gateway shares."""

    settings: RDPSettings


class Granted(Struct, frozen=True, kw_only=True):
    """A client that proved itself, and the grant of its session."""

    leg: Leg
    acceptor: Acceptor
    client: ClientSide
    grant: Grant
    opener: Opener


class Ending(Struct, frozen=True):
    """Why a session ends, in words for the operator."""

    reason: EndReason
    text: str


class ServedSession:
    """A granted session."""

    def __init__(self, granted: Granted, around: Surroundings) -> None:
        self.grant: Grant = granted.grant
        self._granted, self._around = granted, around
        self._life = Session()
        for step in (Happened.CREDENTIAL_PRESENTED, Happened.GRANTED):
            self._life.happened(step)
        self._relay: Relay | None = None
        self._target: Leg | None = None
        self._where = ""
        self._standing = asyncio.Event()
        """Set while there is a target to send to: not while another one is dialled."""
        self._redirections = 0
        self._kept: PasswordCredentials | None = None
        self._sink: EventSink | None = None
        self._client_lost = False
        """Whether the client is gone without having said so: it may come back by itself."""
        self._target_lost = False
        """Whether the target is: then the client cannot know why."""
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def end(self, reason: EndReason, text: str) -> None:
        """End the session; the first reason given is the one that counts."""
        if not self._ending.done():
            self._ending.set_result(Ending(reason, text))

    async def run(self) -> None:
        """Serve the session until it is over. Raises nothing that a peer can cause."""
        log = _log.bind(session_id=str(self.grant.session_id))
        try:
            sink = self._sink = await start_recording(
                self.grant, self._around, self._granted.leg.peer_address
            )
        except RecordingLostError as error:
            await self._refuse_unrecorded(error)
            return
        settings = self._around.settings
        self._granted.leg.keep_alive(
            settings.client_alive_interval_s, settings.client_alive_count
        )
        log.info("session.opened", user=self.grant.user, secret=self.grant.secret_name)
        ending = Ending(EndReason.ENGINE_STOPPED, "proxyd is stopping")
        try:
            ending = await self._serve(sink)
        finally:
            self._leave(ending)
            await sink.close(ending.reason, ending.text)
            await self._close_legs()
            self._life.happened(Happened.CONNECTION_LOST)
            log.info("session.ended", reason=ending.reason.value, detail=ending.text)

    # --- the steps

    async def _serve(self, sink: EventSink) -> Ending:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._work(sink))
            try:
                return await self._ending
            finally:
                work.cancel()

    async def _work(self, sink: EventSink) -> None:
        """Dial, then relay until one of both legs is through."""
        connector = await self._dialled()
        if connector is None or connector.target is None:
            return
        self._life.happened(Happened.TARGET_READY)
        try:
            relay = self._relay = Relay(
                self._granted.client,
                connector.target,
                sink,
                mask_typed=self.grant.terms.mask_typed,
                terms=channel_terms(self.grant.channels),
            )
            relay.start()
            await self._relayed(relay, connector.take_rest())
        except RecordingLostError as error:
            self.lost(error)

    async def _dialled(self, redirection: Redirection | None = None) -> Connector | None:
        """Dial the target, or where it sends us; None where the session has ended instead."""
        try:
            self._target, connector = await self._logged_on(redirection)
        except TargetUnreachableError as error:
            self.end(EndReason.TARGET_UNREACHABLE, str(error))
        except BusError as error:
            self.end(EndReason.TARGET_UNREACHABLE, f"{error}; try again")
        else:
            if not self._ending.done():
                self._standing.set()
                return connector
        return None

    async def _logged_on(self, redirection: Redirection | None) -> tuple[Leg, Connector]:
        grant, settings = self.grant, self._around.settings
        target = grant.target
        if redirection is not None and redirection.host:
            target = structs.replace(target, host=redirection.host)
        self._where = f"{target.host}:{target.port}"
        certificates = TargetCertificates(
            grant.host_key_policy,
            grant.host_keys,
            lambda key: self._around.broker.pin_host_key(grant, key),
            secret_name=grant.secret_name,
            old_tls=OLD_TLS in grant.channels,
        )
        credentials = self._opened()
        logon = Logon(
            host=target.host,
            credentials=credentials,
            allowed_channels=static_channels(grant.channels),
            redirection=redirection,
            opening=await opened(credentials, target.host, settings),
        )
        connector = Connector(self._granted.client, logon)
        leg = await dial(target, connector, certificates, settings)
        return leg, connector

    def _opened(self) -> PasswordCredentials:
        """Return what opens the target; keep it only for a target that may send us on."""
        opened = self._kept
        if opened is None:
            packed = self._granted.opener.open(
                self.grant.sealed_credential, credential_info(self.grant.session_id)
            )
            credential = _credentials.decode(packed)
            opened = PasswordCredentials(
                domain=credential.domain or "",
                username=credential.username,
                password=credential.password or "",
            )
        if REDIRECTION in self.grant.channels:
            self._kept = opened
        return opened

    async def _relayed(self, relay: Relay, early: bytes) -> None:
        rest = self._granted.acceptor.take_rest()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(relay, Side.TARGET, early))
            tasks.create_task(self._pump(relay, Side.CLIENT, rest))
            tasks.create_task(self._time_limits(relay))
            tasks.create_task(self._say(self._around.broker.session_ready))

    async def _pump(self, relay: Relay, side: Side, early: bytes) -> None:
        """Copy one direction until it ends; whatever ends it ends the session."""
        try:
            if early:
                await self._forward(relay, side, early)
            while not self._ending.done():
                await self._forward(relay, side, await self._leg(side).read())
        except LegClosedError as error:
            self._lost(side, error)
        except RemoteProtocolError as error:
            who = "client" if side is Side.CLIENT else "target"
            self.end(EndReason.PROTOCOL_ERROR, f"the {who}: {error}")
        except RecordingLostError as error:
            self.lost(error)

    def _leg(self, side: Side) -> Leg:
        target = self._target
        return self._granted.leg if side is Side.CLIENT or target is None else target

    async def _room(self) -> None:
        """Wait until what came can be recorded, and goes somewhere."""
        sink = self._sink
        if sink is not None and sink.congested:
            await sink.drain()
        # While another target is dialled, nothing is for the one that sent the client on.
        await self._standing.wait()

    async def _forward(self, relay: Relay, side: Side, data: bytes) -> None:
        await self._room()
        crossed = relay.receive(side, data)
        self._around.crossed_bytes[side] += len(data)
        if self._ending.done():
            return
        if relay.activated:
            self._kept = None
        destination = self._leg(Side.TARGET if side is Side.CLIENT else Side.CLIENT)
        if crossed.data:
            destination.write(crossed.data)
        if crossed.back:
            await self._answer(self._leg(side), crossed.back)
        if crossed.ended is Ended.REDIRECTED and relay.redirection is not None:
            await self._redirected(relay, relay.redirection)
            return
        if crossed.ended is not None:
            self.end(*_ENDS[crossed.ended])
            return
        if not destination.has_room:
            # Whoever reads from a peer that is gone notices it, and knows which of both it is.
            with contextlib.suppress(LegClosedError):
                await destination.drain()

    async def _answer(self, leg: Leg, data: bytes) -> None:
        """Answer in place of the other side."""
        leg.write(data)
        if not leg.has_room:
            await leg.drain()

    async def _redirected(self, relay: Relay, to: Redirection) -> None:
        """Go where the target sends the client, if the secret lets us; else end."""
        self._redirections += 1
        refused = refusal(
            allowed=REDIRECTION in self.grant.channels,
            activated=relay.activated,
            number=self._redirections,
        )
        if refused:
            self.end(EndReason.TARGET_UNREACHABLE, refused)
            return
        self._standing.clear()
        if self._target is not None:
            self._target.abort()
        connector = await self._dialled(to)
        if connector is None or connector.target is None:
            return
        relay.redirected(connector.target, to.host or self.grant.target.host)
        if rest := connector.take_rest():
            await self._forward(relay, Side.TARGET, rest)

    async def _say(self, what: Callable[[Grant], Awaitable[None]]) -> None:
        """Tell control, which gets on without it where the bus is away."""
        try:
            await what(self.grant)
        except BusError as error:
            _log.warning("session.report_unsaid", error=str(error))

    async def _time_limits(self, relay: Relay) -> None:
        settings, sink = self._around.settings, self._sink
        loop = asyncio.get_running_loop()
        until_s = loop.time() + settings.max_session_s
        while sink is not None:
            left_s = until_s - loop.time()
            if left_s <= 0:
                hours = settings.max_session_s / 3600
                self.end(EndReason.TOO_LONG, f"a session may last {hours:g} h")
                return
            if settings.idle_timeout_s:
                idle_s = (sink.at_ms() - relay.active_ms) / 1000
                if idle_s >= settings.idle_timeout_s:
                    limit = f"nothing was typed for {settings.idle_timeout_s:g} s"
                    self.end(EndReason.IDLE, limit)
                    return
                left_s = min(left_s, settings.idle_timeout_s - idle_s)
            await asyncio.sleep(left_s)

    # --- the ends

    def _lost(self, side: Side, error: LegClosedError) -> None:
        """End the session of a peer that is gone without a word."""
        if self._ending.done():
            return
        if side is Side.CLIENT:
            self._client_lost = True
            self.end(EndReason.CLIENT_LEFT, str(error))
            return
        self._target_lost = True
        self.end(EndReason.TARGET_LEFT, f"the target {self._where} is gone: {error}")

    def lost(self, error: RecordingLostError) -> None:
        """End the session: what crosses can no longer be recorded."""
        text = f"this session can no longer be recorded, so it ends ({error})"
        self.end(EndReason.RECORDING_LOST, text)

    def _leave(self, ending: Ending) -> None:
        """Tell the user why the session ends, where the client does not know it."""
        gone = ErrorInfo.TARGET_UNREACHABLE if self._target_lost else None
        code, relay = _SHOWN.get(ending.reason, gone), self._relay
        if relay is not None:
            try:
                relay.end(code)
            except RecordingLostError as error:
                _log.warning("session.end_unrecorded", error=str(error))
        if code is not None:
            told = relay.farewell(code) if relay else self._granted.acceptor.denial(code)
            self._granted.leg.part(told)

    async def _close_legs(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._client_lost:
                tasks.create_task(self._say(self._around.broker.connection_lost))
            for leg in (self._granted.leg, self._target):
                if leg is not None:
                    tasks.create_task(leg.close())

    async def _refuse_unrecorded(self, error: RecordingLostError) -> None:
        _log.error("session.refused", session_id=str(self.grant.session_id), error=str(error))
        self._granted.leg.write(self._granted.acceptor.denial(ErrorInfo.DENIED))
        await self._granted.leg.close()
        await say_unrecorded(self.grant, self._around.broker, error)
