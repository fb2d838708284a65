import asyncio
import os
from pathlib import Path

import pytest
from samples.recordings import engine, info, shown, until

from config.model import OnLoss, RecorderSettings
from recorder.chunk import MAX_FRAMES_BYTES
from recorder.clock import ManualClock
from recorder.errors import RecordingLostError, SpoolFullError
from recorder.events import (
    ChannelOpened,
    ClientData,
    EndReason,
    RecordingGap,
    SessionEnded,
    TargetData,
)
from recorder.recorder import MAX_UNSYNCED_BYTES, Recorder
from recorder.session_info import RecordingMode


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        (RecordingMode.EVERYTHING, {ClientData, TargetData, ChannelOpened}),
        (RecordingMode.KEYSTROKES, {ClientData, ChannelOpened}),
        (RecordingMode.VIDEO, {TargetData, ChannelOpened}),
        (RecordingMode.NOTHING, {ChannelOpened}),
    ],
)
async def test_a_recording_holds_what_its_mode_keeps(tmp_path: Path, mode, kept):
    async with engine(tmp_path) as running:
        sink = await running.start(info(mode=mode))
        sink.record([ChannelOpened(at_ms=0, channel=0, kind="session")])
        sink.record([ClientData(at_ms=1, channel=0, data=b"ls")])
        sink.record([TargetData(at_ms=2, channel=0, data=b"file")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert {type(event) for event in running.store.events()[1:-1]} == kept


async def test_closing_twice_is_harmless(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sink.close(EndReason.CLIENT_LEFT))
            tasks.create_task(sink.close(EndReason.TARGET_LEFT))
        await sink.close(EndReason.IDLE)
        await running.stored()
        ends = [event for event in running.store.events() if isinstance(event, SessionEnded)]
        assert [end.reason for end in ends] == [EndReason.CLIENT_LEFT]


async def test_what_was_put_together_first_and_comes_second_does_not_go_back(tmp_path: Path):
    async with engine(tmp_path, clock=ManualClock()) as running:
        sink = await running.start()
        early, late = (TargetData(at_ms=ms, channel=0, data=b"ls") for ms in (5, 9))
        sink.record([late, early])
        sink.record([early])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        times = [event.at_ms for event in running.store.events()]
    assert times == [0, 9, 9, 9, 9]


async def test_nothing_is_recorded_after_the_end(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        await sink.close(EndReason.CLIENT_LEFT)
        with pytest.raises(RecordingLostError, match="has ended"):
            sink.record([shown(sink, b"late")])
        assert running.ended == []


async def test_a_relay_waits_while_much_is_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = RecorderSettings(sync_interval_ms=1000, chunk_max_bytes=8 * 1024 * 1024)
    monkeypatch.setattr("recorder.recorder.MAX_UNSYNCED_BYTES", 100_000)
    async with engine(tmp_path, settings) as running:
        sink = await running.start()
        sink.record([shown(sink, bytes(60_000))])
        assert not sink.congested
        sink.record([shown(sink, bytes(60_000))])
        assert sink.congested
        async with asyncio.timeout(0.9):
            await sink.drain()
        assert not sink.congested
    assert MAX_UNSYNCED_BYTES == 8 * 1024 * 1024


async def test_a_relay_waits_at_a_full_spool_until_chunks_are_stored(tmp_path: Path):
    settings = RecorderSettings(spool_quota_bytes=6000, chunk_max_bytes=4096)
    async with engine(tmp_path, settings) as running:
        running.store.failing = ConnectionError("away")
        sink = await running.start()
        sink.record([shown(sink, os.urandom(7000))])
        running.recorders.tick()
        assert sink.congested
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(sink.drain())
            await asyncio.sleep(0.02)
            assert not draining.done()
            running.store.failing = None
        assert not sink.congested
        await sink.close(EndReason.CLIENT_LEFT)


async def test_a_spool_that_stays_full_ends_the_session(tmp_path: Path):
    settings = RecorderSettings(spool_quota_bytes=6000, unreachable_limit_s=0.05)
    async with engine(tmp_path, settings) as running:
        sink = await running.start(info(on_loss=OnLoss.SPOOL))
        sink.record([shown(sink, os.urandom(7000))])
        running.recorders.tick()
        with pytest.raises(SpoolFullError, match=r"the spool is full, for 0.05 s"):
            await sink.drain()


async def test_a_best_effort_session_has_a_gap_where_the_spool_was_full(tmp_path: Path):
    settings = RecorderSettings(spool_quota_bytes=6000, chunk_max_bytes=4096)
    async with engine(tmp_path, settings) as running:
        running.store.failing = ConnectionError("away")
        sink = await running.start(info(on_loss=OnLoss.BEST_EFFORT))
        sink.record([shown(sink, b"x" * 7000)])
        running.recorders.tick()
        sink.record([shown(sink, b"lost")])
        await until(lambda: running.shipper.failing)
        running.store.failing = None
        await running.stored()
        running.recorders.tick()
        sink.record([shown(sink, b"after")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"x" * 7000 + b"after"
        assert any(isinstance(event, RecordingGap) for event in running.store.events())


async def test_a_burst_larger_than_a_chunk_may_be_is_a_loss(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        with pytest.raises(RecordingLostError, match="does not fit into its chunk"):
            sink.record([shown(sink, bytes(MAX_FRAMES_BYTES))])


async def test_what_is_being_sealed_counts_once(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        assert isinstance(sink, Recorder)
        before_bytes = sink.open_bytes
        closed = sink.finish(EndReason.CLIENT_LEFT)
        assert before_bytes < sink.open_bytes < 2 * before_bytes
        await closed.wait()
        assert sink.open_bytes == 0
