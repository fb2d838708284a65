import json
from typing import Any
from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk
from samples.segmented import complaints, screen_of
from samples.terminal_recordings import as_chunks, as_events, shell_opening, terminal_recording
from sqlalchemy import delete, update

from control.errors import NotFoundError
from control.playback import Playback, View
from recorder.chunk import Chunk
from recorder.clock import ManualClock
from recorder.events import TargetData
from recorder.replay.comprehend import comprehend
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.reader import Reader
from storage.search import Search
from storage.tables import BlobRow, ChunkRow, KeyframeRow, LineRow, OutlineRow
from storage.writer import Writer

VIEW = View(session_id=SESSION)


def understood(database: Database, chunks: list[Chunk]) -> None:
    """Keep what an indexer would."""
    state: bytes | None = None
    for each in chunks:
        done = comprehend(state, each.encoded, each.data_key)
        state, sequence = done.state, each.header.sequence
        with database.transaction() as session:
            session.add(KeyframeRow(session_id=SESSION, sequence=sequence + 1, state=state))
            session.add(OutlineRow(session_id=SESSION, sequence=sequence, outline=done.outline))
            for line in done.lines:
                row = LineRow(session_id=SESSION, sequence=sequence)
                row.at_ms, row.kind, row.channel = line.at_ms, line.kind, line.channel
                row.text = line.text
                session.add(row)


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    return as_chunks(as_events(terminal_recording("bash")), 25)


@pytest.fixture
def playback(database: Database, chunks: list[Chunk]) -> Playback:
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    writer.store_all(chunks)
    understood(database, chunks)
    return Playback(Reader(database, DatabaseBlobs()), Search(database), KEYS)


def fetched(playback: Playback, view: View = VIEW) -> tuple[Any, list[Any]]:
    """All that a player fetches."""
    index = json.loads(playback.index(view, "{}"))
    numbers = [int(segment["url"]) for segment in index["segments"]]
    return index, [json.loads(playback.segment(view, number)) for number in numbers]


@pytest.mark.parametrize("idle_limit_ms", [None, 1000])
def test_the_player_takes_what_it_fetches(playback: Playback, idle_limit_ms: int | None):
    index, segments = fetched(playback, View(session_id=SESSION, idle_limit_ms=idle_limit_ms))
    assert len(segments) > 3
    assert complaints(index, segments) == []
    for number in range(len(segments)):
        assert screen_of(segments[number : number + 1]) == screen_of(segments[: number + 1])


def test_nothing_is_read_that_is_not_shown(playback: Playback, database: Database):
    with database.transaction() as session:
        session.execute(delete(BlobRow))
    index = json.loads(playback.index(VIEW, "{}"))
    overview = json.loads(playback.overview(VIEW))
    assert overview["duration"] == index["duration"]
    assert sum(shown for shown, _ in overview["activity"]) > 0


def test_what_was_recorded_before_there_were_outlines_is_played_as_well(
    playback: Playback, database: Database
):
    expected = fetched(playback)
    with database.transaction() as session:
        session.execute(delete(OutlineRow))
    assert fetched(playback) == expected
    with database.transaction() as session:
        session.execute(delete(BlobRow))
    assert json.loads(playback.index(VIEW, "{}")) == expected[0]


def test_what_is_not_indexed_yet_belongs_to_the_last_segment(
    playback: Playback, database: Database, chunks: list[Chunk]
):
    whole = "".join(text for part in fetched(playback)[1] for _, _, text in part["events"])
    with database.transaction() as session:
        for table in (OutlineRow, KeyframeRow):
            session.execute(delete(table).where(table.sequence > 2))
    index, segments = fetched(playback)
    assert [segment["url"] for segment in index["segments"]] == ["0", "1", "2"]
    assert complaints(index, segments) == []
    assert "".join(text for part in segments for _, _, text in part["events"]) == whole


def test_a_chunk_that_cannot_be_read_is_passed_over(playback: Playback, database: Database):
    with database.transaction() as session:
        session.execute(update(BlobRow).values(data=b"noise"))
    index, segments = fetched(playback)
    assert complaints(index, segments) == []
    assert list(playback.chunks(SESSION, 0)) == []


def test_lines_are_found_by_kind_and_text(playback: Playback):
    commands = playback.lines(SESSION, ("command",))
    assert commands
    assert {line.kind for line in commands} == {"command"}
    wanted = commands[-1].text
    assert commands[-1] in playback.lines(SESSION, ("command", "output"), wanted.upper())


def test_a_channel_or_a_segment_that_is_not_there_is_named(playback: Playback):
    with pytest.raises(NotFoundError, match="no such channel"):
        playback.index(View(session_id=SESSION, channel=9), "{}")
    with pytest.raises(NotFoundError, match="begins at 999"):
        playback.segment(VIEW, 999)
    with pytest.raises(NotFoundError):
        playback.index(View(session_id=UUID(int=99)), "{}")


def test_a_watcher_begins_at_the_newest_screen(
    playback: Playback, database: Database, chunks: list[Chunk]
):
    assert playback.screen_now(SESSION, None) == (0, None), "its channels are closed"
    with database.transaction() as session:
        session.execute(delete(KeyframeRow).where(KeyframeRow.sequence > 2))
        session.execute(update(ChunkRow).values(indexed=0))
    sequence, screen = playback.screen_now(SESSION, None)
    assert sequence == 2
    assert screen is not None
    assert playback.screen_now(SESSION, 7) == (0, None)
    assert playback.screen_now(UUID(int=99), None) == (0, None)
    following = [one.header.sequence for one in playback.chunks(SESSION, sequence)]
    assert following == list(range(2, len(chunks)))


def test_a_desktop_has_an_overview_and_no_channels(database: Database):
    writer = Writer(database, DatabaseBlobs(), ManualClock(), KEYS, Signers())
    opening = shell_opening()[:1]
    writer.store(chunk([*opening, TargetData(at_ms=5000, channel=0, data=b"pdu")]))
    playback = Playback(Reader(database, DatabaseBlobs()), Search(database), KEYS)
    assert playback.channels(SESSION) == []
    overview = json.loads(playback.overview(VIEW))
    assert overview["duration"] == 5.001
    assert [bar for bar in overview["activity"] if bar[0]] == [[3, 0]]
