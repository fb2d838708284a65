import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from config.model import BlobSettings
from config.redacted import Redacted
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import UnsupportedStoreError
from storage.file_blobs import FileBlobs
from storage.sited_blobs import SitedBlobs, key_part, open_blobs

NO_TRANSACTION = Session()


def test_each_site_has_its_store_and_the_rest_the_default(tmp_path: Path):
    blobs = SitedBlobs(FileBlobs(tmp_path / "d"), {"lyon": FileBlobs(tmp_path / "lyon")})
    blobs.put_ahead({"lyon/s/0": b"1", "oslo/s/0": b"2", "s/0": b"3"})
    assert (tmp_path / "lyon/lyon/s/0").read_bytes() == b"1"
    assert (tmp_path / "d/oslo/s/0").read_bytes() == b"2"
    assert [blobs.get(NO_TRANSACTION, key) for key in ("lyon/s/0", "oslo/s/0", "s/0")] == [
        b"1",
        b"2",
        b"3",
    ]


def test_a_site_in_the_database_and_another_in_files(database: Database, tmp_path: Path):
    blobs = SitedBlobs(DatabaseBlobs(), {"lyon": FileBlobs(tmp_path)})
    both = {"lyon/s/0": b"1", "oslo/s/0": b"2"}
    blobs.put_ahead(both)
    with database.transaction() as session:
        blobs.put_within(session, both)
    with database.read() as session:
        assert DatabaseBlobs().get(session, "lyon/s/0") is None
        assert [blobs.get(session, key) for key in both] == [b"1", b"2"]
    with database.transaction() as session:
        blobs.delete(session, list(both))
        assert [blobs.get(session, key) for key in both] == [None, None]


def test_what_was_put_before_the_settings_changed_is_found_and_deleted(tmp_path: Path):
    FileBlobs(tmp_path / "old").put_ahead({"lyon/s/0": b"1"})
    settings = BlobSettings(
        url=f"file://{tmp_path}/new",
        sites={"lyon": f"file://{tmp_path}/lyon"},
        earlier=(f"file://{tmp_path}/old",),
    )
    blobs = open_blobs(settings)
    blobs.put_ahead({"oslo/s/0": b"2", "lyon/s/1": b"3"})
    assert blobs.get(NO_TRANSACTION, "lyon/s/0") == b"1"
    future = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert sorted(blobs.keys_before(future)) == ["lyon/s/0", "lyon/s/1", "oslo/s/0"]
    blobs.delete(NO_TRANSACTION, ["lyon/s/0"])
    assert blobs.get(NO_TRANSACTION, "lyon/s/0") is None


@pytest.mark.parametrize("site", ["a/b", "..", ".", "lyon café", "%2E"])
def test_no_name_of_a_site_leads_out_of_its_folder(site: str, tmp_path: Path):
    blobs = SitedBlobs(FileBlobs(tmp_path / "d"), {site: FileBlobs(tmp_path / "site")})
    key = f"{key_part(site)}/s/0"
    blobs.put_ahead({key: b"x"})
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert blobs.get(NO_TRANSACTION, key) == b"x"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file://server/share", "file:///srv/recordings"),
        ("file:relative", "file:///srv/recordings"),
        ("ftp://server/share", r"kind 'ftp': write database:.*s3://bucket/prefix"),
        ("s3://", "kind 's3'"),
        ("s3://key:secret@bucket", "kind 's3'"),
    ],
)
def test_a_url_that_cannot_work_says_why(url: str, says: str):
    with pytest.raises(UnsupportedStoreError, match=says):
        open_blobs(BlobSettings(url=url))
    with pytest.raises(UnsupportedStoreError, match=r"\[blobs\.sites\] lyon"):
        open_blobs(BlobSettings(sites={"lyon": url}))


def test_keys_are_found_by_url_and_never_shown():
    keys = '["s3://bucket/lyon"]\naccess_key_id = "canary"\nnonsense = "canary"\n'
    open_blobs(BlobSettings(url="s3://bucket/oslo"), Redacted(keys))
    with pytest.raises(UnsupportedStoreError, match="s3://bucket/lyon cannot") as caught:
        open_blobs(BlobSettings(url="s3://bucket/lyon"), Redacted(keys))
    assert "canary" not in str(caught.value)
    with pytest.raises(UnsupportedStoreError, match="`blob-credentials` is no TOML") as caught:
        open_blobs(BlobSettings(), Redacted("canary"))
    assert "canary" not in str(caught.value)


def test_the_database_keeps_blobs_by_default():
    assert isinstance(open_blobs(BlobSettings()), DatabaseBlobs)
