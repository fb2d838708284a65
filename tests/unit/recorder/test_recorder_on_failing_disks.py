"""What becomes of a session and its recording when the disk fails: once, again, at its end."""

import asyncio
import errno
import os
from pathlib import Path
from uuid import UUID

import pytest
from samples.chunks import SESSION
from samples.recordings import engine, info, shown, until

from config.model import OnLoss, RecorderSettings
from recorder.clock import ManualClock
from recorder.errors import RecordingLostError
from recorder.events import (
    EndReason,
    RecordingGap,
    SessionEnded,
)
from recorder.recorder import Recorder
from recorder.segment import Segment


class Disk:
    """Fails as told, in the place of the calls that reach the disk."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        self.failed = 0
        self._patch = patch

    def fails(self, method: str, error: int) -> None:
        """Let a method of every segment fail from now on."""
        sound = getattr(Segment, method)
        self.error = OSError(error, os.strerror(error))

        def call(segment: Segment, *arguments: object) -> object:
            if self.error is not None:
                self.failed += 1
                raise self.error
            return sound(segment, *arguments)

        self._patch.setattr(Segment, method, call)

    def works(self) -> None:
        """Let it work again."""
        self.error = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_a_session_that_requires_its_recording_stops_at_the_first_lost_burst(
    tmp_path: Path, disk: Disk
):
    async with engine(tmp_path) as running:
        sink = await running.start()
        sink.record([shown(sink, b"kept")])
        disk.fails("append", errno.ENOSPC)
        with pytest.raises(RecordingLostError, match=f"{SESSION} .* No space left on device"):
            sink.record([shown(sink, b"lost")])
        disk.works()
        with pytest.raises(RecordingLostError):
            sink.record([shown(sink, b"never forwarded")])
        assert sink.congested
        with pytest.raises(RecordingLostError):
            await sink.drain()
        await sink.close(EndReason.RECORDING_LOST)
        await running.stored()
        assert running.store.output() == b"kept"
        assert running.store.events()[-1].reason is EndReason.RECORDING_LOST
        assert [end[1] for end in running.ended] == [EndReason.RECORDING_LOST]
        assert running.recorders.losses == 1


async def test_a_best_effort_session_goes_on_and_its_gap_is_recorded(
    tmp_path: Path, disk: Disk
):
    async with engine(tmp_path) as running:
        sink = await running.start(info(on_loss=OnLoss.BEST_EFFORT))
        sink.record([shown(sink, b"before ")])
        disk.fails("append", errno.EIO)
        sink.record([shown(sink, b"lost ")])
        sink.record([shown(sink, b"lost too ")])
        assert running.recorders.losses == 1
        assert not sink.congested
        disk.works()
        sink.record([shown(sink, b"after")])
        sink.record([shown(sink, b"wards")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"before afterwards"
        gaps = [event for event in running.store.events() if isinstance(event, RecordingGap)]
        assert len(gaps) == 1
        assert running.ended == []


async def test_a_gap_at_the_end_is_recorded_with_the_end(tmp_path: Path, disk: Disk):
    async with engine(tmp_path) as running:
        sink = await running.start(info(on_loss=OnLoss.BEST_EFFORT))
        disk.fails("append", errno.EIO)
        sink.record([shown(sink, b"lost")])
        disk.works()
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        *_, gap, end = running.store.events()
        assert isinstance(gap, RecordingGap)
        assert isinstance(end, SessionEnded)


async def test_what_a_failed_sync_may_have_dropped_is_written_anew(tmp_path: Path, disk: Disk):
    async with engine(tmp_path) as running:
        sink = await running.start()
        disk.fails("sync", errno.EIO)
        sink.record([shown(sink, b"written anew")])
        await until(lambda: disk.failed)
        disk.works()
        await asyncio.sleep(0.1)
        sink.record([shown(sink, b", and on")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"written anew, and on"
        assert len(running.store.chunks[SESSION]) == 2
        assert running.recorders.losses == 0


async def test_a_disk_that_fails_again_ends_the_session(tmp_path: Path, disk: Disk):
    async with engine(tmp_path) as running:
        sink = await running.start()
        disk.fails("sync", errno.EIO)
        sink.record([shown(sink, b"x")])
        await until(lambda: running.ended)
        assert "the disk fails: Input/output error" in running.ended[0][2]
        assert disk.failed == 2
        disk.works()


@pytest.mark.parametrize("on_loss", [OnLoss.REQUIRE, OnLoss.BEST_EFFORT])
async def test_a_strict_disk_syncs_before_the_burst_goes_on(
    tmp_path: Path, disk: Disk, on_loss: OnLoss
):
    settings = RecorderSettings(sync_interval_ms=0)
    async with engine(tmp_path, settings) as running:
        sink = await running.start(info(on_loss=on_loss))
        assert isinstance(sink, Recorder)
        sink.record([shown(sink, b"synced")])
        assert sink._segment.unsynced == []
        disk.fails("sync", errno.EIO)
        if on_loss is OnLoss.REQUIRE:
            with pytest.raises(RecordingLostError):
                sink.record([shown(sink, b"not synced")])
        else:
            sink.record([shown(sink, b"not synced")])
        assert (disk.failed, running.recorders.losses) == (2, 1)
        disk.works()


async def test_a_strict_disk_may_fail_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = RecorderSettings(sync_interval_ms=0)
    async with engine(tmp_path, settings) as running:
        sink = await running.start()
        sync, failures = os.fdatasync, [OSError(errno.EIO, "Input/output error")]

        def fail_once(descriptor: int) -> None:
            if failures:
                raise failures.pop()
            sync(descriptor)

        monkeypatch.setattr(os, "fdatasync", fail_once)
        sink.record([shown(sink, b"once")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"once"


async def test_a_segment_goes_on_while_no_new_one_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with engine(tmp_path) as running:
        sink = await running.start()
        create = Segment.__init__

        def refuse(*arguments: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(Segment, "__init__", refuse)
        for _ in range(3):
            sink.record([shown(sink, b"x" * 4096)])
        assert running.recorders.losses == 0
        monkeypatch.setattr(Segment, "__init__", create)
        sink.record([shown(sink, b"y")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"x" * 3 * 4096 + b"y"


async def test_a_chunk_that_cannot_be_sealed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with engine(tmp_path) as running:
        sink = await running.start()
        read, failures = Segment.frames, [OSError(errno.EIO, "Input/output error")]

        def fail_once(segment: Segment) -> bytearray:
            if failures:
                raise failures.pop()
            return read(segment)

        monkeypatch.setattr(Segment, "frames", fail_once)
        sink.record([shown(sink, b"x" * 5000)])
        sink.record([shown(sink, b"y" * 5000)])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"x" * 5000 + b"y" * 5000


async def test_what_the_disk_lost_of_a_segment_comes_from_memory(tmp_path: Path):
    async with engine(tmp_path, RecorderSettings(sync_interval_ms=1000)) as running:
        sink = await running.start()
        sink.record([shown(sink, b"from memory")])
        segment = tmp_path / str(SESSION) / "0.open"
        written = segment.read_bytes()
        segment.write_bytes(written[:-5] + bytes(5))
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"from memory"
        assert running.store.chunks[SESSION][0].header.cut_bytes == 0


async def test_a_disk_that_keeps_failing_takes_no_descriptor_each_time(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recorder.recorder.MAX_UNSEALED", 2)
    monkeypatch.setattr(Segment, "frames", fails_to_read)
    async with engine(tmp_path) as running:
        sink = await running.start(info(on_loss=OnLoss.BEST_EFFORT))
        disk.fails("sync", errno.EIO)
        for number in range(6):
            sink.record([shown(sink, b"%d" % number)])
            failed = disk.failed
            await until(lambda failed=failed: disk.failed > failed)
            await asyncio.sleep(0.01)
        assert len(list((tmp_path / str(SESSION)).glob("*.open"))) == 3
        disk.works()
        monkeypatch.undo()
        await until(lambda: not list((tmp_path / str(SESSION)).glob("0.open")))


def fails_to_read(segment: Segment) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_an_end_that_the_disk_does_not_take_goes_into_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with engine(tmp_path) as running:
        sink = await running.start()
        append = Segment.append

        def fail_in_the_first(segment: Segment, body: bytes) -> None:
            if segment.sequence == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            append(segment, body)

        monkeypatch.setattr(Segment, "append", fail_in_the_first)
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert [chunk.header.events for chunk in running.store.chunks[SESSION]] == [1, 1]
        assert running.store.events()[-1].reason is EndReason.CLIENT_LEFT


async def test_an_end_may_take_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with engine(tmp_path) as running:
        sink = await running.start()
        append, failures = Segment.append, [OSError(errno.ENOSPC, "No space left on device")]

        def fail_once(segment: Segment, body: bytes) -> None:
            if failures:
                raise failures.pop()
            append(segment, body)

        monkeypatch.setattr(Segment, "append", fail_once)
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.events()[-1].reason is EndReason.CLIENT_LEFT
        assert not (tmp_path / "reserve").exists()


async def test_an_end_that_no_file_takes_is_told_by_the_chunk_alone(
    tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
):
    async with engine(tmp_path) as running:
        sink = await running.start()
        disk.fails("append", errno.EIO)
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        last = running.store.chunks[SESSION][-1]
        assert last.header.end_reason is EndReason.CLIENT_LEFT
    assert "recording.end_unwritten" in capsys.readouterr().out


async def test_closing_waits_only_so_long_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("recorder.recorder.CLOSE_LIMIT_S", 0.05)
    monkeypatch.setattr(Segment, "frames", fails_to_read)
    async with engine(tmp_path) as running:
        sink = await running.start()
        await sink.close(EndReason.CLIENT_LEFT)
        monkeypatch.undo()
    assert "recording.unsealed" in capsys.readouterr().out


async def test_a_full_segment_that_cannot_be_followed_is_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recorder.recorder.MAX_FRAMES_BYTES", 10_000)
    async with engine(tmp_path) as running:
        sink = await running.start()

        def refuse(*arguments: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        create = Segment.__init__
        monkeypatch.setattr(Segment, "__init__", refuse)
        sink.record([shown(sink, b"x" * 4200)])
        with pytest.raises(RecordingLostError, match="Too many open files"):
            sink.record([shown(sink, b"x" * 4200)])
        monkeypatch.setattr(Segment, "__init__", create)
        await sink.close(EndReason.RECORDING_LOST)


async def test_a_clock_step_on_a_dead_disk_ends_its_session_and_no_other(
    tmp_path: Path, disk: Disk
):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        await running.start()
        disk.fails("append", errno.EIO)
        clock.step(10)
        running.recorders.tick()
        await until(lambda: running.ended)
        disk.works()
        await running.start(info(UUID(int=8)))
