import datetime as dt
from uuid import UUID

import pytest
from samples.chunks import SESSION, STARTED, chunk, three_chunks
from sqlalchemy import delete

from recorder.clock import ManualClock
from recorder.events import TargetData
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.reader import Keyframe, Reader, SessionFilter
from storage.tables import BlobRow, KeyframeRow, SessionRow
from storage.writer import Writer


@pytest.fixture
def reader(database: Database) -> Reader:
    writer = Writer(database, DatabaseBlobs(), ManualClock())
    for each in three_chunks():
        writer.store(each)
    for number in (8, 9):
        later = [TargetData(at_ms=number * 60_000, channel=0, data=b"x")]
        writer.store(chunk(later, sequence=1, session_id=UUID(int=number)))
        with database.transaction() as session:
            row = session.get_one(SessionRow, UUID(int=number))
            row.started_at = STARTED + dt.timedelta(minutes=number)
    return Reader(database, DatabaseBlobs())


def listed(reader: Reader, wanted: SessionFilter) -> list[int]:
    return [row.id.int for row in reader.sessions(wanted)]


def test_sessions_are_listed_newest_first(reader: Reader):
    assert listed(reader, SessionFilter()) == [9, 8, 7]
    assert listed(reader, SessionFilter(limit=1)) == [9]


def test_sessions_are_filtered(reader: Reader):
    eighth = STARTED + dt.timedelta(minutes=8)
    assert listed(reader, SessionFilter(live=True)) == [9, 8]
    assert listed(reader, SessionFilter(user="ana")) == [7]
    assert listed(reader, SessionFilter(secret="db")) == []
    assert listed(reader, SessionFilter(since=eighth)) == [9, 8]
    assert listed(reader, SessionFilter(until=eighth)) == [7]


def test_a_session_is_found_by_its_id(reader: Reader):
    row = reader.session(SESSION)
    assert row is not None
    assert row.user == "ana"
    assert reader.session(UUID(int=1)) is None


def test_chunks_start_where_asked_and_show_what_is_missing(reader: Reader):
    assert [each.sequence for each in reader.chunks(SESSION, 1)] == [1, 2]
    assert [each.sequence for each in reader.chunks(UUID(int=8))] == [1]


def test_a_lost_blob_reads_as_empty(reader: Reader, database: Database):
    with database.transaction() as session:
        session.execute(delete(BlobRow))
    assert [each.encoded for each in reader.chunks(SESSION)] == [b"", b"", b""]


def test_the_nearest_keyframe_before_is_found(reader: Reader, database: Database):
    with database.transaction() as session:
        for number in (0, 2):
            session.add(KeyframeRow(session_id=SESSION, sequence=number, state=b"%d" % number))
    assert reader.keyframe(SESSION, 1) == Keyframe(sequence=0, state=b"0")
    assert reader.keyframe(SESSION, 9) == Keyframe(sequence=2, state=b"2")
    assert reader.keyframe(UUID(int=8), 5) is None
