import stat
from pathlib import Path

import pytest

from storage.blobs import BlobStore, DatabaseBlobs, FileBlobs, open_blobs
from storage.database import Database
from storage.errors import StorageUnavailableError, UnsupportedStoreError


@pytest.fixture(params=["database:", "file://{folder}/blobs"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return open_blobs(request.param.format(folder=tmp_path))


def test_what_was_put_is_there_until_it_is_deleted(database: Database, blobs: BlobStore):
    with database.transaction() as session:
        blobs.put(session, "session/0", b"first")
        blobs.put(session, "session/0", b"again")
    with database.read() as session:
        assert blobs.get(session, "session/0") == b"again"
    with database.transaction() as session:
        blobs.delete(session, "session/0")
        blobs.delete(session, "session/0")
    with database.read() as session:
        assert blobs.get(session, "session/0") is None


def test_a_file_is_private_and_nothing_else_is_left(database: Database, tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    with database.transaction() as session:
        blobs.put(session, "session/0", b"x")
    file = tmp_path / "blobs" / "session" / "0"
    assert list(file.parent.iterdir()) == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_used_is_named(database: Database, tmp_path: Path):
    (tmp_path / "blobs").write_text("a file")
    blobs = FileBlobs(tmp_path / "blobs")
    with (
        database.transaction() as session,
        pytest.raises(StorageUnavailableError, match=r"blobs/session/0 cannot be used"),
    ):
        blobs.put(session, "session/0", b"x")


def test_a_key_never_leaves_the_folder(database: Database, tmp_path: Path):
    with database.read() as session:
        for key in ("../secret", "/etc/passwd", "a/../../b"):
            with pytest.raises(ValueError, match="not a blob key"):
                FileBlobs(tmp_path).get(session, key)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file://server/share", "file:///srv/recordings"),
        ("file:relative", "file:///srv/recordings"),
        ("s3://bucket/prefix", "kind 's3'"),
    ],
)
def test_a_url_that_cannot_work_says_why(url: str, says: str):
    with pytest.raises(UnsupportedStoreError, match=says):
        open_blobs(url)


def test_the_database_keeps_blobs_by_default():
    assert isinstance(open_blobs("database:"), DatabaseBlobs)
