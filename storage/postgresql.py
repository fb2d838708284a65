"""What is particular to PostgreSQL: how it is reached, and how its writers share it.

Many connections write at once, from several processes. What must not happen at once is
kept apart by row locks where it is about a session, and by advisory locks elsewhere.
"""

import io
import math
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import psycopg2
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from config.model import DatabaseSettings
from config.redacted import Redacted
from storage.errors import StorageUnavailableError

_ACTS: Final = 0x70726F78_00000001
"""Advisory lock of what control does: "prox" and a number."""
_MIGRATION: Final = 0x70726F78_00000002
_MIGRATION_PATIENCE_S: Final = 3600.0
"""Another node migrates; an index over a large table takes its time."""
_TABLE_PATIENCE_MS: Final = 2_000
"""A change of a table that waits for its lock holds up all who come after it."""
_TABLE_TRIES: Final = 60
_POLL_S: Final = 0.5
_SILENCE_S: Final = 15
"""A peer that is silent for so long is taken for gone, by both ends."""
_FORGOTTEN_AFTER_MS: Final = 900_000
"""A transaction in which nothing happens: longer than a chunk may take to be understood."""

_ROW: Final = struct.Struct(">hi")
_COPY_READ_BYTES: Final = 1024 * 1024

_LOCK_NOT_AVAILABLE: Final = "55P03"
_COLLISIONS: Final = frozenset({"40001", "40P01"})
"""SQLSTATE: serialization_failure, deadlock_detected. Rolled back, to be tried again."""
_NOT_OURS: Final = frozenset({"42P01", "42501"})
"""undefined_table, insufficient_privilege: how somebody set the database up."""
_NEXT_STEPS: Final = {
    "42P01": "run `proxyd init` first: it makes the tables",
    "42501": "make the role in `[database] url` the owner of its database",
    "53": "give PostgreSQL more disk, memory or connections",
    "55P03": "find in pg_stat_activity what holds the lock, or raise `lock_timeout_s`",
    "57014": "find what slows PostgreSQL down, or raise `statement_timeout_s`",
}
"""By how a SQLSTATE begins."""
_NO_CONNECTION: Final = {
    "authentication failed": "check the role, its password and pg_hba.conf",
    "no password supplied": "name the file of its password in `[database] password_file`",
    "does not exist": "create it as docs/operations.md says, or correct `[database] url`",
    "": "check that it runs, and that this machine reaches it",
}
"""By what the text holds: a server that lets nobody in gives no SQLSTATE."""


class PostgreSQL:
    """One pool of connections, for writers and readers."""

    holds_claims: Final = True

    def __init__(
        self, url: URL, settings: DatabaseSettings, password: Redacted[str] | None
    ) -> None:
        self.place = f"database {url.database or url.username} at {url.host or 'this machine'}"
        self.writer = _open(url, settings, password)
        self.readers = self.writer.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def writing(self) -> AbstractContextManager[object]:
        """Nothing to wait for: rows are locked as they are touched."""
        return nullcontext()

    def be_alone(self, session: Session) -> None:
        """Wait for the acts of all nodes, and hold up theirs until `session` ends."""
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ACTS})

    def migrate(self, upgrade: Callable[[Connection], None]) -> None:
        """Call `upgrade` on a connection in no transaction, one node at a time."""
        with self.writer.connect() as connection, _turn(connection):
            for _ in range(_TABLE_TRIES):
                try:
                    return upgrade(connection)
                except OperationalError as error:
                    if _state(error.orig) not in _COLLISIONS | {_LOCK_NOT_AVAILABLE}:
                        raise
                connection.rollback()
                time.sleep(_POLL_S)
            return upgrade(connection)

    def is_worth_another_try(self, error: DBAPIError) -> bool:
        """Whether a transaction failed for a reason that may be gone at once."""
        return error.connection_invalidated or _state(error.orig) in _COLLISIONS

    def is_its_own_fault(self, error: DBAPIError) -> bool:
        """Whether the server is to blame, and no statement of ours."""
        return _state(error.orig) in _NOT_OURS

    def complaint(self, cause: BaseException) -> str:
        """Return what went wrong, and what to do next."""
        state, what = _state(cause), " ".join(str(cause).split()) or type(cause).__name__
        known = [step for start, step in _NEXT_STEPS.items() if state.startswith(start)]
        step = next(
            iter(known + [step for words, step in _NO_CONNECTION.items() if words in what])
        )
        return f"the {self.place} cannot be used: {what}; {step}"

    def close(self) -> None:
        """Close every connection."""
        self.writer.dispose()


