"""What is particular to SQLite: how it is opened, and what keeps it safe.

INVARIANT: one connection writes. SQLite up to 3.51.2 can corrupt a WAL that two
connections write or checkpoint, so readers are barred from both.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from storage.errors import UnsupportedStoreError

_BUSY_TIMEOUT_MS = 10_000
_READERS = 8


def open_writer(url: URL) -> Engine:
    """Return the engine with the one connection that writes; make a private file for it."""
    path = database_path(url)
    # SQLite gives its WAL the mode of the database, so the mode is set before it opens.
    path.touch(mode=0o600, exist_ok=True)
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    _prepare(engine, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
    _begin_with(engine, "BEGIN IMMEDIATE")
    return engine


def open_readers(url: URL) -> Engine:
    """Return the engine of the connections that only read."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_READERS,
        connect_args={"check_same_thread": False},
    )
    _prepare(engine, "PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0")
    _begin_with(engine, "BEGIN")
    return engine


def database_path(url: URL) -> Path:
    """Return the file behind `url`; raise `UnsupportedStoreError` where there is none."""
    if not url.database or url.database == ":memory:":
        raise UnsupportedStoreError(
            f"{url.render_as_string()} names no file: write sqlite:////path/to/proxyd.db"
        )
    return Path(url.database)


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
