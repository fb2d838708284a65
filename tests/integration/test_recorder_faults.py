"""A recording on a disk that fails for real, and in a process that is killed for real."""

import asyncio
import contextlib
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from peers.disk import Disk
from peers.needed import program
from samples.chunks import KEYS, SESSION
from samples.recordings import engine, info, output, shown, until, waiting_chunks

from config.model import OnLoss, RecorderSettings
from recorder import recorder
from recorder.clock import SystemClock
from recorder.errors import RecordingLostError, SpoolFullError
from recorder.events import EndReason, Event, RecordingGap, SessionEnded
from recorder.recovery import recover
from recorder.spool import Spool

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "samples" / "recording_process.py"
KILLS = 8


def recording(spool: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen:
    return subprocess.Popen(
        [*before, sys.executable, str(PROGRAM), str(spool), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "PATH": os.defpath,
            # Python renames each file of bytecode that it writes; we count renames.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def recovered(folder: Path) -> list[Event]:
    """Return what the next start finds of the session."""
    spool = Spool(folder, RecorderSettings(), SystemClock(), KEYS)
    spool.prepare()
    recover(spool)
    return [event for chunk in waiting_chunks(spool) for event in chunk.unpack()]


def injecting(call: str, fault: str) -> tuple[str, ...]:
    """Return what runs a program so that `call` fails."""
    quiet = ("-f", "-qq", "-o", os.devnull, "-e", f"trace={call}")
    return (program("strace"), *quiet, "-e", f"inject={call}:{fault}")


def numbers(events: list[Event]) -> list[int]:
    """Return the numbers of the bursts that are there."""
    return [int(number) for number in re.findall(rb"(\d+)\n", output(events))]


def assert_all_there(events: list[Event], forwarded: bytes) -> None:
    """All that was forwarded was recorded once and in order; at most one burst more was."""
    sent = [int(number) for number in forwarded.split(b"\n")[:-1]]
    found = numbers(events)
    assert found[: len(sent)] == sent
    assert found in (sent, list(range(len(sent) + 1)))
    assert isinstance(events[-1], SessionEnded)


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_kill_at_any_moment_loses_nothing_that_was_forwarded(tmp_path: Path, kill: int):
    process = recording(tmp_path, "1000000")
    assert process.stdout is not None
    first = process.stdout.readline()
    reading_s = random.Random(kill).random() / 4  # noqa: S311 - when to kill
    os.set_blocking(process.stdout.fileno(), False)
    forwarded, deadline = [first], time.monotonic() + reading_s
    while time.monotonic() < deadline:
        forwarded.append(process.stdout.read() or b"")
        time.sleep(0.001)
    process.kill()
    process.wait()
    os.set_blocking(process.stdout.fileno(), True)
    forwarded.append(process.communicate()[0])
    events = recovered(tmp_path)
    assert_all_there(events, b"".join(forwarded))
    assert events[-1].reason is EndReason.ENGINE_CRASHED


@pytest.mark.parametrize("call", ["rename", "unlink"])
@pytest.mark.parametrize("when", [1, 3])
def test_a_kill_inside_a_seal_leaves_each_burst_once(tmp_path: Path, call: str, when: int):
    before = injecting(f"/{call}(at2?)?$", f"signal=KILL:when={when}")
    process = recording(tmp_path, "400", before=before)
    forwarded, _ = process.communicate()
    assert process.returncode != 0
    assert_all_there(recovered(tmp_path), forwarded)


@pytest.mark.parametrize("sync_interval_ms", ["0", "20"])
def test_a_sync_that_fails_once_loses_nothing(tmp_path: Path, sync_interval_ms: str):
    forwarded, log = under_failing_sync(tmp_path, "3", "300", sync_interval_ms)
    events = recovered(tmp_path)
    # It hits the open segment, or one that is being sealed.
    assert b"Input/output error" in log
    assert numbers(events) == list(range(300)), log.decode()
    assert_all_there(events, forwarded)
    assert events[-1].reason is EndReason.CLIENT_LEFT


def test_a_sync_that_fails_again_ends_the_session(tmp_path: Path):
    forwarded, log = under_failing_sync(tmp_path, "3..4", "300", "0")
    events = recovered(tmp_path)
    assert b"the disk fails: Input/output error" in log
    assert len(numbers(events)) < 300
    assert_all_there(events, forwarded)
    assert events[-1].reason is EndReason.RECORDING_LOST


def under_failing_sync(spool: Path, when: str, *arguments: str) -> tuple[bytes, bytes]:
    before = injecting("fdatasync", f"error=EIO:when={when}")
    process = recording(spool, *arguments, before=before)
    forwarded, told = process.communicate()
    assert process.returncode == 0, told
    assert b"recording.unsealed" not in told, "a chunk was not sealed when the session ended"
    return forwarded, told


def test_a_file_that_may_not_grow_ends_the_session_with_its_end_recorded(tmp_path: Path):
    process = recording(tmp_path, "400", "250", "40000")
    forwarded, told = process.communicate()
    assert process.returncode == 0, told
    assert b"File too large" in told
    events = recovered(tmp_path)
    assert_all_there(events, forwarded)
    assert events[-1].reason is EndReason.RECORDING_LOST


def test_a_disk_that_thinks_for_seconds_is_not_waited_for(tmp_path: Path):
    longest_s: list[float] = []
    # The best of three: a busy machine makes a pause as well, but not each time.
    while len(longest_s) < 3 and not any(one < 0.7 for one in longest_s):
        longest_s.append(longest_pause_s(tmp_path / f"{len(longest_s)}"))
    assert min(longest_s) < 0.7, longest_s


def longest_pause_s(spool: Path) -> float:
    """How long nothing was forwarded while each of two syncs took a second."""
    before = injecting("fdatasync", "delay_exit=1000000:when=2..3")
    process = recording(spool, "500", "20", before=before)
    assert process.stdout is not None
    longest_s, last_s = 0.0, None
    for _ in process.stdout:
        now_s = time.monotonic()
        longest_s = max(longest_s, now_s - (last_s or now_s))
        last_s = now_s
    process.communicate()
    assert process.returncode == 0
    assert numbers(recovered(spool)) == list(range(500))
    return longest_s


async def test_a_disk_that_dies_ends_its_sessions_and_begins_none(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(recorder, "CLOSE_LIMIT_S", 0.2)
    spool = disk.folder / "spool"
    async with engine(spool) as running:
        sink = await running.start()
        sink.record([shown(sink, b"before")])
        segment = sink._segment
        await until(lambda: segment.synced_bytes == segment.written_bytes > 6)
        disk.die()
        with pytest.raises(RecordingLostError, match="Input/output error"):
            sink.record([shown(sink, b"after")])
        await until(lambda: running.ended)
        assert running.ended[0][1] is EndReason.RECORDING_LOST
        with pytest.raises(RecordingLostError, match="cannot be begun"):
            await running.start(info(UUID(int=8)))
        await sink.close(EndReason.RECORDING_LOST)
    disk.back_after_repair()
    assert output(recovered(spool)) == b"before"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.fail("mounting a tmpfs needs root: run the tests as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_ends_a_session_that_requires_its_recording(small_disk: Path):
    limits = RecorderSettings(chunk_max_bytes=8 * 1024 * 1024)
    async with engine(small_disk, limits) as running:
        sink = await running.start()
        kept = record_until_lost(sink)
        await until(lambda: running.ended)
        await sink.close(EndReason.RECORDING_LOST, "the disk is full")
        await running.stored()
        assert running.store.output() == kept
        assert running.store.events()[-1].reason is EndReason.RECORDING_LOST
        assert "No space left on device" in running.ended[0][2]
        running.recorders.tick()
        await running.start(info())


def record_until_lost(sink) -> bytes:
    kept = b""
    with contextlib.suppress(RecordingLostError):
        while True:
            burst = b"%d\n" % len(kept) * 5000
            sink.record([shown(sink, burst)])
            kept += burst
    assert len(kept) > 500_000
    return kept


async def test_a_full_disk_begins_no_session(small_disk: Path):
    async with engine(small_disk) as running:
        ballast(small_disk)
        running.recorders.tick()
        with pytest.raises(SpoolFullError, match="100 % full: new sessions are refused"):
            await running.start()
        (small_disk / "ballast").unlink()
        running.recorders.tick()
        await running.start()


async def test_a_best_effort_session_outlives_a_full_disk_and_says_what_is_missing(
    small_disk: Path,
):
    limits = RecorderSettings(chunk_max_bytes=8 * 1024 * 1024)
    async with engine(small_disk, limits) as running:
        sink = await running.start(info(on_loss=OnLoss.BEST_EFFORT))
        sink.record([shown(sink, b"before ")])
        ballast(small_disk)
        sink.record([shown(sink, b"lost" * 5000)])
        await asyncio.sleep(0.01)
        (small_disk / "ballast").unlink()
        sink.record([shown(sink, b"after")])
        await sink.close(EndReason.CLIENT_LEFT)
        await running.stored()
        assert running.store.output() == b"before after"
        [gap] = [event for event in running.store.events() if isinstance(event, RecordingGap)]
        assert gap.from_ms <= gap.at_ms
        assert (running.ended, running.recorders.losses) == ([], 1)


def ballast(folder: Path) -> None:
    """Fill the disk to its last byte."""
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_the_session_of_the_program_is_the_one_that_is_looked_for(tmp_path: Path):
    recording(tmp_path, "3").communicate()
    assert (tmp_path / str(SESSION)).is_dir()
