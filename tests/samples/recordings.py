"""An engine's recording side on a real folder, with a store in memory behind it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import msgspec
from samples.chunks import INFO, KEYS, SESSION, readable

from config.model import OnLoss, RecorderSettings
from recorder.chunk import Chunk, check_follows
from recorder.clock import SystemClock
from recorder.events import EndReason, Event, TargetData
from recorder.ports import Clock, EventSink, StorageReceipt
from recorder.recorders import Recorders
from recorder.session_info import RecordingMode, SessionInfo
from recorder.shipper import Shipper
from recorder.spool import Spool

SMALL = RecorderSettings(chunk_max_bytes=4096, sync_interval_ms=20)


def info(
    session_id: UUID = SESSION,
    *,
    on_loss: OnLoss = OnLoss.REQUIRE,
    mode: RecordingMode = RecordingMode.EVERYTHING,
) -> SessionInfo:
    """Return who and what, for a session with these terms."""
    terms = msgspec.structs.replace(INFO.terms, on_loss=on_loss, mode=mode)
    return msgspec.structs.replace(INFO, session_id=session_id, terms=terms)


def shown(sink: EventSink, text: bytes) -> TargetData:
    """Return output that appears now."""
    return TargetData(at_ms=sink.at_ms(), channel=0, data=text)


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; fail after half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what happens in a thread sets no event
            await asyncio.sleep(0.005)


class Store:
    """Keeps chunks as a storage worker does: in order, and the same one twice is one."""

    def __init__(self) -> None:
        self.chunks: dict[UUID, list[Chunk]] = {}
        self.failing: Exception | None = None
        self.tries = 0

    async def ship(self, chunk: Chunk) -> StorageReceipt:
        """Keep `chunk`, or fail as told."""
        self.tries += 1
        if self.failing is not None:
            raise self.failing
        header = chunk.header
        kept = self.chunks.setdefault(header.session_id, [])
        if header.sequence == len(kept):
            check_follows(chunk, kept[-1] if kept else None)
            kept.append(chunk)
        digest = kept[header.sequence].digest
        return StorageReceipt(
            session_id=header.session_id, sequence=header.sequence, digest=digest
        )

    def events(self, session_id: UUID = SESSION) -> list[Event]:
        """Return all events of a session, in order."""
        return [
            event for chunk in self.chunks[session_id] for event in readable(chunk).unpack()
        ]

    def output(self, session_id: UUID = SESSION) -> bytes:
        """Return what the target showed."""
        return output(self.events(session_id))


def output(events: Iterable[Event]) -> bytes:
    """Return what the target showed."""
    return b"".join(event.data for event in events if isinstance(event, TargetData))


def waiting_chunks(spool: Spool, session_id: UUID = SESSION) -> list[Chunk]:
    """Return what a spool would ship of a session; its chain holds."""
    files = spool.folder(session_id).glob("*.chunk")
    numbers = sorted(int(f.stem) for f in files)
    chunks = [readable(spool.read(session_id, number)) for number in numbers]
    for before, after in itertools.pairwise(chunks):
        check_follows(after, before)
    return chunks


class Engine:
    """The recording side of an engine, as the daemon puts it together."""

    def __init__(self, folder: Path, settings: RecorderSettings, clock: Clock) -> None:
        self.store = Store()
        self.ended: list[tuple[UUID, EndReason, str]] = []
        self.spool = Spool(folder, settings, clock, KEYS)
        self.spool.prepare()
        self.shipper = Shipper(self.spool, self.store, clock)
        self.recorders = Recorders(
            settings=settings,
            clock=clock,
            spool=self.spool,
            sealed=lambda session_id, _why: self.shipper.wake(session_id),
            unreachable_s=lambda: self.shipper.unreachable_s,
            end_session=self._end,
        )

    async def start(self, session: SessionInfo | None = None) -> EventSink:
        """Begin a recording."""
        return await self.recorders.start(session or info())

    async def stored(self) -> None:
        """Wait until everything that was sealed is stored."""
        async with asyncio.timeout(30):
            await self.shipper.drained()

    async def _end(self, session_id: UUID, reason: EndReason, detail: str) -> None:
        self.ended.append((session_id, reason, detail))


@asynccontextmanager
async def engine(
    folder: Path, settings: RecorderSettings = SMALL, clock: Clock | None = None
) -> AsyncIterator[Engine]:
    """Run an engine's recording side."""
    running = Engine(folder, settings, clock or SystemClock())
    async with asyncio.TaskGroup() as tasks:
        shipping = tasks.create_task(running.shipper.run())
        async with running.recorders:
            yield running
        shipping.cancel()
