"""Builds an engine: gateway, recorder, spool, shipper, and its ear for commands.

gateway ── records ──> spool ── shipper ──> bus
   └── asks for grants ──────────────────────┘
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from importlib.metadata import version
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from bus.contract import (
    Alive,
    Command,
    CommandResult,
    EngineStarted,
    Heartbeat,
    MessageUser,
    ResendChunks,
    TerminateSession,
    WatchSession,
)
from bus.errors import BusError
from bus.pause import PauseSession
from bus.ports import EngineBus
from config.model import OnLoss, Settings
from proxyd.bus_broker import BusBroker, Unseal
from proxyd.engine_trust import engine_id
from proxyd.gateways import Around, GatewayKeys, Gateways, shown
from proxyd.live_feeds import LiveFeeds
from proxyd.metrics import Metrics, watch
from proxyd.reach import StorageReach
from recorder.chunk import Chunk, SealReason
from recorder.errors import SpoolFullError
from recorder.events import EndReason
from recorder.ports import ChunkSink, Clock, SealingKeys, StorageReceipt
from recorder.recorders import Recorders
from recorder.recovery import recover
from recorder.session_info import TargetProtocol
from recorder.shipper import Shipper
from recorder.spool import Spool

FAREWELL: Final = "proxyd is stopping"
HEARTBEAT_S: Final = 10.0
_KNOWN_PATIENCE_S: Final = 3.0
"""Control hears of an engine at once, or is away."""
_ANNOUNCE_AGAIN_S: Final = 1.0
_NOT_THERE: Final = "the session is not there"
_MOST_RESENT: Final = 1000
"""Chunks that one command may ask for: a day of a session is 2880."""

_log = structlog.get_logger()


class MeasuredSink:
    """A `ChunkSink` that measures the one below."""

    def __init__(self, sink: ChunkSink, metrics: Metrics, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._confirmed_s = metrics.bus_confirm_seconds
        self._shipped = metrics.chunks_shipped_total
        self.last_receipt_at: dt.datetime | None = None
        """When a chunk was last stored."""

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt once `chunk` is stored."""
        with self._confirmed_s.time():
            receipt = await self._sink.ship(chunk)
        self._shipped.inc()
        self.last_receipt_at = self._clock.now()
        return receipt


class EngineKeys(Struct, frozen=True, kw_only=True):
    """What an engine proves itself with, to users and to the storage side."""

    gateways: GatewayKeys
    sealing: SealingKeys
    unseal: Unseal | None = None
    """None, where it shares its process with control and was never enrolled."""


