"""Opens the database and the blob store, and says in an operator's words why it cannot."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from config.errors import ConfigError
from config.model import Settings
from config.redacted import Redacted
from config.secret import find_secret
from control.errors import ControlError
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.sited_blobs import CREDENTIALS, open_blobs

PASSWORD: Final = "database-password"  # noqa: S105 - its name
"""The systemd credential."""


@contextmanager
def open_database(
    settings: Settings, credentials_dir: Path | None = None
) -> Iterator[Database]:
    """Yield the database, its schema up to date; raise `ConfigError` or `ControlError`.

    `credentials_dir` is where systemd put the daemon's secrets.
    """
    try:
        with closing(_database(settings, credentials_dir)) as database:
            database.migrate()
            yield database
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error
    except StorageUnavailableError as error:
        raise ControlError(str(error)) from error


@contextmanager
def reachable_database(settings: Settings) -> Iterator[Database]:
    """Yield the database as it is, to look at; raise `ConfigError`."""
    try:
        with closing(_database(settings, None)) as database:
            yield database
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error


def open_blob_store(settings: Settings, credentials_dir: Path | None = None) -> BlobStore:
    """Return the blob store of these settings; raise `ConfigError`. Reaches nothing."""
    file = settings.blobs.credentials_file
    credentials = find_secret(CREDENTIALS, file, credentials_dir)
    try:
        return open_blobs(settings.blobs, credentials or Redacted(""))
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error


def _database(settings: Settings, credentials_dir: Path | None) -> Database:
    password = find_secret(PASSWORD, settings.database.password_file, credentials_dir)
    return Database(settings.database_url, settings.database, password)
