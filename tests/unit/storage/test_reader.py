from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk, three_chunks
from sqlalchemy import delete

from recorder.clock import ManualClock
from recorder.events import TargetData
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.reader import Keyframe, Reader
from storage.tables import BlobRow, KeyframeRow, OutlineRow
from storage.writer import Writer


@pytest.fixture
def reader(database: Database) -> Reader:
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    for each in three_chunks():
        writer.store(each)
    later = [TargetData(at_ms=60_000, channel=0, data=b"x")]
    writer.store(chunk(later, sequence=1, session_id=UUID(int=8)))
    return Reader(database, DatabaseBlobs())


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


def test_a_recording_is_outlined_without_being_read(reader: Reader, database: Database):
    with database.transaction() as session:
        session.add(KeyframeRow(session_id=SESSION, sequence=2, state=b"2"))
        session.add(OutlineRow(session_id=SESSION, sequence=1, outline=b"one"))
        session.execute(delete(BlobRow))
    outlines = reader.outlines(SESSION)
    assert [(one.sequence, one.has_keyframe, one.outline) for one in outlines] == [
        (0, False, None),
        (1, False, b"one"),
        (2, True, None),
    ]
    assert [one.first_ms for one in outlines] == sorted(one.first_ms for one in outlines)
