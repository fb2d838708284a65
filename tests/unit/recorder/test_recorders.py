import asyncio
import os
from pathlib import Path
from uuid import UUID

import pytest
from samples.chunks import INFO, KEYS, SESSION
from samples.recordings import SMALL, engine, info, shown, until, waiting_chunks

from config.model import OnLoss, RecorderSettings
from recorder.chunk import decrypt_frames, read_frames
from recorder.clock import ManualClock
from recorder.data_key import DataKey
from recorder.errors import RecordingLostError, SpoolFullError
from recorder.events import ClockStepped, EndReason, SessionEnded, SessionStarted, decode_burst
from recorder.recorder import Recorder
from recorder.recorders import LAST_WORD_S
from recorder.segment import read_front


async def test_a_recording_is_on_disk_before_the_session_may_begin(tmp_path: Path):
    async with engine(tmp_path) as running:
        await running.start()
        segment = (tmp_path / str(SESSION) / "0.open").read_bytes()
        front, front_bytes = read_front(segment) or (None, 0)
        assert front is not None
        data_key = DataKey(SESSION, KEYS.unwrap(SESSION, front.key), front.key)
        frames = bytearray(segment[front_bytes:])
        decrypt_frames(frames, data_key, 0)
        [body] = read_frames(frames)
        assert isinstance(decode_burst(body)[0], SessionStarted)
        assert INFO.user.encode() not in segment


