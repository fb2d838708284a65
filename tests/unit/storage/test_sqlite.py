import stat

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageUnavailableError


def test_a_commit_survives_a_power_cut(database: Database):
    full = 2
    with database.transaction() as session:
        assert session.scalar(text("PRAGMA synchronous")) == full
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_reader_cannot_write(database: Database):
    with pytest.raises(StorageUnavailableError, match="readonly"), database.read() as session:
        session.execute(text("DELETE FROM blobs"))


def test_only_its_owner_may_read_the_database(database: Database):
    files = [database.path, *database.path.parent.glob("proxyd.db-*")]
    assert len(files) > 1
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
