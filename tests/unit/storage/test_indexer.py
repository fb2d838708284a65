import contextlib
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog
from samples.broken_children import (
    dying_at_second,
    dying_of_screens,
    hanging_at_second,
    hanging_with_screens,
)
from samples.chunks import INFO, KEYS, SESSION, Signers, chunk
from samples.desktops import desktop_chunks
from sqlalchemy import select

from recorder.chunk import Chunk
from recorder.clock import ManualClock
from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    EndReason,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from recorder.replay.comprehend import screens
from recorder.replay.outline import decode_outline
from storage.blobs import DatabaseBlobs
from storage.child import Child
from storage.database import Database
from storage.errors import ChildUnavailableError
from storage.indexer import Indexer
from storage.reader import Reader
from storage.tables import ChunkRow, LineRow
from storage.writer import Writer


def shell_session() -> list[Chunk]:
    first = chunk(
        [
            SessionStarted(at_ms=0, info=INFO),
            ChannelOpened(at_ms=1, channel=0, kind="session"),
            TerminalRequested(at_ms=2, channel=0, terminal="xterm", columns=80, rows=24),
            ChannelRequested(at_ms=3, channel=0, request="shell"),
            TargetData(at_ms=10, channel=0, data=b"one\r\ntwo"),
        ]
    )
    second = chunk([TargetData(at_ms=20, channel=0, data=b"\r\nthree\r\n")], first)
    third = chunk([SessionEnded(at_ms=30, reason=EndReason.CLIENT_LEFT)], second)
    return [first, second, third]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def writer(database: Database, clock: ManualClock) -> Writer:
    return Writer(database, DatabaseBlobs(), clock, KEYS, Signers())


@contextlib.contextmanager
def indexing(database: Database, clock: ManualClock, child: Child) -> Iterator[Indexer]:
    indexer = Indexer(database, DatabaseBlobs(), clock, KEYS, child)
    try:
        yield indexer
    finally:
        child.stop()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """Serves one test after the other, as it does one session after the other."""
    shared = Child()
    yield shared
    shared.stop()


@pytest.fixture
def indexer(database: Database, clock: ManualClock, child: Child) -> Indexer:
    return Indexer(database, DatabaseBlobs(), clock, KEYS, child)


@pytest.fixture
def no_children(child: Child) -> Iterator[None]:
    """Lets no process start: its program is missing."""
    child.stop()
    spawning = multiprocessing.get_context("spawn")
    first = spawning.Process(target=int)
    first.start()  # With it starts what stays for every later one.
    first.join()
    spawning.set_executable("/nowhere/python")
    yield
    spawning.set_executable(sys.executable)


def texts(database: Database) -> list[tuple[int, str]]:
    with database.read() as session:
        rows = session.scalars(select(LineRow).order_by(LineRow.id))
        return [(row.at_ms, row.text) for row in rows if row.session_id == SESSION]


def outcomes(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(ChunkRow.indexed).order_by(ChunkRow.sequence)))


def index_all(indexer: Indexer) -> None:
    while indexer.index_next():
        pass


def test_chunks_become_lines_with_the_time_they_were_shown(
    writer: Writer, indexer: Indexer, database: Database
):
    for each in shell_session():
        writer.store(each)
    assert indexer.unindexed() == 3
    index_all(indexer)
    assert indexer.unindexed() == 0
    assert texts(database) == [(10, "one"), (10, "two"), (20, "three")]


def test_a_chunk_waits_for_the_one_before_it(
    writer: Writer, indexer: Indexer, database: Database
):
    first, second, third = shell_session()
    writer.store(third)
    writer.store(second)
    assert not indexer.index_next()
    writer.store(first)
    index_all(indexer)
    assert texts(database) == [(10, "one"), (10, "two"), (20, "three")]


def test_a_gap_is_not_waited_for_forever(
    writer: Writer, indexer: Indexer, database: Database, clock: ManualClock
):
    _, second, third = shell_session()
    writer.store(second)
    writer.store(third)
    clock.advance(601)
    index_all(indexer)
    assert outcomes(database) == [1, 1]


def test_indexing_again_replaces_the_lines(
    writer: Writer, indexer: Indexer, database: Database
):
    for each in shell_session():
        writer.store(each)
    index_all(indexer)
    before = texts(database)
    with database.transaction() as session:
        for row in session.scalars(select(ChunkRow)):
            row.indexed = 0
    index_all(indexer)
    assert texts(database) == before


def test_playback_finds_the_screen_as_a_chunk_opens(
    writer: Writer, indexer: Indexer, database: Database
):
    for each in shell_session():
        writer.store(each)
    index_all(indexer)
    keyframe = Reader(database, DatabaseBlobs()).keyframe(SESSION, 1)
    assert keyframe is not None
    (screen,) = screens(keyframe.state)
    assert (screen.channel, screen.columns, screen.rows) == (0, 80, 24)
    assert screen.dump.startswith("one ")
    first, *_ = Reader(database, DatabaseBlobs()).outlines(SESSION)
    outline = decode_outline(first.outline or b"")
    assert outline is not None
    assert outline.screens == [0]