async def test_a_session_arrives_in_the_store_from_its_start_to_its_end(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        for number in range(300):
            sink.record([shown(sink, b"line %d\r\n" % number * 5)])
        await sink.close(EndReason.CLIENT_LEFT, "bye")
        await running.stored()
        events = running.store.events()
    assert isinstance(events[0], SessionStarted)
    assert events[-1] == SessionEnded(
        at_ms=events[-1].at_ms, reason=EndReason.CLIENT_LEFT, detail="bye"
    )
    assert running.store.output() == b"".join(b"line %d\r\n" % n * 5 for n in range(300))
    assert len(running.store.chunks[SESSION]) > 2


async def test_a_stored_session_leaves_nothing_in_the_spool(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.spool.sessions() == ()
        assert running.spool.used_bytes == 0


async def test_only_the_last_chunk_says_why_the_session_ended(tmp_path: Path):
    async with engine(tmp_path) as running:
        sink = await running.start()
        for _ in range(3):
            sink.record([shown(sink, bytes(4096))])
        await sink.close(EndReason.TARGET_LEFT)
        await running.stored()
    *before, last = (chunk.header.end_reason for chunk in running.store.chunks[SESSION])
    assert (set(before), last) == ({None}, EndReason.TARGET_LEFT)


async def test_what_an_engine_still_records_when_it_stops_is_ended_and_sealed(tmp_path: Path):
    sessions = SESSION, UUID(int=8)
    async with engine(tmp_path) as running:
        for session_id in sessions:
            await running.start(info(session_id))
    for session_id in sessions:
        [chunk] = running.store.chunks.get(session_id) or waiting_chunks(
            running.spool, session_id
        )
        assert chunk.header.end_reason is EndReason.ENGINE_STOPPED
    assert running.recorders.live_sessions == ()


async def test_a_quiet_session_makes_no_chunks(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        sink = await running.start()
        sink.record([shown(sink, b"$ ")])
        for _ in range(10):
            clock.advance(31)
            running.recorders.tick()
            await running.stored()
            await asyncio.sleep(0.02)
        await running.stored()
        assert len(running.store.chunks[SESSION]) == 1


async def test_the_first_event_starts_the_interval_of_a_chunk(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        sink = await running.start()
        clock.advance(29.9)
        running.recorders.tick()
        assert (tmp_path / str(SESSION) / "0.open").exists()
        assert not (tmp_path / str(SESSION) / "1.open").exists()
        clock.advance(0.1)
        running.recorders.tick()
        assert (tmp_path / str(SESSION) / "1.open").exists()
        await sink.close(EndReason.CLIENT_LEFT)


async def test_a_step_of_the_wall_clock_is_recorded_and_time_goes_on_evenly(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        sink = await running.start()
        clock.advance(1)
        clock.step(-3600)
        running.recorders.tick()
        running.recorders.tick()
        clock.advance(1)
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        steps = [event for event in running.store.events() if isinstance(event, ClockStepped)]
        assert steps == [ClockStepped(at_ms=1000, step_ms=-3_600_000)]
        assert running.store.events()[-1].at_ms == 2000


async def test_a_slewing_clock_is_no_step(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        sink = await running.start()
        clock.step(1.9)
        running.recorders.tick()
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert not any(isinstance(event, ClockStepped) for event in running.store.events())


async def test_a_watcher_sees_each_burst_and_the_end(tmp_path: Path):
    seen: list[bytes] = []

    async with engine(tmp_path) as running:
        sink = await running.start()
        sink.record([shown(sink, b"before")])
        assert running.recorders.watch(SESSION, seen.append)
        sink.record([shown(sink, b"watched")])
        running.recorders.unwatch(SESSION, seen.append)
        sink.record([shown(sink, b"alone")])
        running.recorders.watch(SESSION, seen.append)
        await sink.close(EndReason.CLIENT_LEFT)
        assert not running.recorders.watch(SESSION, seen.append)
    watched, ended, over = seen
    assert decode_burst(watched)[0].data == b"watched"
    assert isinstance(decode_burst(ended)[0], SessionEnded)
    assert over == b""


async def test_a_watch_begins_with_a_chunk_and_what_was_before_is_sealed(tmp_path: Path):
    seen: list[bytes] = []

    async with engine(tmp_path) as running:
        sink = await running.start()
        sink.record([shown(sink, b"before")])
        tapped = running.recorders.watch(SESSION, seen.append)
        again = running.recorders.watch(SESSION, lambda body: None)
        sink.record([shown(sink, b"watched")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
    assert tapped is not None
    assert again is not None
    # Nothing was recorded between the two.
    assert (tapped.first_sequence, again.first_sequence) == (1, 1)
    before, watched = running.store.chunks[SESSION]
    # The beginning and what was shown; what was shown and the end.
    assert (before.header.events, watched.header.events) == (2, 2)
    assert decode_burst(seen[0])[0].data == b"watched"


async def test_a_session_that_nobody_has_cannot_be_watched(tmp_path: Path):
    async with engine(tmp_path) as running:
        assert not running.recorders.watch(UUID(int=9), lambda body: None)


async def test_sessions_that_require_their_recording_end_when_nothing_can_be_delivered(
    tmp_path: Path,
):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        strict = await running.start()
        spooled = await running.start(info(UUID(int=8), on_loss=OnLoss.SPOOL))
        running.store.failing = ConnectionError("the database is away")
        strict.record([shown(strict, bytes(5000))])
        await until(lambda: running.shipper.failing)
        clock.advance(9)
        running.recorders.tick()
        assert not running.ended
        clock.advance(1 + LAST_WORD_S)
        running.recorders.tick()
        await asyncio.sleep(0)
        [(session_id, reason, detail)] = running.ended
        assert (session_id, reason) == (SESSION, EndReason.RECORDING_LOST)
        assert "nothing reached the storage worker" in detail
        with pytest.raises(RecordingLostError):
            strict.record([shown(strict, b"more")])
        spooled.record([shown(spooled, b"more")])
        with pytest.raises(RecordingLostError, match="refused until the storage worker"):
            await running.start(info(UUID(int=9)))


async def test_a_full_spool_begins_no_session(tmp_path: Path):
    settings = RecorderSettings(spool_quota_bytes=6000, chunk_max_bytes=4096)
    async with engine(tmp_path, settings) as running:
        running.store.failing = ConnectionError("away")
        sink = await running.start()
        sink.record([shown(sink, b"x" * 7000)])
        running.recorders.tick()
        with pytest.raises(SpoolFullError, match="new sessions are refused until"):
            await running.start(info(UUID(int=8)))


async def test_who_fills_his_part_of_the_spool_ends_his_own_session_alone(tmp_path: Path):
    settings = RecorderSettings(
        session_quota_bytes=20_000, chunk_max_bytes=4096, unreachable_limit_s=0.2
    )
    async with engine(tmp_path, settings) as running:
        running.store.failing = ConnectionError("away")
        greedy = await running.start(info(on_loss=OnLoss.SPOOL))
        modest = await running.start(info(UUID(int=8), on_loss=OnLoss.SPOOL))
        while not greedy.congested:
            greedy.record([shown(greedy, os.urandom(5000))])
            modest.record([shown(modest, b"a line")])
            running.recorders.tick()
        with pytest.raises(SpoolFullError, match="it has filled its part of the spool"):
            await greedy.drain()
        await until(lambda: running.ended)
        modest.record([shown(modest, b"goes on")])
        await modest.drain()
        assert [session_id for session_id, *_ in running.ended] == [SESSION]
        await running.start(info(UUID(int=9), on_loss=OnLoss.SPOOL))


async def test_who_fills_his_part_is_slowed_to_what_storage_takes(tmp_path: Path):
    settings = RecorderSettings(session_quota_bytes=20_000, chunk_max_bytes=4096)
    async with engine(tmp_path, settings) as running:
        running.store.failing = ConnectionError("away")
        sink = await running.start(info(on_loss=OnLoss.SPOOL))
        while not sink.congested:
            sink.record([shown(sink, os.urandom(5000))])
            running.recorders.tick()
        running.store.failing = None
        # Sealed, stored, and counted anew a tick later.
        await until(lambda: running.recorders.tick() or not sink.congested)
        assert running.ended == []


async def test_a_session_is_recorded_once(tmp_path: Path):
    async with engine(tmp_path) as running:
        await running.start()
        with pytest.raises(RecordingLostError, match="cannot be begun"):
            await running.start()


async def test_a_user_who_leaves_while_it_begins_leaves_a_recording_that_ended(tmp_path: Path):
    async with engine(tmp_path) as running:
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(running.start())
            await asyncio.sleep(0)
            starting.cancel()
        await until(lambda: running.store.chunks)
        assert running.store.events()[-1].reason is EndReason.CLIENT_LEFT
        assert running.recorders.live_sessions == ()


async def test_a_dead_disk_thread_ends_the_daemon_rather_than_going_on_unsynced(
    tmp_path: Path,
):
    async def record_with_a_defect() -> None:
        async with engine(tmp_path, SMALL) as running:
            await running.start()
            running.recorders._syncer.defect = MemoryError("a defect")
            await asyncio.sleep(2)

    with pytest.raises(BaseExceptionGroup) as raised:
        await record_with_a_defect()
    assert raised.group_contains(MemoryError)


async def test_a_clock_that_steps_after_a_loss_is_nobodys_concern(tmp_path: Path):
    clock = ManualClock()
    async with engine(tmp_path, clock=clock) as running:
        sink = await running.start()
        assert isinstance(sink, Recorder)
        sink.give_up("for the test")
        clock.step(10)
        running.recorders.tick()
        assert running.recorders.losses == 1


async def test_a_session_that_cannot_be_ended_ends_no_other(tmp_path: Path, capsys):
    async def fail(session_id: UUID, reason: EndReason, detail: str) -> None:
        raise RuntimeError("a defect")

    async with engine(tmp_path) as running:
        running.recorders._end_session = fail
        sink = await running.start()
        assert isinstance(sink, Recorder)
        sink.give_up("for the test")
        await asyncio.sleep(0.01)
        await running.start(info(UUID(int=8)))
    assert "session.unended" in capsys.readouterr().out
