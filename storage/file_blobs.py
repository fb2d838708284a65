"""Blobs as files, on a disk or a share of the network.

A file is whole and on disk before its row commits.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from storage.errors import StorageUnavailableError

_UNFINISHED = ".new"


class FileBlobs:
    """A folder; keys are paths below it."""

    ahead = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_ahead(self, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_ahead`."""
        for key, data in blobs.items():
            path = self._path(key)
            try:
                _make_folder(path.parent)
                _write_durably(path, data)
            except OSError as error:
                raise _unavailable(path, error) from error

    def put_within(self, session: Session, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_within`."""

    def get(self, session: Session, key: str) -> bytes | None:
        """See `BlobStore.get`."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            # A share that is not mounted has lost nothing.
            if not self._folder.is_dir():
                raise _unavailable(self._folder, error) from error
            return None
        except OSError as error:
            raise _unavailable(path, error) from error

    def delete(self, session: Session, keys: Sequence[str]) -> None:
        """See `BlobStore.delete`."""
        for key in keys:
            path = self._path(key)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise _unavailable(path, error) from error

    def keys_before(self, moment: dt.datetime) -> Iterator[str]:
        """See `BlobStore.keys_before`."""
        try:
            for path in self._folder.rglob("*"):
                if path.is_file() and path.stat().st_mtime < moment.timestamp():
                    yield path.relative_to(self._folder).as_posix()
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def _path(self, key: str) -> Path:
        path = self._folder / key
        if ".." in path.parts or not path.is_relative_to(self._folder):
            raise ValueError(f"not a blob key: {key!r}")
        return path


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it; each is on disk before the next."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _write_durably(path: Path, data: bytes) -> None:
    # Two workers may hold the same chunk: each writes a file of its own.
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{id(data):x}{_UNFINISHED}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(path: Path, error: OSError) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"the recording file {path} cannot be used: {error.strerror}; check that its disk is "
        "mounted and has room, and that proxyd may write there"
    )
