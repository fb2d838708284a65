import pytest
from samples.chunks import KEYS, Signers, chunk
from sqlalchemy import text

from control import sessions
from control.requests import ListSessions
from recorder.clock import ManualClock
from recorder.events import EndReason, SessionEnded
from storage.blobs import DatabaseBlobs
from storage.tables import SessionRow
from storage.writer import Writer

from .conftest import presented


@pytest.fixture
def listed(database):
    def listed(**wanted):
        with database.read() as session:
            return [one.id for one in sessions.list_all(session, ListSessions(**wanted))]

    return listed


def test_lists_are_filtered_and_newest_first(
    grants, issue, session_id, listed, database, clock
):
    clock.advance(60)
    later = grants.redeem(presented(issue())).session_id
    with database.transaction() as session:
        session.get(SessionRow, session_id).state = "finished"
    moment = clock.now()
    assert listed() == [later, session_id]
    assert listed(limit=1) == listed(live=True) == listed(since=moment) == [later]
    assert listed(until=moment) == [session_id]
    assert listed(user="ada", secret="web1") == [later, session_id]
    assert listed(user="bob") == listed(secret="web2") == []


@pytest.mark.parametrize(
    "wanted",
    [
        *({}, {"user": "ada"}, {"secret": "web"}, {"site": "oslo"}, {"live": True}),
        *({"protocol": "rdp", "state": "lost"}, {"user": "ada", "state": "finished"}),
    ],
)
def test_a_page_of_a_long_list_is_read_along_an_index(database, wanted):
    """However many there are: as many rows are read as are shown, or as are passed over."""
    query = sessions.narrowed(ListSessions(**wanted)).limit(51)
    with database.read() as session:
        written = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in session.execute(text(f"EXPLAIN QUERY PLAN {written}"))]
    assert "USING INDEX ix_sessions_" in plan[0]
    # What began in the same moment is sorted; all of it never is.
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_complete_means_every_chunk_and_a_whole_chain(session_id, database):
    def complete(**columns):
        with database.read() as session:
            row = session.get(SessionRow, session_id)
        for name, value in columns.items():
            setattr(row, name, value)
        return sessions.summary(row).complete

    assert not complete()
    assert not complete(last_sequence=2, chunks=2)
    assert complete(last_sequence=2, chunks=3)
    assert not complete(last_sequence=2, chunks=3, chain_broken=True)


def test_a_recording_that_does_not_say_whose_it_is_is_listed_too(database):
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    writer.store(chunk([SessionEnded(at_ms=1, reason=EndReason.ENGINE_CRASHED)], sequence=1))
    with database.read() as session:
        [row] = sessions.list_all(session, ListSessions())
    assert (row.protocol, row.user, row.complete) == ("?", "?", False)


def test_a_failed_session_with_chunks_is_left_to_the_store(session_id, database, clock):
    with database.transaction() as session:
        session.get(SessionRow, session_id).chunks = 1
    with database.transaction() as session:
        sessions.fail(session, session_id, EndReason.RECORDING_LOST, clock.now())
        assert sessions.find_live(session, session_id).ended_at is None
