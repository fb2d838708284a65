"""Databases with every table in them: made once, then copied, for making them takes a while."""

import functools
import tempfile
from pathlib import Path

from storage.database import Database


def new_sqlite(path: Path) -> Database:
    """A database of its own in a new file at `path`."""
    path.touch(mode=0o600)
    path.write_bytes(_with_every_table())
    return Database(f"sqlite:///{path}")


@functools.cache
def _with_every_table() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proxyd.db"
        database = Database(f"sqlite:///{path}")
        database.migrate()
        database.close()
        return path.read_bytes()
