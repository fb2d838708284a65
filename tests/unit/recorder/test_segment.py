import errno
import os
from pathlib import Path

import pytest

from recorder.chunk import read_frames
from recorder.segment import Segment, write_whole


@pytest.fixture
def segment(tmp_path: Path):
    segment = Segment(str(tmp_path), 0)
    yield segment
    segment.close()


@pytest.mark.parametrize("size", [1, 100, 8184, 8185, 300_000])
def test_a_burst_is_one_whole_frame(segment: Segment, size: int):
    body = os.urandom(size)
    segment.append(body)
    assert list(read_frames(segment.read())) == [body]
    assert segment.written_bytes == size + 8


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_a_short_write_is_carried_on_until_the_frame_is_whole(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, at_once: int
):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:at_once])))
    segment.append(b"x" * 999)
    assert list(read_frames(segment.read())) == [b"x" * 999]


def test_a_frame_that_cannot_be_finished_leaves_nothing_behind(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
):
    segment.append(b"whole")
    write, full = os.write, [False]

    def write_half(descriptor: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        full[0] = True
        return write(descriptor, bytes(data[:50]))

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(OSError, match="No space left"):
        segment.append(b"x" * 999)
    monkeypatch.undo()
    segment.append(b"after")
    assert list(read_frames(segment.read())) == [b"whole", b"after"]


def test_bodies_are_kept_until_they_are_synced(segment: Segment):
    segment.append(b"one")
    segment.append(b"two")
    assert segment.unsynced == [b"one", b"two"]
    segment.sync()
    segment.append(b"three")
    assert (segment.unsynced, segment.synced_bytes) == ([b"three"], 22)


def test_a_failed_sync_keeps_what_it_may_have_dropped(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
):
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    segment.append(b"one")
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output"):
        segment.sync()
    assert (segment.unsynced, segment.synced_bytes) == ([b"one"], 0)


def test_a_closed_segment_writes_into_no_other_file(segment: Segment, tmp_path: Path):
    segment.close()
    with Path(tmp_path, "other").open("wb") as other, pytest.raises(OSError, match="Bad file"):
        segment.append(b"lost")
    assert other.name.endswith("other")
    assert Path(tmp_path, "other").read_bytes() == b""


def test_a_segment_is_never_written_over(tmp_path: Path, segment: Segment):
    with pytest.raises(FileExistsError):
        Segment(str(tmp_path), segment.sequence)


def test_a_segment_is_for_the_daemon_alone(segment: Segment):
    assert segment.path.stat().st_mode & 0o777 == 0o600


def test_a_removed_segment_is_gone(segment: Segment):
    segment.remove()
    segment.remove()
    assert not segment.path.exists()


def test_all_is_written_however_little_goes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_whole(descriptor, b"0123456789")
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"0123456789"
