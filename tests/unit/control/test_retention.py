import datetime as dt

import pytest
from samples.chunks import INFO, KEYS, SESSION, Signers, three_chunks
from sqlalchemy import select

from control import retention_requests as ask
from control.audit import Act
from control.errors import ConflictError, InvalidError, NotFoundError
from control.own_account import TERMINAL
from control.retention import RetentionOperations
from control.sessions import find_recording
from storage.blobs import DatabaseBlobs
from storage.retention import Retention, Rule, set_rule
from storage.tables import AuditRow, SessionRow
from storage.writer import Writer


@pytest.fixture
def retention(database, clock):
    Writer(database, DatabaseBlobs(), clock, KEYS, Signers()).store_all(three_chunks())
    store = Retention(database, DatabaseBlobs(), clock)
    return RetentionOperations(database, store, lambda who: Act(who, clock.now()))


@pytest.fixture
def do(retention):
    return lambda request: retention.handlers()[type(request)](request, "ana")


def acts(database) -> list[tuple[str, str, str]]:
    with database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.who == "ana"))
        return [(row.action, row.subject, row.detail) for row in rows]


def test_rules_are_made_changed_shown_and_removed(do, database):
    assert do(ask.SetRetention(scope="secret", name="web", days=7)).days == 7
    do(ask.SetRetention(scope="secret", name="web", days=None))
    assert list(do(ask.ShowRetention())) == [
        ask.RetentionRule(scope="secret", name="web", days=None)
    ]
    do(ask.UnsetRetention(scope="secret", name="web"))
    with pytest.raises(NotFoundError, match="no rule for the secret web"):
        do(ask.UnsetRetention(scope="secret", name="web"))
    assert acts(database) == [
        ("retention.set", "secret web", "7 days"),
        ("retention.set", "secret web", "for ever"),
        ("retention.unset", "secret web", ""),
    ]


def test_a_rule_is_for_a_secret_that_is_there_or_whose_recordings_are(do, issue):
    do(ask.SetRetention(scope="secret", name="web1", days=7))
    do(ask.SetRetention(scope="secret", name=INFO.secret_name, days=7))
    do(ask.SetRetention(scope="secret", name=TERMINAL, days=7))
    with pytest.raises(NotFoundError, match=r"`wbe1`, and no recording is of") as raised:
        do(ask.SetRetention(scope="secret", name="wbe1", days=7))
    assert "`proxyd secret list`" in str(raised.value)
    names = [rule.name for rule in do(ask.ShowRetention())]
    assert sorted(names) == sorted([TERMINAL, INFO.secret_name, "web1"])


def test_a_rule_for_a_name_that_nothing_knows_can_be_removed(do, database):
    with database.transaction() as session:
        set_rule(session, Rule(scope="secret", name="wbe1", days=7))
    do(ask.UnsetRetention(scope="secret", name="wbe1"))
    assert list(do(ask.ShowRetention())) == []


@pytest.mark.parametrize(("scope", "name"), [("default", "web"), ("site", "")])
def test_a_rule_is_for_all_or_for_one(do, scope, name):
    with pytest.raises(InvalidError, match="the default, or of one site"):
        do(ask.SetRetention(scope=scope, name=name, days=7))


def test_holding_and_releasing_leave_a_trace(do, database):
    do(ask.HoldSession(id=SESSION, reason="case 7"))
    with database.read() as session:
        assert session.get_one(SessionRow, SESSION).hold_reason == "case 7"
    do(ask.ReleaseSession(id=SESSION))
    with pytest.raises(ConflictError, match="is not held"):
        do(ask.ReleaseSession(id=SESSION))
    assert acts(database) == [
        ("session.held", str(SESSION), "case 7"),
        ("session.released", str(SESSION), "case 7"),
    ]


def test_a_run_says_what_went_and_a_dry_one_what_would(do, database, clock):
    do(ask.SetRetention(scope="default", days=1))
    clock.advance(dt.timedelta(days=3650).total_seconds())
    would = list(do(ask.RunRetention(dry_run=True)))
    assert [one.session for one in would] == [SESSION]
    with database.read() as session:
        find_recording(session, SESSION)
    assert list(do(ask.RunRetention())) == would
    assert list(do(ask.RunRetention())) == []
    with (
        database.read() as session,
        pytest.raises(NotFoundError, match=r"was deleted at .* by ana \(default: 1 days\)"),
    ):
        find_recording(session, SESSION)


def test_what_is_gone_cannot_be_held(do, clock):
    do(ask.SetRetention(scope="default", days=1))
    clock.advance(dt.timedelta(days=3650).total_seconds())
    list(do(ask.RunRetention()))
    with pytest.raises(ConflictError, match="cannot be held: it was deleted"):
        do(ask.HoldSession(id=SESSION, reason="too late"))
