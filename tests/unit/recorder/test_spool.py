import errno
import os
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from samples.chunks import KEYS, SESSION, chunk

from config.model import RecorderSettings
from recorder import spool as spools
from recorder.clock import ManualClock
from recorder.errors import CorruptChunkError, SpoolFullError
from recorder.events import ClientData, EndReason, SessionEnded
from recorder.ports import StorageReceipt
from recorder.spool import RESERVE, RESERVE_BYTES, Spool, is_session, write_durably

FIRST = chunk([ClientData(at_ms=0, channel=0, data=b"ls\r")])
LAST = chunk([SessionEnded(at_ms=1, reason=EndReason.CLIENT_LEFT)], FIRST)


def receipt(of) -> StorageReceipt:
    return StorageReceipt(session_id=SESSION, sequence=of.header.sequence, digest=of.digest)


def made(folder: Path, **settings: int) -> Spool:
    spool = Spool(folder, RecorderSettings(**settings), ManualClock(), KEYS)
    spool.prepare()
    return spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = made(tmp_path)
    spool.begin(SESSION, b"first").segment.close()
    return spool


def files(spool: Spool) -> set[str]:
    return {file.name for file in spool.folder(SESSION).glob("*")}


def test_the_spool_is_for_the_daemon_alone(spool: Spool):
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    assert spool.folder(SESSION).stat().st_mode & 0o777 == 0o700


def test_a_chunk_waits_until_its_receipt(spool: Spool):
    spool.add(FIRST)
    assert (spool.waiting(), spool.next_sequence(SESSION)) == ([SESSION], 0)
    assert spool.read(SESSION, 0).digest == FIRST.digest
    assert spool.used_bytes == spool.waiting_bytes(SESSION) == len(FIRST.encoded)
    assert spool.remove(FIRST, receipt(FIRST))
    assert (spool.waiting(), spool.next_sequence(SESSION), spool.used_bytes) == ([], None, 0)
    assert files(spool) == {"0.open", "link"}
    assert spool.waiting_bytes(SESSION) == 0


def test_a_receipt_for_something_else_deletes_nothing(spool: Spool):
    spool.add(FIRST)
    assert not spool.remove(FIRST, receipt(LAST))
    wrong = msgspec.structs.replace(receipt(FIRST), digest=bytes(32))
    assert not spool.remove(FIRST, wrong)
    assert spool.next_sequence(SESSION) == 0
    assert "0.chunk" in files(spool)


def test_a_finished_session_goes_away_with_its_last_receipt(spool: Spool):
    spool.add(FIRST)
    spool.add(LAST)
    assert spool.unshipped_chunks == 2
    assert spool.remove(FIRST, receipt(FIRST))
    assert spool.sessions() == (SESSION,)
    assert spool.remove(LAST, receipt(LAST))
    assert spool.sessions() == ()


def test_adding_a_chunk_again_is_harmless(spool: Spool):
    spool.add(FIRST)
    spool.add(FIRST)
    assert (spool.unshipped_chunks, spool.used_bytes) == (1, len(FIRST.encoded))


def test_what_was_shipped_last_is_remembered_for_the_next_chunk(spool: Spool):
    assert spool.link(SESSION) is None
    spool.add(FIRST)
    spool.remove(FIRST, receipt(FIRST))
    link = spool.link(SESSION)
    assert link is not None
    assert (link.header, link.digest) == (FIRST.header, FIRST.digest)


def test_a_damaged_link_is_put_aside(spool: Spool):
    (spool.folder(SESSION) / "link").write_bytes(b"\xc1")
    assert spool.link(SESSION) is None
    assert (spool.directory / "quarantine" / f"{SESSION}-link").exists()
    assert spool.quarantined == 1


def test_a_damaged_chunk_is_not_read(spool: Spool):
    spool.add(FIRST)
    file = spool.folder(SESSION) / "0.chunk"
    *whole, last = file.read_bytes()
    file.write_bytes(bytes((*whole, last ^ 1)))
    with pytest.raises(CorruptChunkError):
        spool.read(SESSION, 0)
    spool.quarantine(file, SESSION, "its checksum differs")
    assert (spool.waiting(), spool.used_bytes) == ([], 0)
    assert (spool.directory / "quarantine" / f"{SESSION}-0.chunk").exists()


