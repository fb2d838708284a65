"""The power fails: what was only in the kernel's hands is gone."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from peers.disk import Disk
from peers.needed import ROOT, program, wait_until
from samples.chunks import KEYS
from samples.recordings import output, waiting_chunks

from config.model import RecorderSettings
from recorder.clock import SystemClock
from recorder.recovery import recover
from recorder.spool import Spool

PROGRAM = ROOT / "tests" / "samples" / "recording_process.py"
RECORDED_S = 1.5
ENOUGH = 100


class Relay:
    """A recording process, and when each burst was forwarded."""

    def __init__(self, spool: Path, sync_interval_ms: int, *before: str) -> None:
        # No file size limit; a chunk so large that no seal syncs what the cadence should.
        words = ("1000000", str(sync_interval_ms), "0", str(64 * 1024 * 1024))
        self._process = subprocess.Popen(
            [*before, sys.executable, PROGRAM, spool, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": os.defpath},
        )
        self.forwarded_s: list[float] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for _ in self._process.stdout:
                self.forwarded_s.append(time.monotonic())

    def run(self) -> None:
        while not self.forwarded_s:
            time.sleep(0.01)
        time.sleep(RECORDED_S)
        wait_until(lambda: len(self.forwarded_s) > ENOUGH, "too little was forwarded")

    def freeze(self) -> float:
        self._process.send_signal(signal.SIGSTOP)
        return time.monotonic()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)


def lost_at_a_power_cut(disk: Disk, sync_interval_ms: int, *before: str) -> tuple[int, float]:
    """Return how many forwarded bursts are not on the disk, and the age of the first."""
    spool = Path(tempfile.mkdtemp(prefix="spool-", dir=disk.folder))
    relay = Relay(spool, sync_interval_ms, *before)
    try:
        relay.run()
        cut_s = relay.freeze()
        disk.lose_power()
    finally:
        relay.end()
    disk.back_after_repair()
    kept = kept_bursts(spool)
    assert kept == list(range(len(kept)))
    lost_s = relay.forwarded_s[len(kept) :]
    age_s = cut_s - lost_s[0] if lost_s else 0.0
    shares = f"{len(lost_s)} of {len(relay.forwarded_s)} lost"
    sys.stderr.write(f"{shares}, the first {age_s:.3f} s old\n")
    return len(lost_s), age_s


def kept_bursts(folder: Path) -> list[int]:
    """Return the numbers that the next start finds."""
    spool = Spool(folder, RecorderSettings(), SystemClock(), KEYS)
    spool.prepare()
    recover(spool)
    events = [event for chunk in waiting_chunks(spool) for event in chunk.unpack()]
    return [int(number) for number in re.findall(rb"(\d+)\n", output(events))]


def test_at_most_a_second_of_what_was_forwarded_is_lost(disk: Disk):
    # The best of three: a machine that is busy for a second may sync a second later.
    for _ in range(3):
        lost, age_s = lost_at_a_power_cut(disk, 250)
        if age_s <= 1.0:
            break
    assert age_s <= 1.0, f"{lost} bursts, the first {age_s:.3f} s old"


def test_strictly_synced_nothing_is_lost(disk: Disk):
    assert lost_at_a_power_cut(disk, 0) == (0, 0.0)


@pytest.mark.parametrize("sync_interval_ms", [0, 250])
def test_without_syncing_much_would_be_lost(disk: Disk, sync_interval_ms: int):
    """Else the two above could not fail."""
    lost, age_s = lost_at_a_power_cut(disk, sync_interval_ms, program("eatmydata"))
    assert lost > 100
    assert age_s > 1.0
