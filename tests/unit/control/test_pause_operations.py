from uuid import UUID

import pytest
from samples.chunks import KEYS, SESSION, Signers, chunk
from samples.terminal_recordings import shell_opening
from sqlalchemy import select, update

from control.audit import Act
from control.errors import ConflictError
from control.pause_operations import PauseOperations
from control.pause_requests import PauseSession, ResumeSession
from recorder.clock import ManualClock
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.tables import AuditRow, SessionRow
from storage.writer import Writer


class Live:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, bool]] = []

    def pause(self, engine_id: str, session_id: UUID, text: str, *, paused: bool) -> None:
        self.told.append((engine_id, text, paused))

    def terminate(self, engine_id: str, session_id: UUID, reason: str) -> None:
        raise AssertionError

    def message(self, engine_id: str, session_id: UUID, text: str) -> None:
        raise AssertionError


@pytest.fixture
def live() -> Live:
    return Live()


@pytest.fixture
def pausing(database: Database, live: Live, clock: ManualClock) -> PauseOperations:
    writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers())
    writer.store(chunk(shell_opening()))
    return PauseOperations(database, live, lambda who: Act(who, clock.now()))


def test_a_session_is_paused_and_goes_on_and_both_are_written_down(
    pausing: PauseOperations, live: Live, database: Database
):
    pausing.pause(PauseSession(id=SESSION, reason="what is this?"), "ana")
    pausing.resume(ResumeSession(id=SESSION), "bo")
    assert live.told == [
        ("engine-1", "proxyd: paused by an operator: what is this?", True),
        ("engine-1", "proxyd: the session goes on", False),
    ]
    with database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.subject == str(SESSION)))
        acts = [(row.who, row.action, row.detail) for row in rows]
    assert acts == [
        ("ana", "session.paused", "what is this?"),
        ("bo", "session.resumed", ""),
    ]


def test_what_is_over_cannot_be_paused(pausing: PauseOperations, database: Database):
    with database.transaction() as session:
        session.execute(update(SessionRow).values(state="finished"))
    with pytest.raises(ConflictError, match="it is finished"):
        pausing.pause(PauseSession(id=SESSION, reason="why"), "ana")
