import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageUnavailableError


def test_a_commit_survives_a_power_cut(sqlite_database: Database):
    full = 2
    with sqlite_database.transaction() as session:
        assert session.scalar(text("PRAGMA synchronous")) == full
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_reader_cannot_write(sqlite_database: Database):
    with (
        pytest.raises(StorageUnavailableError, match="readonly"),
        sqlite_database.read() as session,
    ):
        session.execute(text("DELETE FROM blobs"))


def test_only_its_owner_may_read_the_database(tmp_path: Path):
    path = tmp_path / "made.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        database.migrate()
        files = [path, *path.parent.glob(f"{path.name}-*")]
        assert len(files) > 1
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
