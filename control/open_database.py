"""Opens the database, and says in an operator's words why it cannot be opened."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from config.errors import ConfigError
from config.model import Settings
from control.errors import ControlError
from storage.database import Database
from storage.errors import StorageUnavailableError, UnsupportedStoreError


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Yield the database, its schema up to date; raise `ConfigError` or `ControlError`."""
    try:
        with closing(Database(settings.database_url)) as database:
            database.migrate()
            yield database
    except UnsupportedStoreError as error:
        raise ConfigError(str(error)) from error
    except StorageUnavailableError as error:
        raise ControlError(str(error)) from error
