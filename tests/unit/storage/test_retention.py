import datetime as dt
import hashlib
from functools import cache
from uuid import UUID

import pytest
from msgspec.structs import replace
from samples.chunks import INFO, KEYS, STARTED, Signers, chunk
from sqlalchemy import func, select

from recorder.chunk import Chunk
from recorder.clock import ManualClock
from recorder.events import EndReason, SessionEnded, SessionStarted, TargetData
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.file_blobs import FileBlobs
from storage.reader import Reader
from storage.retention import Retention, Rule, rules, set_rule, unset_rule
from storage.retention_tables import TombstoneRow
from storage.tables import (
    AuditRow,
    BlobRow,
    ChunkRow,
    KeyframeRow,
    LineRow,
    OutlineRow,
    SessionRow,
)
from storage.writer import Writer

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


@cache
def recording(session_id: UUID, secret: str, site: str) -> list[Chunk]:
    info = replace(INFO, session_id=session_id, secret_name=secret, site=site)
    first = chunk([SessionStarted(at_ms=0, info=info)], session_id=session_id)
    shown = chunk([TargetData(at_ms=1, channel=0, data=b"x")], first, session_id=session_id)
    end = SessionEnded(at_ms=2, reason=EndReason.CLIENT_LEFT)
    return [first, shown, chunk([end], shown, session_id=session_id)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def retention(database: Database, clock: ManualClock) -> Retention:
    writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers())
    for session_id, secret, site in ((A, "web", "lyon"), (B, "db", "lyon"), (C, "db", "oslo")):
        writer.store_all(recording(session_id, secret, site))
    with database.transaction() as session:
        for session_id in (A, B, C):
            session.add(KeyframeRow(session_id=session_id, sequence=1, state=b"s"))
            session.add(OutlineRow(session_id=session_id, sequence=1, outline=b"o"))
            session.add(
                LineRow(
                    session_id=session_id,
                    sequence=1,
                    at_ms=1,
                    kind="output",
                    channel=0,
                    text="x",
                )
            )
    return Retention(database, DatabaseBlobs(), clock)


def pass_days(clock: ManualClock, days: int) -> None:
    wanted = STARTED + dt.timedelta(days=days, hours=1)
    clock.advance((wanted - clock.now()).total_seconds())


def keep(database: Database, *kept: Rule) -> None:
    with database.transaction() as session:
        for rule in kept:
            set_rule(session, rule)


def count(database: Database, table: type, session_id: UUID) -> int:
    with database.read() as session:
        query = select(func.count()).select_from(table).where(table.session_id == session_id)
        return session.scalar(query) or 0


def hold(database: Database, session_id: UUID, reason: str | None) -> None:
    with database.transaction() as session:
        session.get_one(SessionRow, session_id).hold_reason = reason


DEFAULT = Rule(scope="default", name="", days=10)


def test_without_a_rule_everything_stays(retention: Retention, clock: ManualClock):
    pass_days(clock, 30_000)
    assert list(retention.run()) == []


def test_a_secret_goes_before_its_site_and_that_before_the_default(
    retention: Retention, database: Database, clock: ManualClock
):
    secret = Rule(scope="secret", name="web", days=30)
    site = Rule(scope="site", name="lyon", days=20)
    keep(database, DEFAULT, site, secret)
    gone = []
    for days in (9, 11, 19, 21, 29, 31):
        pass_days(clock, days)
        gone.append([(one.session_id, one.reason) for one in retention.run()])
    assert gone == [
        [],
        [(C, "default: 10 days")],
        [],
        [(B, "site lyon: 20 days")],
        [],
        [(A, "secret web: 30 days")],
    ]


def test_for_ever_is_a_rule(retention: Retention, database: Database, clock: ManualClock):
    keep(database, DEFAULT, Rule(scope="secret", name="db", days=None))
    pass_days(clock, 30_000)
    assert [one.session_id for one in retention.run()] == [A]


