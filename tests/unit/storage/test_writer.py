import itertools
import os

import msgspec
import pytest
from samples.chunks import INFO, SESSION, STARTED, chunk, three_chunks
from sqlalchemy import select, text

from recorder.chunk import Chunk
from recorder.clock import ManualClock
from recorder.events import EndReason, TargetData
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import ChunkConflictError, DamagedChunkError, StorageUnavailableError
from storage.reader import Reader
from storage.tables import QuarantinedRow, SessionRow
from storage.writer import UNKNOWN, Writer, is_complete


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database, DatabaseBlobs(), ManualClock())


def session_row(database: Database) -> SessionRow:
    with database.read() as session:
        return session.get_one(SessionRow, SESSION)


def quarantined(database: Database) -> list[QuarantinedRow]:
    with database.read() as session:
        return list(session.scalars(select(QuarantinedRow)))


def stored(database: Database) -> list[bytes]:
    return [each.encoded for each in Reader(database, DatabaseBlobs()).chunks(SESSION)]


def test_a_stored_chunk_can_be_read_back_byte_for_byte(writer: Writer, database: Database):
    chunks = three_chunks()
    for each in chunks:
        receipt = writer.store(each)
        assert (receipt.sequence, receipt.digest) == (each.header.sequence, each.digest)
    assert stored(database) == [each.encoded for each in chunks]


def test_storing_twice_counts_once(writer: Writer, database: Database):
    first, second, _ = three_chunks()
    for each in (first, second, second, first):
        writer.store(each)
    row = session_row(database)
    assert (row.chunks, row.input_bytes, row.output_bytes) == (2, 3, 2)


def test_other_bytes_under_the_same_number_go_to_quarantine(writer: Writer, database: Database):
    first, second, _ = three_chunks()
    forged = chunk([TargetData(at_ms=1000, channel=0, data=b"nothing")], first)
    writer.store(first)
    writer.store(second)
    with pytest.raises(ChunkConflictError, match="find out who sent it"):
        writer.store(forged)
    assert stored(database) == [first.encoded, second.encoded]
    assert [row.data for row in quarantined(database)] == [forged.encoded]


def test_a_damaged_chunk_goes_to_quarantine(writer: Writer, database: Database):
    first, *_ = three_chunks()
    damaged = Chunk(
        header=first.header,
        encoded=first.encoded[:-5] + b"?????",
        payload_offset=first.payload_offset,
    )
    with pytest.raises(DamagedChunkError):
        writer.store(damaged)
    assert [row.data for row in quarantined(database)] == [damaged.encoded]
    assert stored(database) == []


def test_a_header_that_is_not_in_the_bytes_is_refused(writer: Writer):
    first, *_ = three_chunks()
    lying = msgspec.structs.replace(
        first, header=msgspec.structs.replace(first.header, input_bytes=10**9)
    )
    with pytest.raises(DamagedChunkError, match="not the one in the bytes"):
        writer.store(lying)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_session_is_complete_in_whatever_order_its_chunks_arrive(
    order: tuple[int, ...], writer: Writer, database: Database
):
    chunks = three_chunks()
    for place in order[:2]:
        writer.store(chunks[place])
    assert not is_complete(session_row(database))
    writer.store(chunks[order[2]])
    row = session_row(database)
    assert is_complete(row)
    assert (row.state, row.end_reason, row.last_sequence) == ("finished", "client_left", 2)
    assert (row.user, row.target, row.started_at) == ("ana", "10.0.0.5:22", STARTED)
    assert row.ended_at is not None
    assert (row.ended_at - row.started_at).total_seconds() == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_chunk_that_does_not_follow_breaks_the_chain(
    order: tuple[int, ...], writer: Writer, database: Database
):
    first, _, third = three_chunks()
    stranger = chunk([TargetData(at_ms=1500, channel=0, data=b"other")], first)
    chunks = [first, stranger, third]
    for place in order:
        writer.store(chunks[place])
    row = session_row(database)
    assert row.chain_broken
    assert not is_complete(row)


def test_a_chunk_behind_the_end_breaks_the_chain(writer: Writer, database: Database):
    chunks = three_chunks()
    late = chunk([TargetData(at_ms=4000, channel=0, data=b"more")], chunks[-1])
    for each in (*chunks, late):
        writer.store(each)
    assert not is_complete(session_row(database))


@pytest.mark.parametrize("reason", [EndReason.ENGINE_CRASHED, EndReason.RECORDING_LOST])
def test_a_session_that_was_cut_short_says_so(
    reason: EndReason, writer: Writer, database: Database
):
    for each in three_chunks(reason):
        writer.store(each)
    row = session_row(database)
    assert (row.state, is_complete(row)) == ("interrupted", True)


def test_a_full_disk_is_named_and_nothing_is_half_stored(sqlite_database: Database):
    database, writer = sqlite_database, Writer(sqlite_database, DatabaseBlobs(), ManualClock())
    with database.transaction() as session:
        pages = session.scalar(text("PRAGMA page_count")) or 0
        session.execute(text(f"PRAGMA max_page_count={pages + 2}"))
    first, *_ = three_chunks()
    big = chunk([TargetData(at_ms=1, channel=0, data=os.urandom(100_000))], first)
    with pytest.raises(StorageUnavailableError, match="is full; check that its disk has room"):
        writer.store(big)
    with database.transaction() as session:
        assert session.get(SessionRow, SESSION) is None
        session.execute(text("PRAGMA max_page_count=100000"))
    writer.store(big)
    assert stored(database) == [big.encoded]


def test_an_unknown_session_is_kept_without_names(writer: Writer, database: Database):
    _, second, _ = three_chunks()
    writer.store(second)
    row = session_row(database)
    assert (row.user, row.state) == (UNKNOWN, "live")
    assert row.started_at == INFO.started_at
