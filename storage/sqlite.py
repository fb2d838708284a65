"""What is particular to SQLite: how it is opened, and what keeps it safe.

INVARIANT: one connection writes. SQLite up to 3.51.2 can corrupt a WAL that two
connections write or checkpoint, so readers are barred from both.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool, StaticPool

from storage.errors import StorageUnavailableError, UnsupportedStoreError

_BUSY_TIMEOUT_MS = 10_000
_READERS = 8
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SQLite:
    """The one connection that writes, and those that read."""

    holds_claims: Final = False
    """One process opens the file, so nobody takes its work away."""

    def __init__(self, url: URL) -> None:
        self.place = f"database {database_path(url)}"
        self._writing = threading.Lock()
        try:
            self.writer = _open_writer(url)
        except OSError as error:
            raise StorageUnavailableError(self.complaint(error)) from error
        self.readers = _open_readers(url)

    def writing(self) -> AbstractContextManager[object]:
        """Wait for whoever writes. Not re-entrant."""
        return self._writing

    def be_alone(self, session: Session) -> None:
        """Every writer is."""

    def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """Call `upgrade` within one transaction."""
        with self._writing, self.writer.begin() as connection:
            upgrade(connection)

    def is_worth_another_try(self, error: DBAPIError) -> bool:
        """Nothing is: a writer that comes to write is alone."""
        return False

    def is_its_own_fault(self, error: DBAPIError) -> bool:
        """Whether the file is to blame, and no statement of ours."""
        return type(error) is DatabaseError

    def complaint(self, cause: BaseException) -> str:
        """Return what went wrong, and what to do next."""
        if "no such table" in str(cause):
            return f"the {self.place} is empty: run `proxyd init` first"
        if getattr(cause, "sqlite_errorcode", None) in _DAMAGED:
            return f"the {self.place} cannot be used: {cause}; restore it from a backup"
        return (
            f"the {self.place} cannot be used: {cause}; check that its disk has room and that "
            "proxyd may write the file and its folder"
        )

    def close(self) -> None:
        """Close every connection, the writing one last: it alone may checkpoint."""
        self.readers.dispose()
        with self._writing:
            self.writer.dispose()


def database_path(url: URL) -> Path:
    """Return the file behind `url`; raise `UnsupportedStoreError` where there is none."""
    if not url.database or url.database == ":memory:":
        raise UnsupportedStoreError(
            f"{url.render_as_string()} names no file: write sqlite:////path/to/proxyd.db"
        )
    return Path(url.database)


def _open_writer(url: URL) -> Engine:
    path = database_path(url)
    # SQLite gives its WAL the mode of the database, so the mode is set before it opens.
    path.touch(mode=0o600, exist_ok=True)
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    _prepare(engine, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
    _begin_with(engine, "BEGIN IMMEDIATE")
    return engine


def _open_readers(url: URL) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_READERS,
        connect_args={"check_same_thread": False},
    )
    _prepare(engine, "PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0")
    _begin_with(engine, "BEGIN")
    return engine


def _prepare(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: PoolProxiedConnection) -> None:
        connection.isolation_level = None  # Transactions are begun below, not by the driver.
        common = (f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}", "PRAGMA foreign_keys=ON")
        for pragma in (*common, *pragmas):
            connection.execute(pragma)


def _begin_with(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql(statement)