def copy_in(session: Session, table: str, rows: Mapping[str, bytes]) -> None:
    """Insert pairs of text and bytes by COPY: an INSERT would carry the bytes as hex digits.

    Raises what SQLAlchemy raises for a statement.
    """
    connection = session.connection()
    cursor = connection.connection.cursor()
    try:
        cursor.copy_expert(
            f"COPY {table} FROM STDIN (FORMAT binary)", _binary(rows), _COPY_READ_BYTES
        )
    except psycopg2.Error as error:
        driver: Any = error
        lost = connection.dialect.is_disconnect(driver, connection.connection, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, psycopg2.Error, connection_invalidated=lost
        ) from error
    finally:
        cursor.close()


def _binary(rows: Mapping[str, bytes]) -> io.BytesIO:
    """Return rows as COPY reads them: PostgreSQL's documentation of COPY, "Binary Format"."""
    out = io.BytesIO()
    out.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for key, data in rows.items():
        name = key.encode()
        out.write(_ROW.pack(2, len(name)) + name)
        out.write(len(data).to_bytes(4, "big"))
        out.write(data)
    out.write(b"\xff\xff")
    out.seek(0)
    return out


def _open(url: URL, settings: DatabaseSettings, password: Redacted[str] | None) -> Engine:
    limits = {
        "statement_timeout": round(settings.statement_timeout_s * 1000),
        "lock_timeout": round(settings.lock_timeout_s * 1000),
        "idle_in_transaction_session_timeout": _FORGOTTEN_AFTER_MS,
        "tcp_keepalives_idle": _SILENCE_S // 3,
        "tcp_keepalives_interval": _SILENCE_S // 3,
        "tcp_keepalives_count": 2,
    }
    engine = create_engine(
        url,
        pool_size=settings.connections,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_s,
        pool_pre_ping=True,
        hide_parameters=True,  # They hold what users typed.
        connect_args={
            "application_name": "proxyd",
            "client_encoding": "utf8",
            "connect_timeout": math.ceil(settings.connect_timeout_s),
            "keepalives_idle": _SILENCE_S // 3,
            "keepalives_interval": _SILENCE_S // 3,
            "keepalives_count": 2,
            "tcp_user_timeout": _SILENCE_S * 1000,
            "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        },
    )
    if password is not None:

        @event.listens_for(engine, "do_connect")
        def _(_dialect: object, _record: object, _args: object, how: dict[str, str]) -> None:
            how["password"] = password.reveal()

    return engine


@contextmanager
def _turn(connection: Connection) -> Iterator[None]:
    """Hold the right to migrate; the connection goes with it."""
    try:
        # Asked for again and again: a statement that waits would hold up an index that is
        # built concurrently, which waits for every statement before it.
        deadline_s = time.monotonic() + _MIGRATION_PATIENCE_S
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock({_MIGRATION})")):
            connection.rollback()
            if time.monotonic() > deadline_s:
                raise StorageUnavailableError(
                    "another node has been migrating the database for an hour: see its log"
                )
            time.sleep(_POLL_S)
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"SET lock_timeout = {_TABLE_PATIENCE_MS}"))
        connection.commit()
        yield
    finally:
        connection.invalidate()


def _state(cause: BaseException | None) -> str:
    """Return the SQLSTATE; empty where the server said nothing."""
    return getattr(cause, "pgcode", None) or ""
