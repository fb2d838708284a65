import datetime as dt

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from storage.database import Database
from storage.tables import AuditRow, Table

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)


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


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit SET who = 'somebody else'",
        "DELETE FROM audit WHERE id = 1",
        "TRUNCATE audit",
    ],
)
def test_the_audit_trail_only_grows(database, attempt):
    if database.url.get_backend_name() == "sqlite":
        attempt = attempt.replace("TRUNCATE", "DELETE FROM")
    with database.transaction() as session:
        row = AuditRow(at=NOW, who="root", action="secret.added", subject="web1", detail="")
        session.add(row)
    with (
        pytest.raises(DBAPIError, match="the audit trail is append-only"),
        database.transaction() as session,
    ):
        session.execute(text(attempt))
    with database.read() as session:
        assert session.scalars(select(AuditRow.who)).all() == ["root"]
