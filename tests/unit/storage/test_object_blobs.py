import datetime as dt

import obstore
import pytest
from obstore.store import S3Store
from peers.needed import free_port
from peers.object_store import ObjectStore
from sqlalchemy.orm import Session

from config.redacted import Redacted
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.object_blobs import ObjectBlobs

NO_TRANSACTION = Session()
pytestmark = pytest.mark.peers


@pytest.fixture
def blobs(object_store: ObjectStore) -> ObjectBlobs:
    url = f"s3://{object_store.bucket()}/proxyd/test"
    return ObjectBlobs(url, Redacted(object_store.keys), timeout_s=10)


def test_what_was_put_is_there_until_it_is_deleted(blobs: ObjectBlobs):
    many = {f"lyon/session/{number}": b"%d" % number for number in range(20)}
    blobs.put_ahead(many)
    blobs.put_ahead({"lyon/session/0": b"again"})
    assert blobs.get(NO_TRANSACTION, "lyon/session/0") == b"again"
    assert blobs.get(NO_TRANSACTION, "lyon/session/19") == b"19"
    blobs.delete(NO_TRANSACTION, ["lyon/session/0", "lyon/session/1", "nothing"])
    assert blobs.get(NO_TRANSACTION, "lyon/session/0") is None
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert set(blobs.keys_before(tomorrow)) == set(many) - {"lyon/session/0", "lyon/session/1"}
    assert list(blobs.keys_before(tomorrow - dt.timedelta(days=2))) == []


def test_a_store_that_minds_what_is_gone_already_deletes_the_rest(
    blobs: ObjectBlobs, monkeypatch: pytest.MonkeyPatch
):
    """As Azure and Google do, which answer 404 for each."""
    delete = obstore.delete

    def minding(store: S3Store, paths: str | list[str]) -> None:
        for path in [paths] if isinstance(paths, str) else paths:
            obstore.head(store, path)
            delete(store, path)

    monkeypatch.setattr(obstore, "delete", minding)
    blobs.put_ahead({"a": b"1", "b": b"2", "c": b"3"})
    blobs.delete(NO_TRANSACTION, ["a"])
    blobs.delete(NO_TRANSACTION, ["a", "b", "gone", "c"])
    assert list(blobs.keys_before(dt.datetime.max.replace(tzinfo=dt.UTC))) == []


def test_what_lies_beside_the_prefix_is_not_seen(object_store: ObjectStore):
    bucket = object_store.bucket()
    keys = Redacted(object_store.keys)
    ObjectBlobs(f"s3://{bucket}/other", keys, 10).put_ahead({"a": b"x"})
    ours = ObjectBlobs(f"s3://{bucket}/proxyd", keys, 10)
    assert list(ours.keys_before(dt.datetime.max.replace(tzinfo=dt.UTC))) == []


def test_a_bucket_that_is_not_there_has_lost_nothing(object_store: ObjectStore):
    blobs = ObjectBlobs("s3://no-such-bucket", Redacted(object_store.keys), 10)
    with pytest.raises(StorageUnavailableError, match=r"s3://no-such-bucket cannot be used"):
        blobs.get(NO_TRANSACTION, "a")
    with pytest.raises(StorageUnavailableError, match="NoSuchBucket"):
        blobs.put_ahead({"a": b"x"})


def test_a_store_out_of_reach_is_named_in_time(object_store: ObjectStore):
    keys = {**object_store.keys, "endpoint": f"http://127.0.0.1:{free_port()}"}
    blobs = ObjectBlobs("s3://recordings", Redacted(keys), timeout_s=2)
    with pytest.raises(StorageUnavailableError, match="check that it can be reached") as caught:
        blobs.put_ahead({"a": b"x"})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("s3://recordings", {"acess_key_id": "canary"}),
        ("az://recordings", {"account_key": "canary"}),
    ],
)
def test_keys_that_do_not_fit_are_not_shown(url: str, keys: dict[str, str]):
    with pytest.raises(UnsupportedStoreError, match=f"{url} cannot be used") as caught:
        ObjectBlobs(url, Redacted(keys), 10)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("az://recordings/proxyd", {"account_name": "a", "account_key": "c2VjcmV0"}),
        ("gs://recordings/proxyd", {"skip_signature": True}),
    ],
)
def test_other_clouds_can_be_named(url: str, keys: dict[str, str]):
    ObjectBlobs(url, Redacted(keys), 10)
