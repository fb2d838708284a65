"""A migrated database, of either kind, that is this test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.databases import new_sqlite

from storage.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/proxyd.db"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def database(request: pytest.FixtureRequest, database_url: str) -> Iterator[Database]:
    path = database_url.removeprefix("sqlite:///")
    database = Database(database_url) if path == database_url else new_sqlite(Path(path))
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    database = new_sqlite(tmp_path / "only.db")
    yield database
    database.close()


@pytest.fixture
def postgresql_database(postgresql: str) -> Iterator[Database]:
    database = Database(postgresql)
    yield database
    database.close()
