"""Blobs as objects: S3 and what speaks like it, Azure Blob Storage, Google Cloud Storage.

An object is whole or not there, and durable once the store has answered.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url
from sqlalchemy.orm import Session

from config.redacted import Redacted
from storage.errors import StorageUnavailableError, UnsupportedStoreError

_RETRIES: Final = 2
_AT_ONCE: Final = 8
"""Objects on their way at a time: it is the answer that takes long, not the bytes."""
_MISSING_BUCKET: Final = (
    "NoSuchBucket",
    "ContainerNotFound",
    "bucket does not exist",
    "container does not exist",
)


class ObjectBlobs:
    """A bucket, or what lies below a prefix in one."""

    ahead = True

    def __init__(
        self, url: str, options: Redacted[Mapping[str, Any]], timeout_s: float
    ) -> None:
        self._url = url
        timeout = dt.timedelta(seconds=timeout_s)
        try:
            self._store = from_url(
                url,
                client_options={
                    "timeout": timeout,
                    "connect_timeout": timeout,
                    "allow_http": str(options.reveal().get("endpoint", "")).startswith("http:"),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": timeout},
                **options.reveal(),
            )
        except (BaseError, ValueError, TypeError) as error:
            # Without a cause, and without what it says: that may be a key.
            raise UnsupportedStoreError(
                f"{url} cannot be used with the keys given for it "
                f"({type(error).__name__}): compare them with docs/operations.md"
            ) from None

    def put_ahead(self, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_ahead`."""
        with self._translated(), ThreadPoolExecutor(_AT_ONCE, "blobs") as threads:
            for _ in threads.map(self._put, blobs.items()):
                pass

    def put_within(self, session: Session, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_within`."""

    def get(self, session: Session, key: str) -> bytes | None:
        """See `BlobStore.get`."""
        with self._translated():
            try:
                return obstore.get(self._store, key).bytes().to_bytes()
            except FileNotFoundError as error:
                _check_bucket(error)
                return None

    def delete(self, session: Session, keys: Sequence[str]) -> None:
        """See `BlobStore.delete`."""
        with self._translated():
            try:
                obstore.delete(self._store, list(keys))
            except FileNotFoundError as error:
                # S3 takes no offence at what is gone already. Azure and Google do, and then
                # it is not known how far they came.
                _check_bucket(error)
                for key in keys:
                    self._delete(key)

    def keys_before(self, moment: dt.datetime) -> Iterator[str]:
        """See `BlobStore.keys_before`."""
        with self._translated():
            for page in obstore.list(self._store):
                for found in page:
                    if found["last_modified"] < moment:
                        yield str(found["path"])

    def _put(self, blob: tuple[str, bytes]) -> None:
        key, data = blob
        obstore.put(self._store, key, data, use_multipart=False)

    def _delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError as error:
            _check_bucket(error)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            what = " ".join(str(error).partition("Debug source")[0].split())[:300]
            raise StorageUnavailableError(
                f"{self._url} cannot be used: {what}; check that it can be reached and that "
                "its keys may read, write, list and delete there"
            ) from error


def _check_bucket(error: FileNotFoundError) -> None:
    """Raise it again where it is the bucket that is not there: its name is wrong."""
    if any(words in str(error) for words in _MISSING_BUCKET):
        raise error
