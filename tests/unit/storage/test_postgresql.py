import threading
import time
from collections.abc import Iterator

import pytest
from peers.needed import free_port
from peers.postgresql import PostgreSQLServer, database_name
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config.model import DatabaseSettings
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.migrations import NEWEST
from storage.tables import BlobRow
from storage.upgrade import upgrade

pytestmark = pytest.mark.peers


@pytest.fixture
def impatient(postgresql: str) -> Iterator[Database]:
    settings = DatabaseSettings(
        connections=2, connect_timeout_s=2, statement_timeout_s=0.3, lock_timeout_s=0.1
    )
    database = Database(postgresql, settings)
    yield database
    database.close()


def add(database: Database, key: str, data: bytes = b"0") -> None:
    database.write(lambda session: session.add(BlobRow(key=key, data=data)))


def value(database: Database, key: str) -> bytes:
    with database.read() as session:
        return session.get_one(BlobRow, key).data


def test_a_commit_survives_a_power_cut(postgresql_database: Database):
    with postgresql_database.read() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "on"


def test_a_reader_cannot_write_and_sees_one_state(postgresql_database: Database):
    add(postgresql_database, "a")
    with postgresql_database.read() as session:
        assert session.get_one(BlobRow, "a").data == b"0"
        add(postgresql_database, "b")
        assert session.get(BlobRow, "b") is None
        with pytest.raises(Exception, match="read-only transaction"):
            session.execute(text("DELETE FROM blobs"))


def test_no_connection_keeps_what_a_reader_set(postgresql_database: Database):
    for _ in range(12):
        with postgresql_database.read() as session:
            session.execute(text("SELECT 1"))
    add(postgresql_database, "a")


def test_acts_of_several_nodes_wait_for_each_other(postgresql: str):
    add(Database(postgresql), "counter")

    def count() -> None:
        database = Database(postgresql)
        for _ in range(10):
            with database.transaction() as session:
                row = session.get_one(BlobRow, "counter")
                row.data = b"%d" % (int(row.data) + 1)
        database.close()

    nodes = [threading.Thread(target=count) for _ in range(4)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert value(Database(postgresql), "counter") == b"40"


def test_a_deadlock_is_tried_again(postgresql_database: Database):
    database = postgresql_database
    for key in "ab":
        add(database, key)
    meeting = threading.Barrier(2)
    tries: list[str] = []

    def lock_both(first: str, second: str) -> None:
        def work(session: Session) -> None:
            tries.append(first)
            session.get_one(BlobRow, first, with_for_update=True)
            if len(tries) <= 2:
                meeting.wait(5)
            row = session.get_one(BlobRow, second, with_for_update=True)
            row.data += first.encode()

        database.write(work)

    threads = [threading.Thread(target=lock_both, args=order) for order in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 3
    assert (value(database, "a"), value(database, "b")) == (b"0b", b"0a")


def test_a_connection_lost_on_the_way_is_replaced(postgresql_database: Database):
    add(postgresql_database, "a")
    tries = 0

    def work(session: Session) -> None:
        nonlocal tries
        tries += 1
        session.get_one(BlobRow, "a").data += b"1"
        session.flush()
        if tries == 1:
            own = session.scalar(text("SELECT pg_backend_pid()"))
            postgresql_database.write(
                lambda other: other.execute(text(f"SELECT pg_terminate_backend({own})"))
            )

    postgresql_database.write(work)
    assert (tries, value(postgresql_database, "a")) == (2, b"01")


def test_a_broken_constraint_is_a_bug_and_shows(postgresql_database: Database):
    add(postgresql_database, "a")
    with pytest.raises(IntegrityError) as caught:
        add(postgresql_database, "a", b"canary")
    assert "canary" not in str(caught.value)


def test_a_lock_is_not_waited_for_forever(impatient: Database):
    add(impatient, "a")
    with impatient.transaction() as holder:
        holder.get_one(BlobRow, "a", with_for_update=True)
        with pytest.raises(StorageUnavailableError, match=r"raise `lock_timeout_s`"):
            impatient.write(lambda session: session.get_one(BlobRow, "a", with_for_update=True))


def test_no_statement_takes_forever(impatient: Database):
    with pytest.raises(StorageUnavailableError, match=r"raise `statement_timeout_s`"):
        impatient.write(lambda session: session.execute(text("SELECT pg_sleep(5)")))


def test_no_more_connections_are_made_than_allowed(impatient: Database):
    with impatient.read() as one, impatient.read() as two:
        one.execute(text("SELECT 1"))
        two.execute(text("SELECT 1"))
        with (
            pytest.raises(StorageUnavailableError, match="cannot be used: QueuePool limit"),
            impatient.read() as three,
        ):
            three.execute(text("SELECT 1"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"database": "nowhere"}, r"\"nowhere\" does not exist; create it"),
        ({"port": free_port()}, "check that it runs, and that this machine reaches it"),
        ({"user": "stranger"}, "does not exist; create it"),
    ],
)
def test_what_keeps_us_out_is_named(
    postgresql_server: PostgreSQLServer, wrong: dict[str, object], says: str
):
    url = postgresql_server.url(
        str(wrong.get("database", "postgres")), user=str(wrong.get("user", "proxyd"))
    )
    port = str(wrong.get("port", postgresql_server.port))
    database = Database(url.replace(str(postgresql_server.port), port))
    with pytest.raises(StorageUnavailableError, match=says):
        database.migrate()
    database.close()


def test_a_database_without_tables_says_what_makes_them(postgresql_server: PostgreSQLServer):
    database = Database(postgresql_server.empty_database())
    with (
        pytest.raises(StorageUnavailableError, match="run `proxyd init` first"),
        database.read() as session,
    ):
        session.get(BlobRow, "a")
    database.close()


def test_nodes_that_start_together_migrate_once(postgresql_server: PostgreSQLServer):
    url = postgresql_server.empty_database()
    failed: list[BaseException] = []

    def start() -> None:
        database = Database(url)
        try:
            database.migrate()
        except StorageUnavailableError as error:
            failed.append(error)
        database.close()

    nodes = [threading.Thread(target=start) for _ in range(3)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert failed == []
    assert postgresql_server.sql("SELECT * FROM alembic_version", database_name(url)) == [
        (NEWEST,)
    ]
    assert postgresql_server.sql("SELECT * FROM pg_locks WHERE locktype = 'advisory'") == []


def test_a_migration_waits_for_a_busy_table_without_holding_up_others(
    postgresql_server: PostgreSQLServer,
):
    url = postgresql_server.empty_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade(connection, "0001")
    engine.dispose()
    database = Database(url)
    with database.read() as long_reader:
        long_reader.scalar(text("SELECT count(*) FROM blobs"))
        migrating = threading.Thread(target=database.migrate)
        migrating.start()
        time.sleep(0.5)
        for number in range(4):
            before_s = time.monotonic()
            add(database, str(number))
            assert time.monotonic() - before_s < 5
    migrating.join(30)
    assert not migrating.is_alive()
    assert value(database, "3") == b"0"
    database.close()
