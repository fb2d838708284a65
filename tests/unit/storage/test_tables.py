import datetime as dt

from sqlalchemy import text

from storage.database import Database
from storage.tables import AuditRow, Table


def test_a_moment_comes_back_in_utc(database: Database):
    moment = dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    with database.transaction() as session:
        row = AuditRow(at=moment, who="ana", action="looked", subject="x", detail="")
        session.add(row)
        session.flush()
        number = row.id
    with database.read() as session:
        found = session.get_one(AuditRow, number).at
        stored = session.scalar(text("SELECT at FROM audit"))
    assert (found, found.tzinfo) == (moment, dt.UTC)
    assert str(stored).startswith("2026-03-29 00:30")


def test_every_constraint_has_a_name():
    for table in Table.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints)
