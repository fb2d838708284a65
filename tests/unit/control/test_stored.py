import pytest
from samples.chunks import KEYS, SESSION, Signers, three_chunks
from sqlalchemy import delete, update

from control.requests import SearchHit
from control.stored import IndexSearch, StoredChunks
from recorder.chunk import decode
from recorder.clock import ManualClock
from storage.blobs import DatabaseBlobs
from storage.reader import Reader
from storage.search import Search
from storage.tables import ChunkRow, KeyframeRow, LineRow
from storage.writer import Writer


@pytest.fixture
def stored(database):
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    for chunk in three_chunks():
        writer.store(chunk)
    return database


def test_chunks_come_as_they_were_stored(stored):
    chunks = list(StoredChunks(Reader(stored, DatabaseBlobs()), KEYS).chunks(SESSION, 1))
    assert [chunk.sequence for chunk in chunks] == [1, 2]
    assert all(decode(chunk.encoded).digest == chunk.digest for chunk in chunks)


def test_behind_a_lost_chunk_the_first_that_has_it_brings_what_was_shown(stored):
    with stored.transaction() as session:
        session.execute(delete(ChunkRow).where(ChunkRow.sequence == 0))
        session.add(KeyframeRow(session_id=SESSION, sequence=1, state=b"at one"))
        session.add(KeyframeRow(session_id=SESSION, sequence=2, state=b"at two"))
    reading = StoredChunks(Reader(stored, DatabaseBlobs()), KEYS)
    assert [chunk.state for chunk in reading.chunks(SESSION, 0)] == [b"at one", b""]
    assert [chunk.state for chunk in reading.chunks(SESSION, 1)] == [b"", b""]
    with stored.transaction() as session:
        session.execute(delete(KeyframeRow).where(KeyframeRow.sequence == 1))
    assert [chunk.state for chunk in reading.chunks(SESSION, 0)] == [b"", b"at two"]


def test_a_damaged_chunk_is_a_lost_one(stored):
    with stored.transaction() as session:
        session.execute(update(ChunkRow).where(ChunkRow.sequence == 1).values(digest=bytes(32)))
        session.add(KeyframeRow(session_id=SESSION, sequence=2, state=b"at two"))
    reading = StoredChunks(Reader(stored, DatabaseBlobs()), KEYS)
    assert [chunk.state for chunk in reading.chunks(SESSION, 0)] == [b"", b"", b"at two"]


def test_a_hit_tells_where_it_is(stored):
    line = LineRow(
        session_id=SESSION, sequence=0, at_ms=5, kind="command", channel=0, text="rm -rf /srv"
    )
    with stored.transaction() as session:
        session.add(line)
    search = IndexSearch(Search(stored))
    assert search.search("rm -rf", ("command",), 10) == [
        SearchHit(session=SESSION, at_ms=5, kind="command", text="rm -rf /srv", channel=0)
    ]
    assert search.search("rm -rf", ("output",), 10) == []


def test_what_was_stored_a_moment_ago_is_waited_for(stored):
    waiting = [2, 1, 0]
    search = IndexSearch(Search(stored), lambda: waiting.pop(0))
    assert search.search("nothing", (), 10) == []
    assert waiting == []