def test_a_held_recording_stays_until_it_is_released(
    retention: Retention, database: Database, clock: ManualClock
):
    keep(database, DEFAULT)
    hold(database, A, "case 7")
    pass_days(clock, 11)
    assert {one.session_id for one in retention.run()} == {B, C}
    assert len(list(Reader(database, DatabaseBlobs()).chunks(A))) == 3
    hold(database, A, None)
    assert [one.session_id for one in retention.run()] == [A]


def test_a_hold_between_looking_and_deleting_wins(
    retention: Retention, database: Database, clock: ManualClock
):
    keep(database, DEFAULT)
    pass_days(clock, 11)
    found = retention.due()
    hold(database, A, "case 7")
    assert [retention._begin(one, "ana") for one in found] == [
        one.session_id != A for one in found
    ]


def test_a_live_session_stays(retention: Retention, database: Database, clock: ManualClock):
    keep(database, DEFAULT)
    with database.transaction() as session:
        session.get_one(SessionRow, A).state = "live"
    pass_days(clock, 11)
    assert {one.session_id for one in retention.run()} == {B, C}


def test_bytes_and_index_go_and_a_trace_stays(
    retention: Retention, database: Database, clock: ManualClock
):
    keep(database, DEFAULT)
    pass_days(clock, 11)
    list(retention.run("ana"))
    with database.read() as session:
        digests = list(
            session.scalars(
                select(ChunkRow.digest)
                .where(ChunkRow.session_id == A)
                .order_by(ChunkRow.sequence)
            )
        )
        tombstone = session.get_one(TombstoneRow, A)
        acts = list(session.scalars(select(AuditRow).where(AuditRow.subject == str(A))))
        assert session.get_one(SessionRow, A).deleted_at == clock.now()
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 0
        assert session.scalar(select(func.count()).where(ChunkRow.indexed == 0)) == 0
    assert digests == [each.digest for each in recording(A, "web", "lyon")]
    assert tombstone.root == hashlib.sha256(b"".join(digests)).digest()
    assert (tombstone.who, tombstone.reason, tombstone.chunks) == ("ana", "default: 10 days", 3)
    assert tombstone.finished_at is not None
    assert [(act.who, act.action) for act in acts] == [("ana", "recording.deleted")]
    left = [count(database, kind, A) for kind in (LineRow, KeyframeRow, OutlineRow)]
    assert left == [0, 0, 0]


def test_a_deletion_cut_short_is_finished_by_the_next_run(
    retention: Retention, database: Database, clock: ManualClock, tmp_path
):
    keep(database, DEFAULT)
    pass_days(clock, 11)
    unreachable = Retention(database, FileBlobs(tmp_path / "x"), clock)
    (tmp_path / "x").write_text("no folder")
    with pytest.raises(StorageUnavailableError):
        list(unreachable.run())
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 9
    list(retention.run())
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 0
        unfinished = select(func.count()).where(TombstoneRow.finished_at.is_(None))
        assert session.scalar(unfinished) == 0


def test_what_arrives_after_its_recording_was_deleted_follows_it(
    retention: Retention, database: Database, clock: ManualClock
):
    keep(database, DEFAULT)
    pass_days(clock, 11)
    list(retention.run())
    writer = Writer(database, DatabaseBlobs(), clock, KEYS, Signers())
    *_, last = recording(A, "web", "lyon")
    writer.store(last)
    late = chunk([TargetData(at_ms=9, channel=0, data=b"late")], last, session_id=A)
    writer.store(late)
    list(retention.run())
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 0


def test_a_rule_replaces_the_one_before_it_and_can_be_removed(database: Database):
    keep(database, DEFAULT, Rule(scope="default", name="", days=5))
    with database.transaction() as session:
        assert rules(session) == [Rule(scope="default", name="", days=5)]
        assert unset_rule(session, "default", "")
        assert not unset_rule(session, "default", "")
        assert rules(session) == []
