import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.sqlite import database_path
from storage.tables import BlobRow


def test_migrating_twice_is_harmless(database: Database):
    database.migrate()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_an_exception_rolls_back(database: Database):
    def fail_after_writing() -> None:
        with database.transaction() as session:
            session.add(BlobRow(key="a", data=b"1"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    with database.read() as session:
        assert session.get(BlobRow, "a") is None


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StorageUnavailableError, match=r"gone/proxyd\.db cannot be used"):
        Database(f"sqlite:///{tmp_path}/gone/proxyd.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "proxyd.db").write_text("not a database " * 100)
    database = Database(f"sqlite:///{tmp_path}/proxyd.db")
    with pytest.raises(StorageUnavailableError, match=r"proxyd\.db.*from a backup"):
        database.migrate()
    database.close()


def test_a_database_without_tables_says_what_makes_them(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/proxyd.db")
    with (
        pytest.raises(StorageUnavailableError, match="proxyd init"),
        database.read() as session,
    ):
        session.get(BlobRow, "a")
    database.close()


def test_a_database_held_by_somebody_else_is_named(sqlite_database: Database):
    with sqlite_database.transaction() as session:
        session.execute(text("PRAGMA busy_timeout=10"))
    holder = sqlite3.connect(database_path(sqlite_database.url), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(StorageUnavailableError, match="locked"),
        sqlite_database.transaction() as session,
    ):
        session.execute(text("SELECT 1"))
    holder.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("proxyd.db", "is no URL: write sqlite:"),
        ("mysql://db/proxyd", "mysql is no database of this version"),
        ("sqlite://", "names no file"),
    ],
)
def test_a_url_that_cannot_work_says_why(url: str, says: str):
    with pytest.raises(UnsupportedStoreError, match=says):
        Database(url)
