import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from peers.needed import ROOT, environment
from peers.postgresql import PostgreSQLServer, database_name
from samples.chunks import SESSION
from sqlalchemy import column, func, insert, select, table, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import SchemaItem

import storage.access_tables
import storage.account_tables
import storage.group_tables
import storage.retention_tables  # noqa: F401 - each declares tables
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.migrations import NEWEST
from storage.reader import Reader
from storage.search import Search
from storage.tables import BlobRow, ChunkRow, LineRow, SessionRow, Table
from storage.upgrade import newest_revision, upgrade
from storage.writer import is_complete

MIGRATE = """
import sys
from storage.database import Database
import storage.upgrade
database = Database(sys.argv[1])
print("ready", flush=True)
database.migrate()
"""


def declared_differences(session: Session) -> list[object]:
    """Return what the tables lack of what is declared, or have beyond it."""
    kind_of_database = session.get_bind().dialect.name

    def is_declared(thing: SchemaItem, name: str, kind: str, *_rest: object) -> bool:
        if kind == "table" and name.startswith("lines_text"):
            return False
        return thing.info.get("only", kind_of_database) == kind_of_database

    context = MigrationContext.configure(
        session.connection(), opts={"include_object": is_declared}
    )
    return list(compare_metadata(context, Table.metadata))


def test_the_migrations_make_the_declared_tables(database: Database):
    with database.read() as session:
        assert declared_differences(session) == []


def test_this_version_works_with_the_newest_revision():
    assert newest_revision() == NEWEST


def test_a_database_of_a_newer_version_is_left_alone(database: Database):
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailableError, match="made by another version"):
        database.migrate()


@pytest.fixture
def first_url(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[str]:
    """A database of the first release, with a session in it."""
    if kind == "sqlite":
        yield make_first(f"sqlite:///{tmp_path}/first.db")
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    url = make_first(server.empty_database())
    yield url
    server.drop(url)


def make_first(url: str) -> str:
    database = Database(url)
    database._kind.migrate(partial(upgrade, revision="0001"))
    database.write(fill)
    database.close()
    return url


def fill(session: Session) -> None:
    """Write what the first release wrote: a session of one chunk, searchable."""
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    columns = {
        "id": SESSION,
        "protocol": "ssh",
        "state": "finished",
        "user": "ana",
        "secret": "web",
        "target": "h:22",
        "site": "default",
        "engine": "e",
        "client_address": "192.0.2.1",
        "started_at": now,
        "ended_at": now,
        "end_reason": "client_left",
        "last_sequence": 0,
        "chunks": 1,
        "input_bytes": 2,
        "output_bytes": 3,
        "chain_broken": False,
    }
    # By the names of then: the class knows columns that came later.
    first = table(
        "sessions", *(column(name, SessionRow.__table__.c[name].type) for name in columns)
    )
    session.execute(insert(first).values(columns))
    session.execute(
        insert(ChunkRow).values(
            session_id=SESSION,
            sequence=0,
            digest=b"d" * 32,
            previous_digest=b"p" * 32,
            sealed="end",
            first_ms=0,
            last_ms=1,
            first_at=now,
            size_bytes=5,
            blob="old/0",
            indexed=1,
            stored_at=now,
        )
    )
    session.execute(insert(BlobRow).values(key="old/0", data=b"bytes"))
    line = {"at_ms": 1, "kind": "output", "channel": 0, "text": "an Old line"}
    session.execute(insert(LineRow).values(session_id=SESSION, sequence=0, **line))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_the_first_release_stored_is_kept_found_and_complete(first_url: str):
    database = Database(first_url)
    database.migrate()
    [stored] = Reader(database, DatabaseBlobs()).chunks(SESSION)
    assert (stored.digest, stored.encoded) == (b"d" * 32, b"bytes")
    assert [hit.text for hit in Search(database).search("old LINE")] == ["an Old line"]
    with database.read() as session:
        row = session.get_one(SessionRow, SESSION)
        assert is_complete(row)
        assert (row.hold_reason, row.deleted_at) == (None, None)
        assert declared_differences(session) == []
    database.close()


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.08])
def test_a_migration_killed_anywhere_goes_on_where_it_was(
    first_url: str, postgresql_server: PostgreSQLServer, after_s: float
):
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, first_url],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    process.kill()
    process.communicate(timeout=10)
    database = Database(first_url)
    database.migrate()
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert postgresql_server.sql(invalid, database_name(first_url)) == []
    with database.read() as session:
        assert declared_differences(session) == []
    database.close()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_an_index_whose_building_was_cut_short_is_built_again(
    first_url: str, postgresql_server: PostgreSQLServer
):
    name = database_name(first_url)
    postgresql_server.sql(
        'CREATE INDEX ix_sessions_user ON sessions ("user", started_at)', name
    )
    postgresql_server.sql(
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'ix_sessions_user'::regclass",
        name,
    )
    database = Database(first_url)
    database.migrate()
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_sessions_user'::regclass"
    assert postgresql_server.sql(valid, name) == [(True,)]
    database.close()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_chunks_are_stored_while_the_schema_changes(first_url: str):
    """The worker that runs on is the older one; here its statements stand for it."""
    stored: list[str] = []
    failed: list[BaseException] = []
    migrated = threading.Event()

    def store() -> None:
        database = Database(first_url)
        while not migrated.is_set() or len(stored) < 20:
            row = {"key": f"new/{len(stored)}", "data": b"x"}
            try:
                database.write(lambda session, row=row: session.execute(insert(BlobRow), row))
                stored.append(row["key"])
            except StorageUnavailableError as error:
                failed.append(error)
        database.close()

    storing = threading.Thread(target=store)
    storing.start()
    database = Database(first_url)
    database.migrate()
    migrated.set()
    storing.join(30)
    assert failed == []
    with database.read() as session:
        kept = session.scalar(select(func.count()).where(BlobRow.key.startswith("new/")))
        assert kept == len(stored)
    database.close()
