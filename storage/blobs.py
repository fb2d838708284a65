"""Where the bytes of chunks lie: in the database, or in files beside it."""

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.tables import BlobRow


class BlobStore(Protocol):
    """Keeps bytes under a key. `session` is the transaction that names the key in a row."""

    def put(self, session: Session, key: str, data: bytes) -> None:
        """Keep `data` for good by the time `session` commits; putting twice is harmless.

        Raises `StorageUnavailableError`.
        """
        ...

    def get(self, session: Session, key: str) -> bytes | None:
        """Return what was put, or None where it is gone; raise `StorageUnavailableError`."""
        ...

    def delete(self, session: Session, key: str) -> None:
        """Forget `key`; harmless where there is none. Raises `StorageUnavailableError`."""
        ...


class DatabaseBlobs:
    """Blobs as rows: committed together with the row that names them."""

    def put(self, session: Session, key: str, data: bytes) -> None:
        """See `BlobStore.put`."""
        self.delete(session, key)
        session.execute(insert(BlobRow).values(key=key, data=data))

    def get(self, session: Session, key: str) -> bytes | None:
        """See `BlobStore.get`."""
        return session.scalar(select(BlobRow.data).where(BlobRow.key == key))

    def delete(self, session: Session, key: str) -> None:
        """See `BlobStore.delete`."""
        session.execute(delete(BlobRow).where(BlobRow.key == key))


class FileBlobs:
    """Blobs as files. A file is whole and on disk before its row commits.

    A crash in between leaves a file without a row; the next try writes it again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, session: Session, key: str, data: bytes) -> None:
        """See `BlobStore.put`."""
        path = self._path(key)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_durably(path, data)
        except OSError as error:
            raise _unavailable(path, error) from error

    def get(self, session: Session, key: str) -> bytes | None:
        """See `BlobStore.get`."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(path, error) from error

    def delete(self, session: Session, key: str) -> None:
        """See `BlobStore.delete`."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(path, error) from error

    def _path(self, key: str) -> Path:
        path = self._folder / key
        if ".." in path.parts or not path.is_relative_to(self._folder):
            raise ValueError(f"not a blob key: {key!r}")
        return path


def open_blobs(url: str) -> BlobStore:
    """Return the blob store of `[blobs] url`; raise `UnsupportedStoreError`."""
    parts = urlsplit(url)
    match parts.scheme:
        case "database":
            return DatabaseBlobs()
        case "file" if parts.path.startswith("/") and parts.netloc in ("", "localhost"):
            return FileBlobs(Path(unquote(parts.path)))
        case "file":
            raise UnsupportedStoreError(
                f"[blobs] url {url!r} names no absolute folder: write file:///srv/recordings"
            )
    raise UnsupportedStoreError(
        f"[blobs] url is of kind {parts.scheme!r}: write database: or file:///srv/recordings"
    )


def _write_durably(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    for folder in (path.parent, path.parent.parent):  # The new file, and perhaps its folder.
        _sync_folder(folder)


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
