"""The database: one transaction scope for writing, one for reading."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from storage import sqlite
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.migrations import NEWEST

_WRITE = "write sqlite:////path/to/proxyd.db"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """Opens lazily. May be used from any thread; writers wait for each other."""

    def __init__(self, url: str) -> None:
        self.url = supported_url(url)
        self.path = sqlite.database_path(self.url)
        self._writing = threading.Lock()
        try:
            self._writer = sqlite.open_writer(self.url)
        except OSError as error:
            raise self._unavailable(error) from error
        self._readers = sqlite.open_readers(self.url)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write, alone; commit at the end, or roll back what an exception cut short.

        Does not nest: the lock is not re-entrant. Raises `StorageUnavailableError`.
        """
        with (
            self._translated(),
            self._writing,
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Read one consistent state; rows stay usable afterwards.

        Raises `StorageUnavailableError`.
        """
        with (
            self._translated(),
            Session(self._readers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
            session.expunge_all()

    def migrate(self) -> None:
        """Bring the schema up to date; raise `StorageUnavailableError`."""
        with self._translated(), self._writing, self._writer.begin() as connection:
            if _revision(connection) != NEWEST:
                from storage.upgrade import upgrade  # noqa: PLC0415 - rarely needed, and slow

                upgrade(connection)

    def close(self) -> None:
        """Close every connection, the writing one last: it alone may checkpoint."""
        self._readers.dispose()
        with self._writing:
            self._writer.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, PoolTimeoutError) as error:
            raise self._unavailable(error) from error
        except DatabaseError as error:
            # Its subclasses (a broken constraint, bad SQL) are bugs of ours: let them show.
            if type(error) is not DatabaseError:
                raise
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StorageUnavailableError:
        cause = getattr(error, "orig", None) or error
        if "no such table" in str(cause):
            return StorageUnavailableError(
                f"the database {self.path} is empty: run `proxyd init` first"
            )
        if getattr(cause, "sqlite_errorcode", None) in _DAMAGED:
            return StorageUnavailableError(
                f"the database {self.path} cannot be used: {cause}; restore it from a backup"
            )
        return StorageUnavailableError(
            f"the database {self.path} cannot be used: {cause}; check that its disk has room "
            "and that proxyd may write the file and its folder"
        )


def supported_url(text: str) -> URL:
    """Return `[database] url`, taken apart; raise `UnsupportedStoreError`. Opens nothing."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise UnsupportedStoreError(f"[database] url is no URL: {_WRITE}") from error
    if url.get_backend_name() != "sqlite":
        raise UnsupportedStoreError(
            f"[database] url: {url.drivername} is no database of this version: {_WRITE}"
        )
    sqlite.database_path(url)
    return url


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
