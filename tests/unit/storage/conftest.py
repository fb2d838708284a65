"""A migrated database in a fresh folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/proxyd.db")
    database.migrate()
    yield database
    database.close()
