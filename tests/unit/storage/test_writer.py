import itertools
import os
from pathlib import Path

import msgspec
import pytest
from samples.chunks import (
    DATA_KEY,
    INFO,
    KEYS,
    SESSION,
    SIGNER,
    STARTED,
    Keys,
    Signers,
    chunk,
    three_chunks,
)
from sqlalchemy import select, text

from recorder.chunk import Chunk, decode, encode_as_written, frame
from recorder.clock import ManualClock
from recorder.errors import RecordingKeyError
from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    encode_burst,
)
from recorder.signing import SignerKey, SigningKey
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import (
    ChunkConflictError,
    DamagedChunkError,
    StorageUnavailableError,
    UntrustedChunkError,
)
from storage.reader import Reader
from storage.tables import ChunkRow, QuarantinedRow, SessionRow
from storage.writer import UNKNOWN, Writer, is_complete

STRANGER = SigningKey("engine-9", bytes(32))


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())


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
        pieces=(first.encoded[:-5], b"?????"),
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
    database = sqlite_database
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
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


OLD = [
    decode(file.read_bytes())
    for file in sorted((Path(__file__).parents[2] / "data/chunks").glob("format1-*.chunk"))
]


def test_an_unsigned_chunk_is_refused(writer: Writer, database: Database):
    with pytest.raises(UntrustedChunkError, match="not signed"):
        writer.store(OLD[0])
    assert [row.data for row in quarantined(database)] == [OLD[0].encoded]


def test_what_an_engine_of_before_sealed_is_stored(writer: Writer, database: Database):
    folder = Path(__file__).parents[2] / "data/chunks"
    for file in sorted(folder.glob("format2-*.chunk")):
        writer.store(decode(file.read_bytes()))
    assert is_complete(session_row(database))


def test_a_session_that_is_older_than_signatures_may_end(writer: Writer, database: Database):
    writer.store(three_chunks()[0])
    with database.transaction() as session:
        session.delete(session.get_one(ChunkRow, (SESSION, 0)))
        row = session.get_one(SessionRow, SESSION)
        row.signed, row.chunks = False, 0
    for each in OLD:
        writer.store(each)
    assert is_complete(session_row(database))


def test_a_chunk_of_an_unknown_engine_is_refused(writer: Writer, database: Database):
    stranger = chunk([TargetData(at_ms=0, channel=0, data=b"x")], signer=STRANGER)
    with pytest.raises(UntrustedChunkError, match="not known here"):
        writer.store(stranger)
    assert len(quarantined(database)) == 1


def test_a_chunk_after_a_revocation_is_refused(database: Database):
    clock = ManualClock()
    revoked = SignerKey(engine_id="engine-1", public=SIGNER.public, valid_until=clock.now())
    writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers(revoked))
    first, second, _ = three_chunks()
    writer.store(first)
    clock.advance(1)
    with pytest.raises(UntrustedChunkError, match="was taken back"):
        writer.store(second)


def test_a_missing_recording_key_is_no_fault_of_the_chunk(database: Database):
    class Lost(Keys):
        def unwrap(self, session_id, wrapped):
            raise RecordingKeyError("the recording key is not here")

    writer = Writer(database, DatabaseBlobs(), ManualClock(), Lost(), Signers())
    with pytest.raises(StorageUnavailableError, match="key is not here"):
        writer.store(three_chunks()[0])
    assert quarantined(database) == []


def sealed_by_recovery(events: list[KnownEvent], **header: object) -> Chunk:
    """What the next life of an engine makes of a segment that it cannot read."""
    frames = b"".join(
        frame(b"".join(DATA_KEY.encrypt_frame(0, place, encode_burst([event]))))
        for place, event in enumerate(events)
    )
    given = chunk(events).header
    unread = msgspec.structs.replace(
        given,
        events=None,
        input_bytes=None,
        output_bytes=None,
        first_ms=0,
        last_ms=0,
        first_at=STARTED,
        frames_bytes=len(frames),
        codec="frames",
        end_reason=EndReason.ENGINE_CRASHED,
        **header,
    )
    return encode_as_written(unread, [frames], SIGNER)


BEGAN = [SessionStarted(at_ms=0, info=INFO), ClientData(at_ms=900, channel=0, data=b"ls\r")]


def test_what_a_dead_engine_could_not_count_is_counted_here(writer: Writer, database: Database):
    writer.store(sealed_by_recovery(BEGAN))
    row = session_row(database)
    assert (row.user, row.input_bytes, row.state) == ("ana", 3, "interrupted")
    assert row.ended_at is not None
    assert (row.ended_at - STARTED).total_seconds() == 0.9
    with database.read() as session:
        stored = session.get_one(ChunkRow, (SESSION, 0))
        assert (stored.first_ms, stored.last_ms) == (0, 900)


def test_a_session_that_had_just_ended_when_its_engine_died_was_not_cut_off(
    writer: Writer, database: Database
):
    writer.store(
        sealed_by_recovery([*BEGAN, SessionEnded(at_ms=950, reason=EndReason.CLIENT_LEFT)])
    )
    row = session_row(database)
    assert (row.state, row.end_reason) == ("finished", "client_left")
