"""Applies the revisions. Apart from `storage.database`, because alembic is slow to import."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from storage.errors import StorageUnavailableError

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to `revision`, the newest; raise `StorageUnavailableError`."""
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StorageUnavailableError(
            f"the database was made by another version of proxyd: {error}; run the newest "
            "version that has used it"
        ) from error


def newest_revision() -> str | None:
    """Return the newest revision there is a file for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