@pytest.mark.parametrize("work", [dying_at_second, hanging_at_second])
def test_a_chunk_that_breaks_the_child_twice_is_left_behind(
    work, writer: Writer, database: Database, clock: ManualClock
):
    first, *_ = shell_session()
    poison = chunk([TargetData(at_ms=20, channel=0, data=b"three")], first)
    after = chunk([TargetData(at_ms=40, channel=0, data=b"four\r\n")], poison)
    for each in (first, poison, after):
        writer.store(each)
    with indexing(database, clock, Child(work, time_limit_s=0.5)) as indexer:
        index_all(indexer)
        assert indexer.unindexed() == 0
    assert outcomes(database) == [1, 2, 1]
    assert (40, "four") in texts(database)
    told = "(proxyd: a chunk could not be understood: lines of it are missing)"
    assert (20, told) in texts(database)


def test_a_session_whose_chunks_take_too_long_has_less_and_less_time(
    writer: Writer, database: Database, clock: ManualClock
):
    first, *_ = shell_session()
    chunks = [first]
    for number in range(5):
        slow = TargetData(at_ms=20 + number, channel=0, data=b"three")
        chunks.append(chunk([slow], chunks[-1]))
    after = chunk([TargetData(at_ms=40, channel=0, data=b"four\r\n")], chunks[-1])
    for each in (*chunks, after):
        writer.store(each)
    with indexing(database, clock, Child(hanging_with_screens, time_limit_s=3)) as indexer:
        assert indexer.index_next()
        took_s = []
        for _ in range(5):
            begun = time.monotonic()
            assert indexer.index_next()
            took_s.append(time.monotonic() - begun)
        assert indexer.index_next()
    assert outcomes(database) == [1, 2, 2, 2, 2, 2, 1]
    # Each takes its time once, half as long as the one before, and a child's start.
    assert took_s[0] > 3
    assert min(took_s[2:]) < 3
    assert (40, "four") in texts(database)


@pytest.mark.usefixtures("no_children")
def test_a_child_that_does_not_start_is_no_reason_to_give_a_chunk_up(
    writer: Writer, indexer: Indexer, database: Database
):
    writer.store(shell_session()[0])
    for _ in range(3):
        with pytest.raises(ChildUnavailableError):
            indexer.index_next()
    assert indexer.unindexed() == 1
    multiprocessing.get_context("spawn").set_executable(sys.executable)
    index_all(indexer)
    assert outcomes(database) == [1]


@pytest.mark.usefixtures("no_children")
def test_it_is_tried_again_until_a_child_starts_and_said_once(
    writer: Writer, database: Database, clock: ManualClock
):
    writer.store(shell_session()[0])
    indexer = Indexer(database, DatabaseBlobs(), clock, KEYS, retry_s=0.01)
    thread = threading.Thread(target=indexer.run)
    with structlog.testing.capture_logs() as logs:
        thread.start()
        time.sleep(0.1)
        multiprocessing.get_context("spawn").set_executable(sys.executable)
        deadline = time.monotonic() + 20
        while indexer.unindexed() and time.monotonic() < deadline:
            time.sleep(0.02)
        indexer.stop()
        thread.join()
    assert outcomes(database) == [1]
    assert [each["event"] for each in logs] == ["index.child_unavailable"]


def test_what_breaks_the_emulator_is_searchable_all_the_same(
    writer: Writer, database: Database, clock: ManualClock
):
    for each in shell_session():
        writer.store(each)
    with indexing(database, clock, Child(dying_of_screens)) as indexer:
        index_all(indexer)
    assert outcomes(database) == [1, 2, 1]
    assert (20, "three") in texts(database)


def test_a_chunk_whose_bytes_are_gone_is_left_behind(
    writer: Writer, indexer: Indexer, database: Database
):
    first, second, third = shell_session()
    for each in (first, second, third):
        writer.store(each)
    with database.transaction() as session:
        row = session.get_one(ChunkRow, (SESSION, 1))
        DatabaseBlobs().delete(session, [row.blob])
    index_all(indexer)
    assert outcomes(database) == [1, 2, 1]


def test_an_idle_indexer_has_no_child(database: Database, clock: ManualClock):
    child = Child()
    with indexing(database, clock, child) as indexer:
        assert not indexer.index_next()
    assert not child.is_running


def test_sessions_do_not_wait_for_each_other(
    writer: Writer, indexer: Indexer, database: Database
):
    other = UUID(int=99)
    writer.store(
        chunk([TargetData(at_ms=1, channel=0, data=b"x")], session_id=other, sequence=4)
    )
    for each in shell_session():
        writer.store(each)
    index_all(indexer)
    assert indexer.unindexed() == 1
    assert len(texts(database)) == 3


def test_a_desktop_is_indexed_and_goes_on_behind_a_lost_chunk(
    database: Database, clock: ManualClock, writer: Writer, indexer: Indexer
):
    chunks = desktop_chunks("plain", 40)
    for number, one in enumerate(chunks):
        if number != 3:
            writer.store(one)
    while indexer.index_next():
        pass
    assert indexer.unindexed() == len(chunks) - 4
    clock.advance(601)
    while indexer.index_next():
        pass
    assert indexer.unindexed() == 0
    with database.read() as session:
        lines = {row.text: row for row in session.scalars(select(LineRow))}
    assert lines["[Click 200,200]"].at_ms == 2586
    assert [text for text in lines if "has a gap" in text]
    frame = Reader(database, DatabaseBlobs()).keyframe(SESSION, len(chunks))
    assert frame is not None
    assert frame.sequence == len(chunks)