def test_the_oldest_chunk_is_known(tmp_path: Path):
    clock = ManualClock()
    spool = Spool(tmp_path, RecorderSettings(), clock, KEYS)
    spool.prepare()
    assert spool.oldest_unshipped_s == 0
    spool.begin(SESSION, b"x").segment.close()
    spool.add(FIRST)
    sealed_s = clock.now().timestamp()
    os.utime(spool.folder(SESSION) / "0.chunk", (sealed_s, sealed_s))
    clock.advance(90)
    assert spool.oldest_unshipped_s == 90


def test_a_session_that_cannot_begin_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    spool = made(tmp_path)
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output"):
        spool.begin(SESSION, b"first")
    assert spool.sessions() == ()


def test_a_spool_at_its_quota_refuses_sessions_and_stops_the_running_ones(tmp_path: Path):
    spool = made(tmp_path, spool_quota_bytes=1000)
    spool.measure(949)
    spool.check_room()
    spool.measure(950)
    assert not spool.full
    with pytest.raises(SpoolFullError, match="new sessions are refused"):
        spool.check_room()
    spool.measure(1000)
    assert spool.full
    with pytest.raises(SpoolFullError, match="holds 1000 of 1000 bytes"):
        spool.begin(SESSION, b"first")


@pytest.mark.parametrize("used", [79, 94, 95])
def test_a_disk_that_fills_up_refuses_sessions_but_lets_them_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int
):
    spool = made(tmp_path)
    monkeypatch.setattr(spools, "_used_and_available", lambda folder: (used, 100 - used))
    spool.measure(0)
    assert (spool.fill_percent, spool.full) == (used, False)
    if used == 95:
        with pytest.raises(SpoolFullError, match=f"{used} % full"):
            spool.check_room()
    else:
        spool.check_room()


def test_each_level_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    spool = made(tmp_path)
    told = []
    for used in (79, 80, 79, 78, 80, 85, 90, 91, 89, 90, 95, 70, 80):
        monkeypatch.setattr(
            spools, "_used_and_available", lambda folder, used=used: (used, 100 - used)
        )
        spool.measure(0)
        told.append(capsys.readouterr().out.count("spool.nearly_full"))
    # One that comes and goes about a level is told once, too.
    assert told == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1]


def test_a_disk_that_cannot_be_asked_counts_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(folder: Path) -> tuple[int, int]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    spool = made(tmp_path)
    monkeypatch.setattr(spools, "_used_and_available", fail)
    spool.measure(0)
    assert spool.full


def test_the_reserve_is_spent_once_and_made_again_when_there_is_room(spool: Spool):
    reserve = spool.directory / RESERVE
    assert reserve.stat().st_size == RESERVE_BYTES
    full = OSError(errno.ENOSPC, "No space left on device")
    assert not spool.makes_room(OSError(errno.EIO, "Input/output error"))
    assert spool.makes_room(full)
    assert (spool.full, reserve.exists()) == (True, False)
    assert not spool.makes_room(full)
    spool.measure(0)
    assert (spool.full, reserve.exists()) == (False, True)


def test_a_chunk_may_take_the_reserve(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    write, failures = spools.write_durably, [OSError(errno.ENOSPC, "No space left on device")]

    def fail_once(path: Path, content: bytes) -> None:
        if failures:
            raise failures.pop()
        write(path, content)

    monkeypatch.setattr(spools, "write_durably", fail_once)
    spool.add(FIRST)
    assert spool.read(SESSION, 0).digest == FIRST.digest
    assert spool.full


def test_another_failure_of_a_chunk_is_told(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    def fail(path: Path, content: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spools, "write_durably", fail)
    with pytest.raises(OSError, match="Input/output"):
        spool.add(FIRST)
    assert spool.waiting() == []


def test_a_file_that_could_not_be_written_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_durably(tmp_path / "0.chunk", (b"con", b"tent"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["quarantine", "reserve", "lost+found", "7"])
def test_other_folders_are_no_sessions(name: str):
    assert not is_session(name)
    assert is_session(str(UUID(int=0xABCDEF)))
