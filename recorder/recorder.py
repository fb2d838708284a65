"""The recording of one session: what a relay sees goes in, segments come out.

INVARIANT: when `record` returns, the burst was handed to the kernel in whole, so it
outlives this process; what could not be kept is never silently missing.

Everything here runs on the event loop; `recorder.syncer` waits for the disk.
"""

import asyncio
import contextlib
from collections.abc import Callable
from uuid import UUID

import structlog
from msgspec import Struct

from config.model import OnLoss, RecorderSettings
from recorder.chunk import MAX_FRAMES_BYTES, SealReason
from recorder.chunker import Chunker
from recorder.errors import RecordingLostError, SpoolFullError
from recorder.events import (
    ClockStepped,
    EndReason,
    KnownEvent,
    RecordingGap,
    SessionEnded,
    encode_burst,
    put_in_order,
)
from recorder.policy import keeps
from recorder.ports import Clock, LiveTap, Tapped
from recorder.sealing import Seals
from recorder.segment import OVERHEAD_BYTES, Segment
from recorder.session_info import RecordingMode, SessionInfo
from recorder.spool import Begun, Spool
from recorder.syncer import Syncer

MAX_UNSYNCED_BYTES = 8 * 1024 * 1024
"""So much may have to be written anew when a sync fails."""
MAX_UNSEALED_BYTES = 32 * 1024 * 1024
MAX_UNSEALED = 16
"""A disk that fails again and again must not take a descriptor each time."""
_POLL_S = 0.002
"""Congestion is rare and short; looking again costs less than being told by a thread."""
CLOSE_LIMIT_S = 10.0
"""A disk that does not seal the last chunk in time leaves that to the next recovery."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Surroundings(Struct, frozen=True, kw_only=True):
    """What all recorders of an engine share."""

    settings: RecorderSettings
    clock: Clock
    spool: Spool
    syncer: Syncer
    sealed: Callable[[UUID, SealReason], None]
    """Is told of each chunk that can be shipped."""
    lost: Callable[["Recorder", RecordingLostError], None]
    """Is told, once, when a recording stops or has a gap."""


class Recorder:
    """One session's `EventSink`. Made by `recorder.recorders.Recorders`."""

    __slots__ = (
        "_all_sealed",
        "_around",
        "_end_reason",
        "_gap_from_ms",
        "_gap_why",
        "_key",
        "_last_ms",
        "_loss",
        "_max_bytes",
        "_seals",
        "_segment",
        "_selective",
        "_sync_failures",
        "_taps",
        "info",
        "over_quota",
        "started_ms",
    )

    def __init__(
        self, info: SessionInfo, begun: Begun, started_ms: int, around: Surroundings
    ) -> None:
        segment = begun.segment
        self.info = info
        self.started_ms = started_ms
        self.over_quota = False
        """Whether more of this session waits in the spool than one may have there."""
        self._around = around
        self._segment = segment
        self._key = begun.key
        chunker = Chunker(info.session_id, begun.key, around.spool.keys.signer)
        self._seals = Seals(info.session_id, chunker, around.syncer, around.sealed)
        self._selective = info.terms.mode is not RecordingMode.EVERYTHING
        self._max_bytes = around.settings.chunk_max_bytes
        self._taps: tuple[LiveTap, ...] = ()
        self._loss: RecordingLostError | None = None
        self._gap_from_ms: int | None = None
        self._last_ms = 0
        self._gap_why = ""
        self._sync_failures = 0
        self._all_sealed: asyncio.Event | None = None
        """Made when the session ends: a quiet session has no need of it."""
        self._end_reason: EndReason | None = None
        self._begin(segment, 0)

    # --- what a relay calls

    def at_ms(self) -> int:
        """Return milliseconds since the session began."""
        return self._around.clock.monotonic_ms() - self.started_ms

    def record(self, events: list[KnownEvent]) -> None:
        """Take one burst; raise `RecordingLostError` where it could not be kept."""
        if self._selective:
            mode = self.info.terms.mode
            events = [event for event in events if keeps(mode, event)]
        if self._loss is not None or self._gap_from_ms is not None or self._crowded:
            events = self._in_trouble(events)
        if not events:
            return
        self._last_ms = put_in_order(events, self._last_ms)
        body = encode_burst(events)
        try:
            self._write(body, self._last_ms)
        except OSError as error:
            self.give_up(error.strerror or str(error))
            if self._loss is not None:
                raise self._loss from error
            return
        for tap in self._taps:
            tap(body)

    @property
    def congested(self) -> bool:
        """Whether the relay must `drain` before it reads on."""
        segment = self._segment
        return (
            segment.written_bytes - segment.synced_bytes > MAX_UNSYNCED_BYTES
            or self._seals.bytes > MAX_UNSEALED_BYTES
            or self._loss is not None
            or (self._crowded and not self._may_have_gaps)
        )

    async def drain(self) -> None:
        """Wait until there is room again; raise `RecordingLostError` if there never will be."""
        limit_s = self._around.settings.unreachable_limit_s
        try:
            async with asyncio.timeout(limit_s):
                while self.congested:
                    if self._loss is not None:
                        raise self._loss
                    self._around.syncer.hurry()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            why = self._why_crowded or "the disk takes nothing"
            full = SpoolFullError if self._crowded else None
            self.give_up(f"{why}, for {limit_s:g} s", full)
            if self._loss is not None:
                raise self._loss from None

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Record the end and seal the last chunk. Closing twice is harmless."""
        all_sealed = self.finish(reason, detail)
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await all_sealed.wait()
        except TimeoutError:
            _log.error(
                "recording.unsealed",
                session_id=str(self.info.session_id),
                next_step="its last chunk is sealed as soon as the spool's disk works again",
            )

    # --- what `Recorders` calls

    @property
    def open_bytes(self) -> int:
        """How many bytes lie in segments."""
        return self._seals.bytes + (self._segment.written_bytes if self.live else 0)

    @property
    def done(self) -> bool:
        """Whether the session ended and all its chunks are sealed."""
        return self._end_reason is not None and not self._seals

    @property
    def live(self) -> bool:
        """Whether the session goes on."""
        return self._end_reason is None

    def finish(self, reason: EndReason, detail: str = "") -> asyncio.Event:
        """Record the end; return what is set once the last chunk is sealed."""
        if self._all_sealed is None:
            self._all_sealed = asyncio.Event()
            self._write_end(reason, detail, self._all_sealed)
        return self._all_sealed

    def tick(self) -> None:
        """Seal what is due, and try again what could not be sealed before."""
        if self.live and self.at_ms() >= self._segment.due_ms:
            with contextlib.suppress(OSError):
                self._rotate(SealReason.INTERVAL)
        self._seals.retry()

    def clock_stepped(self, step_ms: int) -> None:
        """Record that the wall clock moved."""
        # A loss is told where every loss is told; the other sessions' clocks tick on.
        with contextlib.suppress(RecordingLostError):
            self.record([ClockStepped(at_ms=self.at_ms(), step_ms=step_ms)])

    def watch(self, tap: LiveTap) -> Tapped:
        """Hand each frame body to `tap` from now on, beginning with a chunk if possible.

        What was recorded before is sealed, so that a watcher is soon told of it.
        """
        if self._segment.first_at is not None:
            with contextlib.suppress(OSError):
                self._rotate(SealReason.INTERVAL)
        self._taps = (*self._taps, tap)
        fresh = self._segment.first_at is None
        return Tapped(self._key, self._seals.added if fresh else None)

    def unwatch(self, tap: LiveTap) -> None:
        """Hand nothing more to `tap`."""
        self._taps = tuple(other for other in self._taps if other != tap)

    def give_up(self, why: str, kind: type[RecordingLostError] | None = None) -> None:
        """Declare the recording lost, or a gap in it where the session may have one."""
        if self.live and self._loss is None and self._gap_from_ms is None:
            error = (kind or RecordingLostError)(
                f"session {self.info.session_id} can no longer be recorded: {why}"
            )
            if self._may_have_gaps:
                self._gap_from_ms, self._gap_why = self.at_ms(), why
            else:
                self._loss = error
            self._around.lost(self, error)

    # --- inside

    @property
    def _crowded(self) -> bool:
        return self._around.spool.full or self.over_quota

    @property
    def _why_crowded(self) -> str:
        if self._around.spool.full:
            return "the spool is full"
        return "it has filled its part of the spool" if self.over_quota else ""

    @property
    def _may_have_gaps(self) -> bool:
        return self.info.terms.on_loss is OnLoss.BEST_EFFORT

    def _begin(self, segment: Segment, at_ms: int) -> None:
        segment.first_at = self._around.clock.now()
        segment.due_ms = at_ms + round(self._around.settings.chunk_interval_s * 1000)

    def _write(self, body: bytes, at_ms: int) -> None:
        if at_ms >= self._segment.due_ms:
            self._rotate(SealReason.INTERVAL)
        segment = self._segment
        if segment.written_bytes + len(body) + OVERHEAD_BYTES > MAX_FRAMES_BYTES:
            raise OSError(f"a burst of {len(body)} bytes does not fit into its chunk")
        segment.append(body)
        if segment.first_at is None:
            self._begin(segment, at_ms)
        if self._around.syncer.inline:
            self._sync_now()
        elif not segment.dirty:
            self._around.syncer.mark(segment, self._sync_failed)
        if segment.written_bytes >= self._max_bytes:
            self._rotate(SealReason.SIZE)

    def _in_trouble(self, events: list[KnownEvent]) -> list[KnownEvent]:
        """Return what to write; nothing, where it must be dropped as agreed."""
        if self._loss is not None:
            raise self._loss
        if self._crowded and self._may_have_gaps:
            self.give_up(self._why_crowded)
            return []
        if self._gap_from_ms is None:
            # What is on its way when the spool fills up is kept; the relay then drains.
            return events
        at_ms = self._last_ms = self.at_ms()
        gap = RecordingGap(at_ms=at_ms, from_ms=self._gap_from_ms, reason=self._gap_why)
        try:
            self._segment.cut_to(self._segment.written_bytes)
            self._write(encode_burst([gap]), at_ms)
        except OSError:
            return []
        self._gap_from_ms = None
        return events

    def _sync_now(self) -> None:
        while self._gap_from_ms is None:
            try:
                self._segment.sync()
            except OSError as error:
                self._sync_failed(self._segment, error)
                if self._loss is not None:
                    raise self._loss from error
            else:
                return

    def _sync_failed(self, segment: Segment, error: OSError) -> None:
        """Write anew what the failed sync may have dropped; a second failure is a loss.

        A kill between the write and the cut leaves those frames twice: better than not
        at all.
        """
        _log.error(
            "segment.suspect",
            session_id=str(self.info.session_id),
            file=str(segment.path),
            error=str(error),
            next_step="check the spool's disk: it did not keep what it was given",
        )
        if segment is not self._segment or not self.live:
            return  # It is being sealed: what its file lacks then comes from memory.
        self._sync_failures += 1
        if not self._rewrite(segment) or self._sync_failures > 1:
            self.give_up(f"the disk fails: {error.strerror or error}")

    def _rewrite(self, segment: Segment) -> bool:
        if len(self._seals) >= MAX_UNSEALED:
            return False
        try:
            fresh = segment.next()
            for body in list(segment.unsynced):
                fresh.append(body)
            segment.cut_to(segment.synced_bytes)
        except OSError:
            return False
        if fresh.unsynced:
            self._begin(fresh, self.at_ms())
        self._replace(fresh, SealReason.SIZE)
        if not self._around.syncer.inline:
            self._around.syncer.mark(fresh, self._sync_failed)
        return True

    def _rotate(self, sealed: SealReason) -> None:
        try:
            fresh = self._segment.next()
        except OSError:
            # Not fatal while there is room in the old one: the next burst tries again.
            if self._segment.written_bytes > MAX_FRAMES_BYTES // 2:
                raise
            return
        self._replace(fresh, sealed)

    def _replace(self, fresh: Segment, sealed: SealReason) -> None:
        old, self._segment = self._segment, fresh
        self._seals.add(old, sealed, self._around.clock)

    def _write_end(self, reason: EndReason, detail: str, all_sealed: asyncio.Event) -> None:
        at_ms = max(self._last_ms, self.at_ms())
        last_words: list[KnownEvent] = [SessionEnded(at_ms=at_ms, reason=reason, detail=detail)]
        if self._gap_from_ms is not None:
            gap = RecordingGap(at_ms=at_ms, from_ms=self._gap_from_ms, reason=self._gap_why)
            last_words.insert(0, gap)
        body = encode_burst(last_words)
        self._end_reason = reason
        if self._loss is None:
            self._loss = RecordingLostError(f"session {self.info.session_id} has ended")
        if not (self._last_write(body) or self._fresh_last_write(body)):
            _log.error("recording.end_unwritten", session_id=str(self.info.session_id))
        self._seals.add(self._segment, SealReason.END, self._around.clock, (reason, all_sealed))
        for tap in self._taps:
            tap(body)
            tap(b"")
        self._taps = ()

    def _last_write(self, body: bytes) -> bool:
        """Write the end, if need be into the reserve."""
        for _ in range(2):
            try:
                self._segment.cut_to(self._segment.written_bytes)
                self._segment.append(body)
            except OSError as error:
                if not self._around.spool.makes_room(error):
                    return False
            else:
                return True
        return False

    def _fresh_last_write(self, body: bytes) -> bool:
        """Write the end into a new file, where the old one takes nothing more."""
        try:
            self._rotate(SealReason.SIZE)
        except OSError:
            return False
        return self._last_write(body)
