import errno
import os
from pathlib import Path

import pytest
from samples.chunks import DATA_KEY, SESSION, STARTED

from recorder.chunk import frame, read_frames
from recorder.errors import CorruptChunkError
from recorder.segment import (
    Segment,
    front_of,
    read_front,
    whole_bytes,
    write_whole,
)

FRONT = front_of(SESSION, STARTED, DATA_KEY.wrapped)
MARK = b"marked-secret-in-a-segment"


def made(folder: Path, sequence: int = 0) -> Segment:
    return Segment(str(folder), sequence, DATA_KEY, FRONT)


def bodies(segment: Segment) -> list[bytes]:
    return list(read_frames(segment.frames()))


@pytest.fixture
def segment(tmp_path: Path):
    segment = made(tmp_path)
    yield segment
    segment.close()


@pytest.mark.parametrize("size", [1, 100, 8164, 8165, 300_000])
def test_a_burst_is_one_whole_frame(segment: Segment, size: int):
    body = os.urandom(size)
    segment.append(body)
    assert bodies(segment) == [body]
    assert segment.written_bytes == len(FRONT) + size + 28


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_a_short_write_is_carried_on_until_the_frame_is_whole(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, at_once: int
):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:at_once])))
    segment.append(b"x" * 999)
    assert bodies(segment) == [b"x" * 999]


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
    assert bodies(segment) == [b"whole", b"after"]


def test_bodies_are_kept_until_they_are_synced(segment: Segment):
    segment.append(b"one")
    segment.append(b"two")
    assert segment.unsynced == [b"one", b"two"]
    segment.sync()
    segment.append(b"three")
    assert (segment.unsynced, segment.synced_bytes) == ([b"three"], len(FRONT) + 62)


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


def test_a_sync_after_a_failed_one_is_not_believed(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
):
    outcomes = iter([OSError(errno.EIO, os.strerror(errno.EIO))])

    def sync(descriptor: int) -> None:
        for error in outcomes:
            raise error

    segment.append(b"one")
    monkeypatch.setattr(os, "fdatasync", sync)
    for _ in range(2):
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
        made(tmp_path, segment.sequence)


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


def test_what_is_typed_is_not_on_the_disk(segment: Segment):
    segment.append(MARK)
    segment.append(MARK * 1000)
    assert MARK not in segment.path.read_bytes()
    assert bodies(segment) == [MARK, MARK * 1000]


def test_the_same_burst_twice_does_not_look_the_same(segment: Segment):
    segment.append(b"ls")
    segment.append(b"ls")
    first, second = read_frames(segment.path.read_bytes()[len(FRONT) :])
    assert first[4:] != second[4:]


def test_a_number_is_not_used_again_after_a_failed_write(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            segment.append(b"lost")
    segment.append(b"kept")
    [sealed] = read_frames(segment.path.read_bytes()[len(FRONT) :])
    assert int.from_bytes(sealed[:4], "big") == 1
    assert bodies(segment) == [b"kept"]


def test_a_segment_says_whose_it_is_and_which_key_opens_it(segment: Segment):
    segment.append(b"x")
    front, size = read_front(segment.path.read_bytes()) or (None, 0)
    assert front is not None
    assert (front.session_id, front.started_at, size) == (SESSION, STARTED, len(FRONT))
    assert front.key == DATA_KEY.wrapped


@pytest.mark.parametrize("written", [b"", FRONT[:-1], bytes(300), frame(b"\x90"), b"\xff" * 99])
def test_a_torn_front_is_none(written: bytes):
    assert read_front(written) is None


def test_the_next_segment_is_under_the_same_key(segment: Segment):
    following = segment.next()
    following.append(b"x")
    assert (following.sequence, bodies(following)) == (1, [b"x"])
    following.close()


def test_a_frame_of_another_segment_does_not_decrypt(segment: Segment):
    following = segment.next()
    segment.append(b"x")
    moved = segment.path.read_bytes()
    following.path.write_bytes(moved)
    with pytest.raises(CorruptChunkError):
        following.frames()
    following.close()


def test_a_frame_that_comes_twice_is_found(segment: Segment):
    segment.append(b"x")
    written = segment.path.read_bytes()
    segment.path.write_bytes(written + written[len(FRONT) :])
    with pytest.raises(CorruptChunkError, match="out of its order"):
        segment.frames()


def test_what_a_failed_sync_dropped_comes_from_memory(segment: Segment):
    segment.append(b"one")
    segment.sync()
    segment.append(b"two")
    os.truncate(segment.path, segment.synced_bytes + 5)
    frames, cut_bytes = segment.mended_frames()
    assert (list(read_frames(frames)), cut_bytes) == ([b"one", b"two"], 0)


def test_what_was_synced_and_is_gone_is_counted(segment: Segment):
    segment.append(b"one")
    segment.append(b"two")
    segment.sync()
    os.truncate(segment.path, segment.synced_bytes - 1)
    frames, cut_bytes = segment.mended_frames()
    assert (list(read_frames(frames)), cut_bytes) == ([b"one"], 31)


def test_whole_frames_end_where_the_torn_one_begins(segment: Segment):
    for _ in range(3):
        segment.append(b"ls")
    written = segment.path.read_bytes()
    assert whole_bytes(written) == len(written)
    assert whole_bytes(written[:-1]) == len(FRONT) + 2 * 30


def test_a_disk_that_takes_no_front_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        made(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_segment_of_which_nothing_was_synced_is_cut_to_its_beginning(segment: Segment):
    segment.append(b"moved to another segment")
    segment.cut_to(segment.synced_bytes)
    assert bodies(segment) == []
    assert segment.written_bytes == len(FRONT)


def test_a_segment_whose_beginning_is_lost_is_mended_from_memory(segment: Segment):
    segment.append(b"never synced")
    os.truncate(segment.path, 0)
    frames, cut_bytes = segment.mended_frames()
    assert list(read_frames(frames)) == [b"never synced"]
    assert cut_bytes == len(FRONT)


def test_what_was_synced_into_a_file_that_lost_its_beginning_counts_as_cut(segment: Segment):
    segment.append(b"synced")
    segment.sync()
    segment.append(b"behind a hole")
    os.truncate(segment.path, 0)
    frames, cut_bytes = segment.mended_frames()
    assert (bytes(frames), cut_bytes) == (b"", segment.written_bytes)
