import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageUnavailableError, UnsupportedStoreError
from storage.migrations import NEWEST
from storage.tables import BlobRow, Table
from storage.upgrade import newest_revision


def test_the_migrations_make_the_declared_tables(database: Database):
    def is_declared(_object: object, name: str, kind: str, *_rest: object) -> bool:
        return not (kind == "table" and name.startswith("lines_text"))

    with database.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"include_object": is_declared}
        )
        assert compare_metadata(context, Table.metadata) == []


def test_this_version_works_with_the_newest_revision():
    assert newest_revision() == NEWEST


def test_migrating_twice_is_harmless(database: Database):
    database.migrate()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_a_database_of_a_newer_version_is_left_alone(database: Database):
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailableError, match="made by another version"):
        database.migrate()


def test_a_commit_survives_a_power_cut(database: Database):
    full = 2
    with database.transaction() as session:
        assert session.scalar(text("PRAGMA synchronous")) == full
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_reader_cannot_write(database: Database):
    with pytest.raises(StorageUnavailableError, match="readonly"), database.read() as session:
        session.execute(text("DELETE FROM blobs"))


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


def test_only_its_owner_may_read_the_database(database: Database):
    files = [database.path, *database.path.parent.glob("proxyd.db-*")]
    assert len(files) > 1
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StorageUnavailableError, match=r"gone/proxyd\.db cannot be used"):
        Database(f"sqlite:///{tmp_path}/gone/proxyd.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "proxyd.db").write_text("not a database " * 100)
    database = Database(f"sqlite:///{tmp_path}/proxyd.db")
    with pytest.raises(StorageUnavailableError, match=r"proxyd\.db cannot be used.*database"):
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


def test_a_database_held_by_somebody_else_is_named(database: Database):
    with database.transaction() as session:
        session.execute(text("PRAGMA busy_timeout=10"))
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(StorageUnavailableError, match="locked"),
        database.transaction() as session,
    ):
        session.execute(text("SELECT 1"))
    holder.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("proxyd.db", "not a URL"),
        ("mysql://db/proxyd", "only sqlite"),
        ("sqlite://", "names no file"),
    ],
)
def test_a_url_that_cannot_work_says_why(url: str, says: str):
    with pytest.raises(UnsupportedStoreError, match=says):
        Database(url)
