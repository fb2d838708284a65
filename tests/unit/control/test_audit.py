import datetime as dt
from contextlib import suppress

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from control.audit import Act, AuditOperations
from control.audit_requests import ListAudit
from storage.tables import AuditRow


class _UndoneError(Exception):
    pass


def test_a_note_is_gone_with_the_act_it_tells_of(database, clock):
    act = Act("root", clock.now())
    with database.transaction() as session:
        act.note(session, "secret.added", "web1", "detail")
    with suppress(_UndoneError), database.transaction() as session:
        act.note(session, "secret.removed", "web1")
        raise _UndoneError
    with database.read() as session:
        [row] = session.scalars(select(AuditRow))
    assert (row.who, row.at, row.action) == ("root", clock.now(), "secret.added")
    assert (row.subject, row.detail) == ("web1", "detail")


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit SET who = 'somebody else'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
        "INSERT OR REPLACE INTO audit VALUES (1, '2026-01-01', 'x', 'x.x', 'x', '')",
    ],
)
def test_nobody_changes_what_was_noted(database, clock, attempt):
    with database.transaction() as session:
        Act("root", clock.now()).note(session, "secret.added", "web1")
    with (
        pytest.raises(IntegrityError, match="the audit trail is append-only"),
        database.transaction() as session,
    ):
        session.execute(text(attempt))
    with database.read() as session:
        assert session.scalars(select(AuditRow.who)).all() == ["root"]


@pytest.fixture
def listed(database, clock):
    start = clock.now()
    acts = [
        ("root", "secret.added", "web1"),
        ("ada", "session.granted", "web1"),
        ("ada", "secret.removed", "web2"),
        ("stranger", "secretary.hired", "web1"),
    ]
    for hours, (who, action, subject) in enumerate(acts):
        with database.transaction() as session:
            Act(who, start + dt.timedelta(hours=hours)).note(session, action, subject)

    def ask(**wanted):
        entries = AuditOperations(database).list(ListAudit(**wanted), "root")
        return [one.action for one in entries]

    return ask


def test_the_trail_is_listed_from_the_newest_act_back(listed):
    everything = ["secretary.hired", "secret.removed", "session.granted", "secret.added"]
    assert listed() == everything
    assert listed(limit=2) == everything[:2]


def test_the_trail_is_searched_by_who_did_what_to_what(listed, clock):
    assert listed(who="ada") == ["secret.removed", "session.granted"]
    assert listed(action="secret") == ["secret.removed", "secret.added"]
    assert listed(action="secret.added") == ["secret.added"]
    assert listed(subject="web2", who="root") == []
    hour = dt.timedelta(hours=1)
    assert listed(since=clock.now() + hour, until=clock.now() + 2 * hour) == [
        "secret.removed",
        "session.granted",
    ]
