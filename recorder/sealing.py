"""The complete segments of one session on their way to chunks: in order, one at a time."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from recorder.chunk import Chunk, SealReason
from recorder.chunker import Chunker
from recorder.events import EndReason
from recorder.ports import Clock
from recorder.segment import Segment
from recorder.syncer import SealJob, Syncer

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Seals:
    """Hands segments to the disk thread and hears what became of them."""

    __slots__ = (
        "_chunker",
        "_failed",
        "_jobs",
        "_sealed",
        "_session_id",
        "_syncer",
        "added",
        "bytes",
    )

    def __init__(
        self,
        session_id: UUID,
        chunker: Chunker,
        syncer: Syncer,
        sealed: Callable[[UUID, SealReason], None],
    ) -> None:
        self._session_id = session_id
        self._syncer = syncer
        self._sealed = sealed
        self._chunker = chunker
        self._jobs: list[SealJob] = []
        self._failed = False
        self.bytes = 0
        """How much waits."""
        self.added = 0
        """How many there were: the number of the chunk that the next one becomes."""

    def __len__(self) -> int:
        return len(self._jobs)

    def add(
        self,
        segment: Segment,
        sealed: SealReason,
        clock: Clock,
        end: tuple[EndReason, asyncio.Event] | None = None,
    ) -> None:
        """Have `segment` sealed; of the last one, say why it is and where to tell of it."""
        job = SealJob(
            segment=segment,
            chunker=self._chunker,
            sealed=sealed,
            first_at=segment.first_at or clock.now(),
            end_reason=None if end is None else end[0],
            done=None if end is None else end[1],
            tell=self._told,
        )
        self.added += 1
        self.bytes += segment.written_bytes
        self._jobs.append(job)
        # One at a time, so that a seal that fails holds up only its own session.
        if len(self._jobs) == 1:
            self._syncer.seal(job)

    def retry(self) -> None:
        """Try again what failed."""
        if self._failed:
            self._failed = False
            self._syncer.seal(self._jobs[0])

    def _told(self, job: SealJob, outcome: Chunk | Exception) -> None:
        session_id = str(self._session_id)
        if not isinstance(outcome, Chunk):
            self._failed = True
            _log.error(
                "chunk.seal_failed",
                session_id=session_id,
                file=str(job.segment.path),
                error=str(outcome),
                next_step="it is tried again every second; check the spool's disk",
            )
            return
        self._jobs.pop(0)
        self.bytes -= job.segment.written_bytes
        header = outcome.header
        tell = _log.error if header.cut_bytes else _log.debug
        tell(
            "chunk.sealed",
            session_id=session_id,
            sequence=header.sequence,
            sealed=header.sealed.value,
            size_bytes=outcome.size_bytes,
            cut_bytes=header.cut_bytes,
        )
        self._sealed(self._session_id, header.sealed)
        if job.done is not None:
            job.done.set()
        if self._jobs:
            self._syncer.seal(self._jobs[0])
