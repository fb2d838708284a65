from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, STARTED, Signers, chunk, three_chunks

from recorder.clock import ManualClock
from recorder.events import EndReason, SessionEnded
from recorder.merkle import EMPTY_ROOT, root_by_path
from recorder.tree_head import session_leaf
from storage import session_log
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.tables import ChunkRow, LogRow, SessionRow
from storage.writer import Writer


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())


def ended(number: int):
    """The only chunk of a session."""
    end = SessionEnded(at_ms=0, reason=EndReason.IDLE)
    return chunk([end], session_id=UUID(int=number))


def test_a_session_is_in_the_log_as_soon_as_its_end_is_stored(writer, database):
    chunks = three_chunks()
    for each in (chunks[2], chunks[0]):
        writer.store(each)
    with database.read() as session:
        found = session_log.entry(session, SESSION)
        assert found is not None
        assert (found.position, found.last_digest) == (0, chunks[2].digest)


def test_a_session_that_goes_on_is_not_in_it(writer, database):
    writer.store(three_chunks()[0])
    with database.read() as session:
        assert session_log.entry(session, SESSION) is None
        assert session_log.roots(session, {0, 1}) == {0: EMPTY_ROOT}


def test_appending_twice_is_once(database):
    for _ in range(2):
        with database.transaction() as session:
            session_log.append(session, SESSION, bytes(32), STARTED)
    with database.read() as session:
        assert len(session_log.leaves(session)) == 1


def test_each_session_can_be_proven(writer, database):
    chunks = [ended(number) for number in range(1, 6)]
    for each in chunks:
        writer.store(each)
    with database.read() as session:
        for position, each in enumerate(chunks):
            path, root, size = session_log.path_of(session, position)
            leaf = session_leaf(each.header.session_id, each.digest)
            assert root_by_path(leaf, position, size, path) == root
        assert session_log.roots(session, {5, 9}) == {5: root}


def test_what_vanished_is_told_by_the_log(writer, database):
    for number in (1, 2, 3):
        writer.store(ended(number))
    with database.transaction() as session:
        session.delete(session.get_one(ChunkRow, (UUID(int=1), 0)))
        session.delete(session.get_one(ChunkRow, (UUID(int=2), 0)))
        session.flush()
        session.delete(session.get_one(SessionRow, UUID(int=2)))
    with database.read() as session:
        gone = [row.session_id for row in session_log.unfounded(session)]
    assert gone == [UUID(int=1), UUID(int=2)]


def test_what_was_taken_out_of_the_log_is_told_by_the_session(writer, database):
    writer.store(ended(1))
    with database.transaction() as session:
        session.delete(session.get_one(LogRow, 0))
    with database.read() as session:
        assert [row.id for row in session_log.unlogged(session)] == [UUID(int=1)]
