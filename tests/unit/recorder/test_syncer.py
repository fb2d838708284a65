import asyncio
import threading
from pathlib import Path

import pytest
from samples.chunks import DATA_KEY, KEYS, SESSION, SIGNER, STARTED, readable
from samples.recordings import SMALL, until

from recorder.chunk import Chunk, SealReason, read_frames
from recorder.chunker import Chunker
from recorder.clock import ManualClock
from recorder.events import ClientData, encode_burst
from recorder.segment import OVERHEAD_BYTES, Segment, front_of
from recorder.spool import Spool
from recorder.syncer import SealJob, Syncer

BURST = encode_burst([ClientData(at_ms=0, channel=0, data=b"ls\r")])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path, SMALL, ManualClock(), KEYS)
    spool.prepare()
    return spool


def begun(spool: Spool) -> Segment:
    return spool.begin(SESSION, BURST).segment


def job(segment: Segment, told: list[object]) -> SealJob:
    return SealJob(
        segment=segment,
        chunker=Chunker(SESSION, DATA_KEY, SIGNER),
        sealed=SealReason.SIZE,
        first_at=STARTED,
        end_reason=None,
        done=None,
        tell=lambda job, outcome: told.append(outcome),
    )


def unexpected(segment: Segment, error: OSError) -> None:
    raise error


async def test_what_was_written_is_synced_within_the_interval(spool: Spool):
    syncer = Syncer(spool, sync_interval_ms=20)
    syncer.start()
    segment = begun(spool)
    segment.append(BURST)
    syncer.mark(segment, unexpected)
    await until(lambda: not segment.unsynced)
    assert segment.synced_bytes == segment.written_bytes
    await syncer.stop()
    segment.close()


async def test_many_segments_are_synced_in_one_round(spool: Spool):
    syncer = Syncer(spool, sync_interval_ms=1000)
    spool.folder(SESSION).mkdir()
    front = front_of(SESSION, STARTED, DATA_KEY.wrapped)
    folder = str(spool.folder(SESSION))
    segments = [Segment(folder, number, DATA_KEY, front) for number in range(50)]
    for segment in segments:
        segment.append(BURST)
        syncer.mark(segment, unexpected)
    syncer.start()
    await until(lambda: not any(segment.unsynced for segment in segments))
    assert not any(segment.dirty or segment.unsynced for segment in segments)
    await syncer.stop()
    for segment in segments:
        segment.close()


async def test_a_segment_that_was_sealed_meanwhile_is_not_synced(spool: Spool):
    syncer = Syncer(spool, sync_interval_ms=20)
    segment = begun(spool)
    syncer.mark(segment, unexpected)
    segment.remove()
    syncer.start()
    await until(lambda: not segment.dirty)
    await syncer.stop()


async def test_a_hurried_round_does_not_wait_for_the_interval(spool: Spool):
    syncer = Syncer(spool, sync_interval_ms=3_600_000)
    syncer.start()
    await asyncio.sleep(0.05)
    segment = begun(spool)
    segment.append(BURST)
    syncer.mark(segment, unexpected)
    syncer.hurry()
    await until(lambda: not segment.unsynced)
    await syncer.stop()
    segment.close()


async def test_a_complete_segment_becomes_a_chunk_and_goes_away(spool: Spool):
    syncer, told = Syncer(spool, 250), []
    syncer.start()
    segment = begun(spool)
    syncer.seal(job(segment, told))
    await until(lambda: told)
    await syncer.stop()
    [chunk] = told
    assert isinstance(chunk, Chunk)
    assert list(read_frames(readable(chunk).frames())) == [BURST]
    assert not segment.path.exists()
    assert spool.next_sequence(SESSION) == 0


async def test_a_failed_seal_is_told_and_leaves_the_segment(spool: Spool):
    syncer, told = Syncer(spool, 250), []
    syncer.start()
    segment = begun(spool)
    segment.path.unlink()
    syncer.seal(job(segment, told))
    await until(lambda: told)
    await syncer.stop()
    assert isinstance(told[0], FileNotFoundError)
    assert not segment.closed
    segment.close()


async def test_a_damaged_segment_is_sealed_up_to_the_damage(spool: Spool):
    syncer, told = Syncer(spool, 250), []
    segment = begun(spool)
    segment.append(BURST)
    segment.sync()
    segment.path.write_bytes(segment.path.read_bytes()[:-1])
    syncer.start()
    syncer.seal(job(segment, told))
    await until(lambda: told)
    await syncer.stop()
    assert told[0].header.cut_bytes == len(BURST) + OVERHEAD_BYTES
    assert len(readable(told[0]).unpack()) == 1


async def test_stopping_carries_out_what_was_handed_in(spool: Spool):
    syncer, told = Syncer(spool, 1000), []
    syncer.start()
    syncer.seal(job(begun(spool), told))
    await syncer.stop()
    await asyncio.sleep(0)
    assert isinstance(told[0], Chunk)
    assert "recorder-disk" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_defect_of_the_thread_is_kept_for_those_who_rely_on_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    def fail(segment: Segment) -> None:
        raise MemoryError("a defect")

    syncer = Syncer(spool, 20)
    segment = begun(spool)
    monkeypatch.setattr(Segment, "sync", fail)
    syncer.mark(segment, unexpected)
    syncer.start()
    await until(lambda: syncer.defect)
    await syncer.stop()
    segment.close()
