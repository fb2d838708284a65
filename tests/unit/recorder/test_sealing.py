import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from samples.chunks import DATA_KEY, KEYS, SESSION, SIGNER, STARTED
from samples.recordings import SMALL, output, until, waiting_chunks

from recorder.chunk import SealReason
from recorder.chunker import Chunker
from recorder.clock import ManualClock
from recorder.events import EndReason, TargetData, encode_burst
from recorder.sealing import Seals
from recorder.segment import Segment, front_of
from recorder.spool import Spool
from recorder.syncer import Syncer


class Sealing:
    """A session's seals over a real disk thread."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.spool = Spool(folder, SMALL, self.clock, KEYS)
        self.spool.prepare()
        self.spool.folder(SESSION).mkdir()
        self.syncer = Syncer(self.spool, 250)
        self.sealed: list[tuple[UUID, SealReason]] = []
        chunker = Chunker(SESSION, DATA_KEY, SIGNER)
        self.seals = Seals(SESSION, chunker, self.syncer, self._told)

    def _told(self, session_id: UUID, why: SealReason) -> None:
        self.sealed.append((session_id, why))

    def segment(self, number: int) -> Segment:
        """Return a complete segment that holds its own number."""
        front = front_of(SESSION, STARTED, DATA_KEY.wrapped)
        segment = Segment(str(self.spool.folder(SESSION)), number, DATA_KEY, front)
        segment.append(encode_burst([TargetData(at_ms=0, channel=0, data=b"%d" % number)]))
        return segment


@pytest.fixture
async def sealing(tmp_path: Path):
    sealing = Sealing(tmp_path)
    sealing.syncer.start()
    yield sealing
    await sealing.syncer.stop()


async def test_segments_are_sealed_in_order(sealing: Sealing):
    done = asyncio.Event()
    for number in range(5):
        sealing.seals.add(sealing.segment(number), SealReason.SIZE, sealing.clock)
    sealing.seals.add(sealing.segment(5), SealReason.END, sealing.clock, (EndReason.IDLE, done))
    assert (len(sealing.seals), sealing.seals.bytes > 0) == (6, True)
    async with asyncio.timeout(5):
        await done.wait()
    chunks = waiting_chunks(sealing.spool)
    assert b"".join(output(chunk.unpack()) for chunk in chunks) == b"012345"
    assert (len(sealing.seals), sealing.seals.bytes) == (0, 0)
    assert sealing.sealed == [(SESSION, SealReason.SIZE)] * 5 + [(SESSION, SealReason.END)]


async def test_a_seal_that_failed_holds_up_the_next_until_it_is_tried_again(sealing: Sealing):
    first, second = sealing.segment(0), sealing.segment(1)
    first.sync()  # So it is read, and not taken from memory.
    aside = first.path.rename(first.path.with_name("aside"))
    sealing.seals.add(first, SealReason.SIZE, sealing.clock)
    sealing.seals.add(second, SealReason.SIZE, sealing.clock)
    await until(lambda: sealing.seals._failed)
    assert sealing.sealed == []
    aside.rename(first.path)
    sealing.seals.retry()
    await until(lambda: len(sealing.sealed) == 2)
    sealing.seals.retry()
    assert [chunk.header.sequence for chunk in waiting_chunks(sealing.spool)] == [0, 1]
