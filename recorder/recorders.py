"""The recordings of one engine: starts them, ticks for all of them, ends them.

One ticker serves every session, so that a quiet one costs no timer.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from config.model import OnLoss, RecorderSettings
from recorder.chunk import SealReason
from recorder.errors import RecordingKeyError, RecordingLostError
from recorder.events import EndReason, SessionStarted, encode_burst
from recorder.ports import Clock, EndSession, EventSink, LiveTap, Tapped
from recorder.recorder import Recorder, Surroundings
from recorder.session_info import SessionInfo
from recorder.spool import Begun, Spool
from recorder.syncer import Syncer

CLOCK_STEP_MS = 2000
"""NTP slews by less between two ticks; more is somebody setting the clock."""
_TICK_S = 1.0

LAST_WORD_S = 0.5
"""How long after `unreachable_limit_s` sessions end, which is to be within a second of it: a
way that was back a second before takes that long to be found, connected and asked."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Recorders:
    """A `RecorderFactory`. Enter it to start its thread and its ticker."""

    def __init__(
        self,
        *,
        settings: RecorderSettings,
        clock: Clock,
        spool: Spool,
        sealed: Callable[[UUID, SealReason], None],
        unreachable_s: Callable[[], float],
        end_session: EndSession,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._unreachable_s = unreachable_s
        self._end_session = end_session
        self._syncer = Syncer(spool, settings.sync_interval_ms)
        self._around = Surroundings(
            settings=settings,
            clock=clock,
            spool=spool,
            syncer=self._syncer,
            sealed=sealed,
            lost=self._lost,
        )
        self._recorders: dict[UUID, Recorder] = {}
        self._tasks = asyncio.TaskGroup()
        self._stopping = asyncio.Event()
        self._clock_offset_ms = self._offset_ms()
        self.losses = 0
        """How many recordings were lost or have a gap, since the start."""

    async def __aenter__(self) -> Self:
        """Start the disk thread and the ticker."""
        self._syncer.start()
        await self._tasks.__aenter__()
        self._tasks.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still goes on, seal it and stop the thread."""
        try:
            for recorder in self._recorders.values():
                recorder.finish(EndReason.ENGINE_STOPPED)
            for recorder in list(self._recorders.values()):
                await recorder.close(EndReason.ENGINE_STOPPED)
        finally:
            self._stopping.set()
            await self._syncer.stop()
            await self._tasks.__aexit__(kind, error, trace)

    @property
    def live_sessions(self) -> tuple[UUID, ...]:
        """Return the sessions that are being recorded."""
        return tuple(id_ for id_, recorder in self._recorders.items() if recorder.live)

    def is_live(self, session_id: UUID) -> bool:
        """Say whether this session is being recorded."""
        recorder = self._recorders.get(session_id)
        return recorder is not None and recorder.live

    async def start(self, info: SessionInfo) -> EventSink:
        """Return the sink of a new recording, already on disk; else `RecordingLostError`."""
        if info.terms.on_loss is OnLoss.REQUIRE and self._unreachable:
            raise RecordingLostError(
                "recordings cannot be delivered at present: sessions that require theirs are "
                "refused until the storage worker answers again"
            )
        started_ms = self._clock.monotonic_ms()
        body = encode_burst([SessionStarted(at_ms=0, info=info)])
        beginning = asyncio.get_running_loop().run_in_executor(
            None, self._spool.begin, info.session_id, body
        )

        def begun(beginning: Begun) -> Recorder:
            recorder = Recorder(info, beginning, started_ms, self._around)
            self._recorders[info.session_id] = recorder
            return recorder

        def abandoned(late: asyncio.Future[Begun]) -> None:
            if not late.cancelled() and late.exception() is None:
                begun(late.result()).finish(EndReason.CLIENT_LEFT, "left before it began")

        try:
            return begun(await asyncio.shield(beginning))
        except asyncio.CancelledError:
            beginning.add_done_callback(abandoned)
            raise
        except RecordingKeyError as error:
            raise RecordingLostError(f"no session can be encrypted: {error}") from error
        except OSError as error:
            raise RecordingLostError(
                f"the recording of session {info.session_id} cannot be begun: {error}; "
                f"check the disk of {self._spool.directory}"
            ) from error

    def watch(self, session_id: UUID, tap: LiveTap) -> Tapped | None:
        """Hand each frame body of a live session to `tap`, from the next chunk on.

        None where there is no such session.
        """
        recorder = self._recorders.get(session_id)
        return recorder.watch(tap) if recorder is not None and recorder.live else None

    def unwatch(self, session_id: UUID, tap: LiveTap) -> None:
        """Hand nothing more to `tap`."""
        recorder = self._recorders.get(session_id)
        if recorder is not None:
            recorder.unwatch(tap)

    def tick(self) -> None:
        """Let time pass for every session."""
        if self._syncer.defect is not None:
            raise self._syncer.defect
        step_ms = self._clock_step_ms()
        unreachable = self._unreachable
        for session_id, recorder in list(self._recorders.items()):
            if step_ms:
                recorder.clock_stepped(step_ms)
            recorder.tick()
            recorder.over_quota = self._is_over_quota(recorder)
            if unreachable and recorder.info.terms.on_loss is OnLoss.REQUIRE:
                recorder.give_up("nothing reached the storage worker for too long")
            if recorder.done:
                del self._recorders[session_id]
        self._spool.measure(sum(recorder.open_bytes for recorder in self._recorders.values()))

    # --- inside

    @property
    def _unreachable(self) -> bool:
        return self._unreachable_s() >= self._settings.unreachable_limit_s + LAST_WORD_S

    def _is_over_quota(self, recorder: Recorder) -> bool:
        kept_bytes = self._spool.waiting_bytes(recorder.info.session_id) + recorder.open_bytes
        return kept_bytes >= self._settings.session_quota_bytes

    async def _run(self) -> None:
        tick_s = min(_TICK_S, self._settings.chunk_interval_s / 4)
        while not self._stopping.is_set():
            self.tick()
            try:
                async with asyncio.timeout(tick_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def _lost(self, recorder: Recorder, error: RecordingLostError) -> None:
        self.losses += 1
        best_effort = recorder.info.terms.on_loss is OnLoss.BEST_EFFORT
        session_id = recorder.info.session_id
        _log.error(
            "recording.lost",
            session_id=str(session_id),
            error=str(error),
            session_goes_on=best_effort,
            next_step="check the spool's disk and the storage worker",
        )
        if not best_effort:
            self._tasks.create_task(self._end(session_id, str(error)))

    async def _end(self, session_id: UUID, detail: str) -> None:
        try:
            await self._end_session(session_id, EndReason.RECORDING_LOST, detail)
        except Exception:  # noqa: BLE001 - one session's boundary: the others go on
            _log.exception("session.unended", session_id=str(session_id))

    def _offset_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000) - self._clock.monotonic_ms()

    def _clock_step_ms(self) -> int:
        offset_ms = self._offset_ms()
        step_ms = offset_ms - self._clock_offset_ms
        if abs(step_ms) <= CLOCK_STEP_MS:
            return 0
        self._clock_offset_ms = offset_ms
        return step_ms