class Engine:
    """One engine. Make it on the event loop."""

    def __init__(
        self,
        settings: Settings,
        bus: EngineBus,
        clock: Clock,
        keys: EngineKeys,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self.id = engine_id(settings.state_dir)
        self._announced = asyncio.Event()
        self._broker = BusBroker(bus, metrics, self._announced, keys.unseal)
        self.spool = Spool(settings.state_dir / "spool", settings.recorder, clock, keys.sealing)
        self._sink = MeasuredSink(bus, metrics, clock)
        self.shipper = Shipper(self.spool, self._sink, clock, limit_s=bus.ship_limit_s)
        self.reach = StorageReach(
            bus,
            clock,
            limit_s=settings.recorder.unreachable_limit_s,
            out_of_reach=self._out_of_reach,
            back=self.shipper.try_again,
        )
        self.recorders = Recorders(
            settings=settings.recorder,
            clock=clock,
            spool=self.spool,
            sealed=self._sealed,
            unreachable_s=lambda: self.unreachable_s,
            end_session=self._end_session,
        )
        self._live_feeds = LiveFeeds(self.recorders, bus, clock)
        around = Around(
            engine_id=self.id,
            broker=self._broker,
            recorders=self.recorders,
            clock=clock,
        )
        self.gateways = Gateways(settings, around, keys.gateways, metrics)
        self._shown = shown(keys.gateways)
        bus.obey(self.id, self._obey)
        self._measure(metrics)

    def _measure(self, metrics: Metrics) -> None:
        watch(metrics.storage_unreachable_seconds, lambda: self.unreachable_s)
        watch(metrics.spool_bytes, lambda: self.spool.used_bytes)
        watch(metrics.spool_disk_used_ratio, lambda: self.spool.fill_percent / 100)
        watch(metrics.oldest_unshipped_chunk_seconds, lambda: self.spool.oldest_unshipped_s)
        metrics.spool_quota_bytes.set(self._settings.recorder.spool_quota_bytes)
        metrics.recordings_lost_total.read(lambda: self.recorders.losses)
        metrics.spool_quarantined_total.read(lambda: self.spool.quarantined)

    def _out_of_reach(self) -> None:
        self.recorders.tick()

    def _sealed(self, session_id: UUID, why: SealReason) -> None:
        if self.recorders.is_live(session_id):
            self.shipper.wake_later(session_id, busy=why is SealReason.SIZE)
        else:
            self.shipper.wake(session_id)

    async def serve(self, listening: Callable[[], None]) -> None:
        """Recover, listen, announce, and serve until cancelled.

        `listening` is called when users can log in; where control is away, in a while: an
        engine comes up without it, too.

        Raises `ConfigError` or `StartError` where it cannot listen.
        """
        await self._recover()
        async with self.recorders, asyncio.TaskGroup() as tasks:
            tasks.create_task(self.shipper.run())
            tasks.create_task(self.reach.run())
            tasks.create_task(self._stay_known())
            listens = asyncio.Event()
            tasks.create_task(self.gateways.serve(listens.set))
            await listens.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KNOWN_PATIENCE_S):
                    await self._announced.wait()
            listening()

    async def drain(self) -> None:
        """Stop listening, tell users, end sessions, seal, ship."""
        await self.gateways.drain(FAREWELL, self._settings.drain_timeout_s)
        try:
            async with asyncio.timeout(self._settings.ship_timeout_s):
                await self.shipper.drained()
        except TimeoutError:
            _log.warning(
                "spool.left",
                chunks=self.spool.unshipped_chunks,
                next_step="they are kept in the spool and stored after the next start",
            )

    def not_ready(self) -> list[str]:
        """Return why no session can begin now; nothing, where one can."""
        reasons = []
        if not self.gateways.all_listen:
            reasons.append("the gateways do not listen")
        if not self._announced.is_set():
            reasons.append("control has not heard of this engine yet: no logins")
        try:
            self.spool.check_room()
        except SpoolFullError as error:
            reasons.append(str(error))
        recorder = self._settings.recorder
        unreachable_s = self.unreachable_s
        if recorder.on_loss is OnLoss.REQUIRE and unreachable_s >= recorder.unreachable_limit_s:
            reasons.append(f"nothing could be stored for {unreachable_s:.0f} s")
        return reasons

    @property
    def unreachable_s(self) -> float:
        """For how long nothing could be stored; 0 while it can."""
        return max(self.shipper.unreachable_s, self.reach.unreachable_s)

    @property
    def last_receipt_at(self) -> dt.datetime | None:
        """When a chunk was last stored, since the start."""
        return self._sink.last_receipt_at

    @property
    def listening(self) -> dict[str, tuple[str, ...]]:
        """Where users reach it, by protocol."""
        return {
            protocol.value: tuple(f"{host}:{port}" for host, port in addresses)
            for protocol, addresses in self.gateways.listening.items()
            if addresses
        }

    @property
    def ports(self) -> dict[TargetProtocol, int]:
        """The port that users reach each protocol at; none before it listens."""
        listening = self.gateways.listening
        return {protocol: at[0][1] for protocol, at in listening.items() if at}

    async def _recover(self) -> None:
        await asyncio.to_thread(self.spool.prepare)
        recovered = await asyncio.to_thread(recover, self.spool)
        if recovered.sessions:
            _log.warning(
                "spool.recovered",
                sessions=len(recovered.sessions),
                cut_bytes=recovered.cut_bytes,
                quarantined=recovered.quarantined,
            )

    async def _stay_known(self) -> None:
        """Tell control of the start until it has heard, then how we are, again and again."""
        while True:
            wait_s = HEARTBEAT_S
            try:
                if self._announced.is_set():
                    await self._beat()
                else:
                    await self._announce()
                    wait_s = 0
            except BusError as error:
                wait_s = _ANNOUNCE_AGAIN_S
                _log.debug("control.unheard", error=str(error))
            await asyncio.sleep(wait_s)

    async def _announce(self) -> None:
        kept = await asyncio.to_thread(self.spool.sessions)
        host_keys, certificate = self._shown
        await self._bus.request(
            EngineStarted(
                engine_id=self.id,
                site=self._settings.site,
                spooled_sessions=kept,
                host_keys=host_keys,
                certificate_fingerprint=certificate,
            )
        )
        self._announced.set()

    async def _beat(self) -> None:
        reply = await self._bus.request(
            Heartbeat(
                engine_id=self.id,
                site=self._settings.site,
                version=version("proxyd"),
                live_sessions=len(self.gateways.live_sessions),
                unshipped_chunks=self.spool.unshipped_chunks,
                spool_bytes=self.spool.used_bytes,
            )
        )
        if isinstance(reply, Alive):
            self._broker.user_key = reply.seal_to

    async def _end_session(self, session_id: UUID, reason: EndReason, detail: str) -> None:
        self.gateways.terminate(session_id, reason, detail)

    async def _obey(self, command: Command) -> CommandResult:
        if isinstance(command, ResendChunks):
            return await self._resend(command)
        if isinstance(command, WatchSession):
            return self._live_feeds.obey(command)
        problem = self._carry_out(command)
        return CommandResult(done=not problem, detail=problem)

    async def _resend(self, command: ResendChunks) -> CommandResult:
        """Ship again what is still here, be it in quarantine; say whether that is all of it."""
        last = min(command.last, command.first + _MOST_RESENT)
        wanted = range(command.first, last + 1)
        found = await asyncio.to_thread(self.spool.take_back, command.session_id, wanted)
        if found:
            self.shipper.wake(command.session_id)
        lacking = [str(sequence) for sequence in wanted if sequence not in found]
        detail = f"the engine does not have chunks {', '.join(lacking)}" if lacking else ""
        return CommandResult(done=not lacking, detail=detail)

    def _carry_out(self, command: TerminateSession | MessageUser | PauseSession) -> str:
        """Carry it out; return why it could not be, or nothing."""
        session_id = command.session_id
        match command:
            case TerminateSession(reason=text, end_reason=end_reason):
                done = self.gateways.terminate(session_id, end_reason, text)
                return "" if done else _NOT_THERE
            case MessageUser(text=text):
                return self.gateways.message(session_id, text)
            case PauseSession(text=text, paused=paused):
                return self.gateways.pause(session_id, text, paused=paused)
