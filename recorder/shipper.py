"""Takes sealed chunks from the spool to where they are stored.

In order within a session, several sessions at a time. A chunk that cannot be stored
is tried again for ever; it is deleted only on a receipt that names its digest. One that
is refused for good is put aside, so that those behind it arrive. A chunk is read when
its turn comes, so that an outage fills the disk and not memory.
"""

import asyncio
import random
from typing import Protocol
from uuid import UUID

import structlog

from recorder.chunk import Chunk
from recorder.errors import ChunkRefusedError, CorruptChunkError
from recorder.ports import ChunkSink, Clock
from recorder.spool import Spool

AT_ONCE = 8
"""Sessions whose chunks are under way together: fills a link and bounds memory."""
UNHURRIED_S, BUSY_S = 0.5, 1.5
"""How long a chunk of a session that goes on may wait, and of one that fills its chunks:
storing it takes the processor away from what crosses the session, and it is safe where it
lies."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 60.0
SHIP_LIMIT_S = 10.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Random(Protocol):
    """Where jitter comes from."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number from `a` to `b`."""
        ...


class Shipper:
    """Ships what is sealed, as long as `run` runs."""

    def __init__(
        self,
        spool: Spool,
        sink: ChunkSink,
        clock: Clock,
        *,
        jitter: Random | None = None,
        limit_s: float = SHIP_LIMIT_S,
    ) -> None:
        """`limit_s` is how long one try may take, with all that the sink waits for."""
        self._limit_s = limit_s
        self._spool = spool
        self._sink = sink
        self._clock = clock
        self._jitter = jitter or random.SystemRandom()
        self._tasks: asyncio.TaskGroup | None = None
        self._active: set[UUID] = set()
        self._unhurried: dict[UUID, asyncio.TimerHandle] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._works_again = asyncio.Event()
        self._idle = asyncio.Event()
        self._failures = 0
        self._failing_since_ms: int | None = None
        self.shipped_chunks = 0
        """How many were stored since the start."""

    @property
    def failing(self) -> bool:
        """Whether the last attempts failed."""
        return self._failing_since_ms is not None

    @property
    def unreachable_s(self) -> float:
        """For how long every attempt has failed; 0 while chunks arrive."""
        if self._failing_since_ms is None:
            return 0.0
        return (self._clock.monotonic_ms() - self._failing_since_ms) / 1000

    async def run(self) -> None:
        """Ship until cancelled: first what the spool already holds, then what is sealed."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for session_id in self._spool.waiting():
                    self.wake(session_id)
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def wake_later(self, session_id: UUID, *, busy: bool = False) -> None:
        """Look after a session that goes on in a while: what crosses it now comes first."""
        loop = asyncio.get_running_loop()
        at = loop.time() + (BUSY_S if busy else UNHURRIED_S)
        waiting = self._unhurried.get(session_id)
        if waiting and waiting.when() <= at:
            return
        if waiting:
            waiting.cancel()
        self._unhurried[session_id] = loop.call_at(at, self.wake, session_id)

    def wake(self, session_id: UUID) -> None:
        """Look after a session that has a new chunk. To be called on the event loop."""
        if later := self._unhurried.pop(session_id, None):
            later.cancel()
        if self._tasks is not None and session_id not in self._active:
            self._active.add(session_id)
            self._idle.clear()
            self._tasks.create_task(self._ship_session(session_id))

    def try_again(self) -> None:
        """Let those that wait after a failure try at once: storage can be reached again."""
        self._works_again.set()
        self._works_again = asyncio.Event()

    async def drained(self) -> None:
        """Wait until nothing is left to ship."""
        while self._active or self._spool.waiting():
            self._idle.clear()
            for session_id in self._spool.waiting():
                self.wake(session_id)
            await self._idle.wait()

    # --- inside

    async def _ship_session(self, session_id: UUID) -> None:
        delay_s = FIRST_DELAY_S
        try:
            while (sequence := self._spool.next_sequence(session_id)) is not None:
                async with self._places:
                    shipped = await self._ship_next(session_id, sequence)
                if shipped:
                    delay_s = FIRST_DELAY_S
                else:
                    await self._pause(delay_s)
                    delay_s = min(2 * delay_s, LONGEST_DELAY_S)
        finally:
            self._active.discard(session_id)
            if not self._active:
                self._idle.set()

    async def _ship_next(self, session_id: UUID, sequence: int) -> bool:
        began_ms = self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(self._limit_s):
                await self._ship(session_id, sequence)
        except Exception as error:  # noqa: BLE001 - one chunk's boundary: any failure means again
            self._failed(session_id, sequence, error, began_ms)
            return False
        self._arrived()
        return True

    async def _ship(self, session_id: UUID, sequence: int) -> None:
        chunk = await asyncio.to_thread(self._load, session_id, sequence)
        if chunk is None:
            return
        try:
            receipt = await self._sink.ship(chunk)
        except ChunkRefusedError as error:
            await asyncio.to_thread(self._spool.refuse, chunk, str(error))
            return
        if not await asyncio.to_thread(self._spool.remove, chunk, receipt):
            _log.error("receipt.mismatched", session_id=str(session_id), sequence=sequence)
            raise CorruptChunkError(
                f"another chunk {sequence} is stored than the one here, which is kept: "
                "find out who wrote the stored one"
            )
        self.shipped_chunks += 1
        _log.debug("chunk.shipped", session_id=str(session_id), sequence=sequence)

    def _load(self, session_id: UUID, sequence: int) -> Chunk | None:
        """Return the chunk; None where it is gone, or was damaged and is put aside."""
        try:
            return self._spool.read(session_id, sequence)
        except FileNotFoundError:
            _log.error(
                "chunk.vanished",
                session_id=str(session_id),
                sequence=sequence,
                next_step="find out who deletes files in the spool: the recording has a gap",
            )
            self._spool.forget(session_id, sequence)
            return None
        except CorruptChunkError as error:
            file = self._spool.folder(session_id) / f"{sequence}.chunk"
            self._spool.quarantine(file, session_id, str(error))
            return None

    def _failed(self, session_id: UUID, sequence: int, error: Exception, began_ms: int) -> None:
        self._failures += 1
        if self._failing_since_ms is None:
            self._failing_since_ms = began_ms
        _log.warning(
            "chunk.unshipped",
            session_id=str(session_id),
            sequence=sequence,
            error=str(error) or type(error).__name__,
            next_step="it is kept and sent again; see that the storage worker runs",
        )

    def _arrived(self) -> None:
        # One failure between successes is that chunk's trouble and wakes nobody early.
        if self._failures > 1:
            self.try_again()
        self._failures = 0
        self._failing_since_ms = None

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(self._jitter.uniform(delay_s / 2, delay_s)):
                await self._works_again.wait()
        except TimeoutError:
            return
