from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk
from samples.terminal_recordings import shell_opening
from sqlalchemy import select, update

from control.errors import NotFoundError
from control.playback import Playback
from control.web.recordings import Recordings
from recorder.clock import ManualClock
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


def test_one_viewing_is_written_down_once(recordings: Recordings, database: Database):
    assert recordings.admit(SESSION, "ana", anew=True)
    assert recordings.admit(SESSION, "ana", anew=True)
    assert recordings.admit(SESSION, "bo", anew=True)
    assert acts(database) == [("ana", "session.played", ""), ("bo", "session.played", "")]


def test_who_has_not_shown_who_he_is_goes_on_and_does_not_begin(recordings: Recordings):
    assert not recordings.admit(SESSION, "ana", anew=False)
    assert recordings.admit(SESSION, "ana", anew=True)
    assert recordings.admit(SESSION, "ana", anew=False)
    assert not recordings.admit(SESSION, "bo", anew=False)


def test_what_was_deleted_or_never_there_is_not_shown(
    recordings: Recordings, database: Database, clock: ManualClock
):
    with pytest.raises(NotFoundError):
        recordings.admit(UUID(int=9), "ana", anew=True)
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
        recordings.admit(SESSION, "ana", anew=True)
    assert acts(database) == []
