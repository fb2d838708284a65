"""The database: scopes for writing, for reading and for taking work, on both kinds of it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from sqlalchemy import URL, Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from config.model import DatabaseSettings
from config.redacted import Redacted
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.migrations import NEWEST
from storage.postgresql import PostgreSQL
from storage.sqlite import SQLite, database_path

T = TypeVar("T")

_WRITE: Final = "write sqlite:////path/to/proxyd.db or postgresql+psycopg2://user@host/database"
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.05
"""Before the second try; each later one is twice as long."""
_DEFAULTS: Final = DatabaseSettings()


class Steps(Protocol):
    """Runs one step of a piece of work in a transaction."""

    def __call__(self, work: Callable[[Session], T]) -> T:
        """Return what `work` returned."""
        ...


class Database:
    """Opens lazily. May be used from any thread. Nothing in here nests."""

    def __init__(
        self,
        url: str,
        settings: DatabaseSettings = _DEFAULTS,
        password: Redacted[str] | None = None,
    ) -> None:
        self.url = supported_url(url)
        self._kind: SQLite | PostgreSQL
        if self.url.get_backend_name() == "sqlite":
            self._kind = SQLite(self.url)
        else:
            self._kind = PostgreSQL(self.url, settings, password)

    @property
    def place(self) -> str:
        """What it is and where, for messages; no password in it."""
        return self._kind.place

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write, with no other such transaction on any node; commit at the end.

        An exception rolls back. What is read stays true until the commit, but for what
        `write` changes. Raises `StorageUnavailableError`.
        """
        with self._scope() as session:
            self._kind.be_alone(session)
            yield session

    def write(self, work: Callable[[Session], T]) -> T:
        """Return what `work` returned in a transaction beside others; it locks what it reads.

        `work` must be safe to repeat, even after a commit: it is called again, a few times,
        where the database chose it as the victim of a collision or the connection was lost,
        which may be after the commit. Raises `StorageUnavailableError`.
        """
        with self._translated():
            for number in range(1, _TRIES):
                try:
                    return self._once(work)
                except DBAPIError as error:
                    if not self._kind.is_worth_another_try(error):
                        raise
                # All who collided would meet again.
                time.sleep(_FIRST_PAUSE_S * 2 ** (number - 1) * random.uniform(0.5, 1.5))  # noqa: S311
            return self._once(work)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Read one consistent state; rows stay usable afterwards.

        Raises `StorageUnavailableError`.
        """
        with (
            self._translated(),
            Session(self._kind.readers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
            session.expunge_all()

    @contextmanager
    def claiming(self) -> Iterator[Steps]:
        """Do a piece of work that takes long, in steps; what the first one locks stays ours.

        On PostgreSQL all steps are one transaction: its row locks keep other workers away,
        and go with this process. On SQLite, where nobody else takes work, each is one of
        its own, because storing must not wait. Raises `StorageUnavailableError`.
        """
        if self._kind.holds_claims:
            with self._scope() as session:
                yield _Within(session)
        else:
            yield self.write

    def migrate(self) -> None:
        """Bring the schema up to date; raise `StorageUnavailableError`."""
        with self._translated():
            with self._kind.readers.begin() as connection:
                if _revision(connection) == NEWEST:
                    return
            from storage.upgrade import upgrade  # noqa: PLC0415 - rarely needed, and slow

            self._kind.migrate(upgrade)

    def close(self) -> None:
        """Close every connection."""
        self._kind.close()

    def _once(self, work: Callable[[Session], T]) -> T:
        with (
            self._kind.writing(),
            Session(self._kind.writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            return work(session)

    @contextmanager
    def _scope(self) -> Iterator[Session]:
        with (
            self._translated(),
            self._kind.writing(),
            Session(self._kind.writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, PoolTimeoutError) as error:
            raise self._unavailable(error) from error
        except DBAPIError as error:
            # The rest (a broken constraint, bad SQL) are bugs of ours: let them show.
            if not (error.connection_invalidated or self._kind.is_its_own_fault(error)):
                raise
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StorageUnavailableError:
        cause = getattr(error, "orig", None) or error
        return StorageUnavailableError(self._kind.complaint(cause))


class _Within:
    """Runs every step in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, work: Callable[[Session], T]) -> T:
        return work(self._session)


def supported_url(text: str) -> URL:
    """Return `[database] url`, taken apart; raise `UnsupportedStoreError`. Opens nothing."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise UnsupportedStoreError(f"[database] url is no URL: {_WRITE}") from error
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            database_path(url)
        case "postgresql" | "postgresql+psycopg2":
            _check_postgresql(url)
            url = url.set(drivername="postgresql+psycopg2")
        case _:
            raise UnsupportedStoreError(
                f"[database] url: {url.drivername} is no database of this version: {_WRITE}"
            )
    return url


def _check_postgresql(url: URL) -> None:
    if url.password is not None or "password" in url.query:
        raise UnsupportedStoreError(
            "[database] url holds a password: put it into a file of mode 0600 named by "
            "`password_file`, or into the systemd credential `database-password`"
        )
    if not url.database:
        raise UnsupportedStoreError(f"[database] url names no database: {_WRITE}")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
