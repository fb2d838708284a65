"""The thread that waits for the disk, so that the event loop never does.

It syncs the open segments every so often, all that were written to in one round, and
seals the segments that are complete. One thread does both in turn: then no file is
closed while it is synced, and a round is never later than one seal.
"""

import asyncio
import contextlib
import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from recorder.chunk import Chunk, SealReason
from recorder.chunker import Chunker
from recorder.errors import CorruptChunkError
from recorder.events import EndReason
from recorder.segment import Segment
from recorder.spool import Spool
from recorder.thread_names import show_thread_name

SyncFailed = Callable[[Segment, OSError], None]
Sealed = Callable[["SealJob", Chunk | Exception], None]

SYNCS_AT_ONCE = 4
"""A thousand files, measured: 0.9 s one by one, 0.07 s by four threads or more."""
IDLE_S = 60.0
"""How long the thread sleeps where there is no cadence to keep."""


class SealJob(Struct, frozen=True, kw_only=True):
    """A complete segment and how to seal it. The outcome is told on the event loop."""

    segment: Segment
    chunker: Chunker
    sealed: SealReason
    first_at: dt.datetime
    end_reason: EndReason | None
    done: asyncio.Event | None
    """Is set when the last segment of a session is sealed."""
    tell: Sealed


class Syncer:
    """Syncs and seals. All but `run` belongs to the event loop."""

    def __init__(self, spool: Spool, sync_interval_ms: int) -> None:
        self._spool = spool
        self._interval_s = sync_interval_ms / 1000
        # Bounded by the sessions: each is in either of them once at a time.
        self._dirty: deque[tuple[Segment, SyncFailed]] = deque()
        self._jobs: deque[SealJob] = deque()
        self._wake = threading.Event()
        self._hurried = False
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._several = ThreadPoolExecutor(
            SYNCS_AT_ONCE, thread_name_prefix="recorder-sync", initializer=show_thread_name
        )
        self._thread = threading.Thread(target=self._run, name="recorder-disk")
        self.defect: BaseException | None = None
        """What ended the thread before its time."""

    @property
    def inline(self) -> bool:
        """Whether every burst is synced before it goes on."""
        return self._interval_s == 0

    def start(self) -> None:
        """Start the thread; its news is told on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Carry out what was handed in, then end the thread."""
        self._stopping = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def mark(self, segment: Segment, failed: SyncFailed) -> None:
        """Have `segment` synced in the next round."""
        segment.dirty = True
        self._dirty.append((segment, failed))

    def hurry(self) -> None:
        """Begin the next round now."""
        self._hurried = True
        self._wake.set()

    def seal(self, job: SealJob) -> None:
        """Have a complete segment sealed soon."""
        self._jobs.append(job)
        self._wake.set()

    # --- the thread

    def _run(self) -> None:
        show_thread_name()
        try:
            next_round_s = time.monotonic()
            while self._jobs or not self._stopping:
                self._wake.wait(self._pause_s(next_round_s))
                self._wake.clear()
                if self._hurried or time.monotonic() >= next_round_s:
                    self._hurried = False
                    self._sync_round()
                    next_round_s = time.monotonic() + (self._interval_s or IDLE_S)
                self._seal_one()
            self._sync_round()
        except BaseException as defect:
            self.defect = defect
            raise
        finally:
            self._several.shutdown()

    def _pause_s(self, next_round_s: float) -> float:
        return 0.0 if self._jobs else max(0.0, next_round_s - time.monotonic())

    def _sync_round(self) -> None:
        batch = [self._dirty.popleft() for _ in range(len(self._dirty))]
        # Each is asked for by itself, but the file system commits them together.
        sync = self._several.map if len(batch) > SYNCS_AT_ONCE else map
        for _ in sync(self._sync, batch):
            pass

    def _sync(self, asked: tuple[Segment, SyncFailed]) -> None:
        segment, failed = asked
        segment.dirty = False
        if segment.closed:
            return
        try:
            segment.sync()
        except OSError as error:
            self._tell(failed, segment, error)

    def _seal_one(self) -> None:
        if not self._jobs:
            return
        job = self._jobs.popleft()
        outcome: Chunk | Exception
        try:
            outcome = self._seal(job)
        except (OSError, CorruptChunkError) as error:
            outcome = error
        self._tell(job.tell, job, outcome)

    def _seal(self, job: SealJob) -> Chunk:
        segment = job.segment
        if segment.written is not None:
            chunk = job.chunker.seal_written(
                segment.written,
                job.sealed,
                first_at=job.first_at,
                end_reason=job.end_reason,
            )
        else:
            try:
                chunk = self._packed(job, segment.frames())
            except CorruptChunkError:
                chunk = self._packed(job, *segment.mended_frames())
        self._spool.add(chunk)
        job.chunker.follow(chunk)
        # What cannot be deleted now is deleted by the next recovery: the chunk counts.
        with contextlib.suppress(OSError):
            segment.remove()
        return chunk

    def _packed(self, job: SealJob, frames: bytearray, cut_bytes: int = 0) -> Chunk:
        return job.chunker.seal(
            frames,
            job.sealed,
            first_at=job.first_at,
            end_reason=job.end_reason,
            cut_bytes=cut_bytes,
        )

    def _tell(self, callback: Callable[..., None], *news: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *news)
