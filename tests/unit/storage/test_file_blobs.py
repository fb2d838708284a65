import datetime as dt
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from storage.errors import StorageUnavailableError
from storage.file_blobs import FileBlobs

NO_TRANSACTION = Session()


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


def test_what_was_put_is_there_until_it_is_deleted(blobs: FileBlobs):
    blobs.put_ahead({"lyon/session/0": b"first", "lyon/session/1": b"second"})
    blobs.put_ahead({"lyon/session/0": b"again"})
    assert blobs.get(NO_TRANSACTION, "lyon/session/0") == b"again"
    blobs.delete(NO_TRANSACTION, ["lyon/session/0", "nothing"])
    blobs.delete(NO_TRANSACTION, ["lyon/session/0"])
    assert blobs.get(NO_TRANSACTION, "lyon/session/0") is None
    assert blobs.get(NO_TRANSACTION, "lyon/session/1") == b"second"


def test_a_file_is_private_and_nothing_else_is_left(blobs: FileBlobs, tmp_path: Path):
    blobs.put_ahead({"session/0": b"x"})
    file = tmp_path / "blobs" / "session" / "0"
    assert list(file.parent.iterdir()) == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_file_and_folders_are_on_disk_before_the_row_can_commit(
    blobs: FileBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(_name(descriptor).removeprefix(f"{tmp_path}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    blobs.put_ahead({"lyon/session/0": b"x"})
    assert synced[:3] == ["", "/blobs", "/blobs/lyon"]
    assert synced[3].startswith("/blobs/lyon/session/0.")
    assert synced[4:] == ["/blobs/lyon/session"]


def _name(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def test_a_folder_that_cannot_be_used_is_named(blobs: FileBlobs, tmp_path: Path):
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(StorageUnavailableError, match=r"blobs/session/0 cannot be used"):
        blobs.put_ahead({"session/0": b"x"})


def test_a_share_that_is_not_mounted_has_lost_nothing(blobs: FileBlobs):
    with pytest.raises(StorageUnavailableError, match=r"blobs cannot be used.*mounted"):
        blobs.get(NO_TRANSACTION, "session/0")


def test_a_key_never_leaves_the_folder(tmp_path: Path):
    for key in ("../secret", "/etc/passwd", "a/../../b"):
        with pytest.raises(ValueError, match="not a blob key"):
            FileBlobs(tmp_path).get(NO_TRANSACTION, key)


def test_old_files_can_be_told_from_new_ones(blobs: FileBlobs, tmp_path: Path):
    blobs.put_ahead({"lyon/session/0": b"x", "lyon/session/1": b"x"})
    os.utime(tmp_path / "blobs/lyon/session/0", (1_000_000, 1_000_000))
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    assert list(blobs.keys_before(yesterday)) == ["lyon/session/0"]
