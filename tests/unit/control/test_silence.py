import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.chunks import KEYS, SESSION, Signers, three_chunks
from samples.databases import new_sqlite
from sqlalchemy import select

from control import sessions
from control.requests import SessionSummary
from control.silence import lose_silent
from recorder.chunk import Chunk
from recorder.clock import ManualClock
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.tables import AuditRow, EngineRow, SessionRow
from storage.writer import Writer

DAY_S = 24 * 3600.0


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = new_sqlite(tmp_path / "db")
    else:
        database = Database(request.getfixturevalue("postgresql"))
    yield database
    database.close()


class World:
    """A session of an engine at a site, and time that passes."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self._database, self._clock = database, clock
        self._writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers())
        with database.transaction() as session:
            session.add(
                EngineRow(
                    id="engine-1",
                    site="dmz",
                    state="active",
                    enrolment=b"asked",
                    requested_at=clock.now(),
                    expires_at=clock.now(),
                    approved_at=clock.now(),
                )
            )

    def store(self, chunk: Chunk) -> None:
        self._writer.store(chunk)

    def hear_engine(self) -> None:
        with self._database.transaction() as session:
            session.get_one(EngineRow, "engine-1").keys_told_at = self._clock.now()

    def look(self) -> int:
        with self._database.transaction() as session:
            return len(lose_silent(session, DAY_S, self._clock.now()))

    def shown(self) -> SessionSummary:
        with self._database.read() as session:
            return sessions.summary(session.get_one(SessionRow, SESSION))

    def noted(self) -> list[str]:
        with self._database.read() as session:
            return list(session.scalars(select(AuditRow.action)))


@pytest.fixture
def world(database: Database, clock: ManualClock) -> World:
    return World(database, clock)


def test_a_session_of_an_engine_that_does_not_come_back_is_lost_after_a_day(
    world: World, clock: ManualClock
):
    first, *_ = three_chunks()
    world.store(first)
    heard_at = clock.now()
    clock.advance(DAY_S)
    assert world.look() == 0
    clock.advance(1)
    assert world.look() == 1
    shown = world.shown()
    assert (shown.state, shown.end_reason, shown.complete) == ("lost", "engine_silent", False)
    assert shown.ended_at == heard_at
    assert world.noted() == ["session.lost"]
    assert world.look() == 0


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_what_arrives_later_puts_it_right(
    world: World, clock: ManualClock, order: tuple[int, ...]
):
    chunks = three_chunks()
    world.store(chunks[0])
    clock.advance(DAY_S + 1)
    assert world.look() == 1
    for number in order:
        world.store(chunks[number])
    shown = world.shown()
    assert (shown.state, shown.complete) == ("finished", True)
    assert shown.end_reason != "engine_silent"


def test_a_session_that_goes_on_after_all_is_live_again(world: World, clock: ManualClock):
    first, second, _ = three_chunks()
    world.store(first)
    clock.advance(DAY_S + 1)
    assert world.look() == 1
    world.store(second)
    shown = world.shown()
    assert (shown.state, shown.end_reason, shown.ended_at) == ("live", None, None)
    assert world.look() == 0
    clock.advance(DAY_S + 1)
    assert world.look() == 1


def test_a_quiet_session_of_an_engine_that_is_there_stays_live(
    world: World, clock: ManualClock
):
    world.store(three_chunks()[0])
    clock.advance(3 * DAY_S)
    world.hear_engine()
    clock.advance(60)
    assert world.look() == 0
    assert world.shown().state == "live"


def test_a_session_that_was_granted_and_never_heard_of_again_is_lost_too(
    database: Database, world: World, clock: ManualClock
):
    world.store(three_chunks()[0])
    with database.transaction() as session:
        row = session.get_one(SessionRow, SESSION)
        row.started_at, row.ready_at, row.engine = clock.now(), None, "engine-gone"
        session.connection().exec_driver_sql("DELETE FROM chunks")
    clock.advance(DAY_S + 1)
    assert world.look() == 1
    assert world.shown().ended_at == clock.now() - dt.timedelta(seconds=DAY_S + 1)
