import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.schema import SchemaItem

from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.migrations import NEWEST
from storage.tables import Table
from storage.upgrade import newest_revision


def test_the_migrations_make_the_declared_tables(database: Database):
    with database.read() as session:
        kind_of_database = session.get_bind().dialect.name

        def is_declared(thing: SchemaItem, name: str, kind: str, *_rest: object) -> bool:
            if kind == "table" and name.startswith("lines_text"):
                return False
            return thing.info.get("only", kind_of_database) == kind_of_database

        context = MigrationContext.configure(
            session.connection(), opts={"include_object": is_declared}
        )
        assert compare_metadata(context, Table.metadata) == []


def test_this_version_works_with_the_newest_revision():
    assert newest_revision() == NEWEST


def test_a_database_of_a_newer_version_is_left_alone(database: Database):
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailableError, match="made by another version"):
        database.migrate()
