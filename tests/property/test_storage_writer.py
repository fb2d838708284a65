"""However chunks arrive, a session ends up stored once, whole and in order."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.chunks import KEYS, SESSION, Signers, chunk
from samples.databases import new_sqlite

from recorder.clock import ManualClock
from recorder.events import EndReason, SessionEnded, TargetData
from storage.blobs import DatabaseBlobs
from storage.errors import ChunkConflictError
from storage.reader import Reader
from storage.tables import SessionRow
from storage.writer import Writer, is_complete

bodies = st.lists(st.binary(max_size=20), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(bodies, st.data())
def test_any_order_with_any_repeats_gives_the_same_session(bodies, data):
    chunks = []
    for number, body in enumerate(bodies):
        events = [TargetData(at_ms=number, channel=0, data=body)]
        if number == len(bodies) - 1:
            events.append(SessionEnded(at_ms=number, reason=EndReason.TARGET_LEFT))
        chunks.append(chunk(events, chunks[-1] if chunks else None))
    repeats = data.draw(st.lists(st.sampled_from(chunks), max_size=4))
    arrivals = data.draw(st.permutations(chunks + repeats))
    with tempfile.TemporaryDirectory() as folder:
        database = new_sqlite(Path(folder) / "proxyd.db")
        writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
        for each in arrivals:
            assert writer.store(each).digest == each.digest
        reader = Reader(database, DatabaseBlobs())
        with database.read() as session:
            row = session.get(SessionRow, SESSION)
            assert row is not None
            assert is_complete(row)
            assert row.output_bytes == sum(len(body) for body in bodies)
        assert [each.encoded for each in reader.chunks(SESSION)] == [
            each.encoded for each in chunks
        ]
        database.close()


@settings(max_examples=10, deadline=None)
@given(bodies, st.data())
def test_a_forged_chunk_never_replaces_a_stored_one(bodies, data):
    with tempfile.TemporaryDirectory() as folder:
        database = new_sqlite(Path(folder) / "proxyd.db")
        writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
        chunks = []
        for body in bodies:
            events = [TargetData(at_ms=1, channel=0, data=body)]
            chunks.append(chunk(events, chunks[-1] if chunks else None))
            writer.store(chunks[-1])
        victim = data.draw(st.sampled_from(chunks)).header.sequence
        forged = chunk([TargetData(at_ms=1, channel=0, data=b"forged" * 10)], sequence=victim)
        refused = False
        try:
            writer.store(forged)
        except ChunkConflictError:
            refused = True
        stored = [each.encoded for each in Reader(database, DatabaseBlobs()).chunks(SESSION)]
        assert refused
        assert stored == [each.encoded for each in chunks]
        database.close()
