from dataclasses import replace
from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk
from samples.terminal_recordings import shell_opening
from sqlalchemy import func, select, update

from control.errors import NotFoundError
from control.playback import Playback
from control.web.recordings import Looks, Recordings, Viewer
from recorder.clock import ManualClock
from storage.account_tables import ViewingRow
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.reader import Reader
from storage.retention_tables import TombstoneRow
from storage.search import Search
from storage.tables import AuditRow, SessionRow
from storage.writer import Writer


@pytest.fixture
def recordings(database: Database, clock: ManualClock) -> Recordings:
    writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers())
    writer.store(chunk(shell_opening()))
    return Recordings(
        database=database,
        playback=Playback(Reader(database, DatabaseBlobs()), Search(database), KEYS),
        export=lambda *_: iter(()),
        clock=clock,
    )


def acts(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.subject == str(SESSION)))
        return [(row.who, row.action, row.detail) for row in rows]


ANA, BO = (
    Viewer("ana", b"1", has_proved_himself=True),
    Viewer("bo", b"2", has_proved_himself=True),
)
ANA_LATER = ANA._replace(has_proved_himself=False)


def test_one_viewing_is_written_down_once(recordings: Recordings, database: Database):
    assert recordings.admit(SESSION, ANA)
    assert recordings.admit(SESSION, ANA)
    assert recordings.admit(SESSION, BO)
    assert recordings.admit(SESSION, BO, Looks.WATCHED)
    assert acts(database) == [
        ("ana", "session.played", ""),
        ("bo", "session.played", ""),
        ("bo", "session.watched", ""),
    ]


def test_who_has_not_shown_who_he_is_goes_on_and_does_not_begin(recordings: Recordings):
    assert not recordings.admit(SESSION, ANA_LATER)
    assert recordings.admit(SESSION, ANA)
    assert recordings.admit(SESSION, ANA_LATER)
    assert not recordings.admit(SESSION, BO._replace(has_proved_himself=False))


def test_a_viewing_ends_with_the_log_in_and_when_nothing_was_looked_at(
    recordings: Recordings, clock: ManualClock, database: Database
):
    assert recordings.admit(SESSION, ANA)
    assert not recordings.admit(SESSION, ANA_LATER._replace(login=b"another"))
    for _ in range(3):
        clock.advance(recordings.viewing_idle_s - 1)
        assert recordings.admit(SESSION, ANA_LATER)
    clock.advance(recordings.viewing_idle_s + 1)
    assert not recordings.admit(SESSION, ANA_LATER)
    assert recordings.admit(SESSION, ANA)
    assert len(acts(database)) == 2


def test_a_viewing_outlives_the_process_and_is_every_node_s(
    recordings: Recordings, database: Database, clock: ManualClock
):
    """A restart asks nobody who he is, and neither does the control node beside this one."""
    assert recordings.admit(SESSION, ANA)
    beside = replace(recordings)
    clock.advance(recordings.viewing_idle_s - 1)
    assert beside.admit(SESSION, ANA_LATER)
    clock.advance(recordings.viewing_idle_s - 1)
    assert recordings.admit(SESSION, ANA_LATER)
    assert len(acts(database)) == 1


def test_viewings_that_ended_are_forgotten(
    recordings: Recordings, database: Database, clock: ManualClock
):
    for login in range(5):
        recordings.admit(SESSION, ANA._replace(login=bytes([login])))
        clock.advance(recordings.viewing_idle_s + 1)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(ViewingRow)) == 1


def test_whoever_opens_the_facts_alone_is_not_asked_who_he_is(
    recordings: Recordings, database: Database
):
    assert recordings.admit(SESSION, ANA_LATER, Looks.OPENED)
    assert not recordings.admit(SESSION, ANA_LATER)
    assert acts(database) == [("ana", "session.opened", "")]


def test_what_was_deleted_or_never_there_is_not_shown(
    recordings: Recordings, database: Database, clock: ManualClock
):
    with pytest.raises(NotFoundError):
        recordings.admit(UUID(int=9), ANA)
    with database.transaction() as session:
        session.execute(update(SessionRow).values(deleted_at=clock.now()))
        session.add(
            TombstoneRow(
                session_id=SESSION,
                deleted_at=clock.now(),
                finished_at=None,
                who="proxyd",
                reason="default: 10 days",
                chunks=1,
                size_bytes=1,
                root=b"",
            )
        )
    with pytest.raises(NotFoundError, match="was deleted"):
        recordings.admit(SESSION, ANA)
    assert acts(database) == []
