"""Each act of an operator: what it does, whom it stops, what trace it leaves."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from bus.contract import Grant
from control import requests as ask
from control.errors import (
    ConflictError,
    ControlError,
    NotFoundError,
    UnreachableError,
)
from control.node_requests import RotateMasterKey
from control.proof_requests import RotateRecordingKey
from storage.tables import AuditRow, SessionRow

from .conftest import CANARY, presented, web1
from .test_users import GOOD


@pytest.fixture
def do(operations):
    return lambda request: list(operations.carry_out(request, "operator"))


@pytest.fixture
def trail(database):
    def trail():
        with database.read() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.id))
            return [(row.who, row.action, row.subject) for row in rows]

    return trail


@pytest.fixture
def issued(do):
    do(web1())
    do(ask.AddUser(name="ada", password=GOOD))
    do(ask.GrantAccess(user="ada", secret="web1"))
    return do(ask.IssueCredential(secret="web1", user="ada", uses=9))[0]


@pytest.fixture
def live(issued, grants):
    grant = grants.redeem(presented(issued))
    assert isinstance(grant, Grant)
    return grant.session_id


def test_every_request_has_someone_who_carries_it_out(operations):
    assert set(operations._handlers) == set(ask.OperatorRequest.__args__)


def test_what_is_there_is_shown(do, issued, live):
    [secret] = do(ask.ListSecrets())
    assert do(ask.ShowSecret(name="web1")) == [secret]
    [session] = do(ask.ListSessions())
    assert do(ask.ShowSession(id=live)) == [session]
    assert [user.name for user in do(ask.ListUsers())] == ["ada"]
    assert [(one.user, one.secret) for one in do(ask.ListAccess())] == [("ada", "web1")]


def test_every_act_leaves_its_trace(do, issued, trail):
    do(ask.EditSecret(name="web1", port=23))
    do(ask.TestSecret(name="web1"))
    do(ask.RevokeCredential(id=issued.id))
    do(ask.RevokeAccess(user="ada", secret="web1"))
    do(ask.DisableUser(name="ada"))
    do(ask.SearchSessions(text="rm -rf"))
    do(ask.RemoveSecret(name="web1"))
    do(RotateMasterKey())
    do(RotateRecordingKey())
    assert [action for _, action, _ in trail()] == [
        "secret.added",
        "user.added",
        "access.granted",
        "credential.issued",
        "secret.edited",
        "secret.tested",
        "credential.revoked",
        "access.revoked",
        "user.disabled",
        "session.searched",
        "secret.removed",
        "master_key.rotated",
        "recording_key.rotated",
    ]
    assert {who for who, _, _ in trail()} == {"operator"}


def test_what_failed_leaves_no_trace(do, trail):
    with pytest.raises(NotFoundError):
        do(ask.RemoveSecret(name="web9"))
    assert trail() == []


@pytest.mark.parametrize(
    "case",
    [
        (ask.RevokeAccess(user="ada", secret="web1"), "access revoked"),
        (ask.DisableUser(name="ada"), "the user was disabled"),
        (ask.RemoveSecret(name="web1"), "the secret was removed"),
    ],
)
def test_who_loses_the_right_loses_the_session_and_the_credential(
    do, live, world, issued, grants, case
):
    act, reason = case
    do(act)
    assert world.ended == [(live, reason)]
    assert not isinstance(grants.redeem(presented(issued)), Grant)
    assert [one.state for one in do(ask.ListCredentials())] == ["revoked"]


def test_revoking_a_credential_ends_what_it_opened_and_nothing_else(do, live, world, issued):
    other = do(ask.IssueCredential(secret="web1", user="ada"))[0]
    do(ask.RevokeCredential(id=other.id))
    assert world.ended == []
    do(ask.RevokeCredential(id=issued.id))
    assert world.ended == [(live, "credential revoked")]


def test_access_that_comes_back_does_not_revive_old_credentials(do, issued, grants):
    do(ask.RevokeAccess(user="ada", secret="web1"))
    do(ask.GrantAccess(user="ada", secret="web1"))
    assert not isinstance(grants.redeem(presented(issued)), Grant)


def test_a_session_that_could_not_be_ended_is_told(do, live, world, issued):
    world.engine_answers = False
    with pytest.raises(UnreachableError, match=f"1 of 1 live sessions .* session {live}"):
        do(ask.RevokeCredential(id=issued.id))


def test_a_session_so_new_that_its_engine_has_not_heard_of_it_is_ended_all_the_same(
    do, live, world, issued
):
    world.deaf_times = 1
    do(ask.RevokeCredential(id=issued.id))
    assert world.ended == [(live, "credential revoked")]


def test_a_session_that_has_ended_meanwhile_is_no_failure(
    do, live, world, issued, database, monkeypatch
):
    def pause(seconds):
        with database.transaction() as session:
            session.get(SessionRow, live).state = "finished"

    monkeypatch.setattr("time.sleep", pause)
    world.engine_answers = False
    assert do(ask.RevokeCredential(id=issued.id)) == [ask.Done()]


def test_live_sessions_are_ended_and_talked_to(do, live, world):
    do(ask.MessageSession(id=live, text="lunch"))
    do(ask.TerminateSession(id=live, reason="over"))
    assert (world.shown, world.ended) == ([(live, "lunch")], [(live, "over")])


def test_what_is_over_cannot_be_ended(do, live, database):
    with database.transaction() as session:
        session.get(SessionRow, live).state = "finished"
    with pytest.raises(ConflictError, match="is not live: it is finished"):
        do(ask.TerminateSession(id=live, reason="over"))


def test_whoever_reads_a_recording_leaves_a_trace(do, live, trail):
    [chunk] = do(ask.FetchChunks(id=live, from_sequence=3))
    assert chunk.sequence == 3
    assert trail()[-1] == ("operator", "session.read", str(live))
    with pytest.raises(NotFoundError, match="`proxyd session list` shows them"):
        do(ask.FetchChunks(id=uuid4()))


def test_a_secret_is_tested_with_what_is_in_it(do, issued, world):
    [tested] = do(ask.TestSecret(name="web1"))
    assert (tested.ok, tested.detail) == (True, "fine")
    assert world.logins[0].credential.password == CANARY
    assert CANARY not in repr(world.logins)


def test_a_disk_that_is_full_is_an_operators_error(do):
    with pytest.raises(ControlError, match="the disk is full"):
        do(ask.SearchSessions(text="broken"))


def test_nothing_secret_is_in_the_audit_trail(do, issued, database):
    do(ask.EditSecret(name="web1", password=CANARY + "2"))
    with database.read() as session:
        rows = [vars(row) for row in session.scalars(select(AuditRow))]
    for hidden in (CANARY, GOOD, issued.password):
        assert hidden not in str(rows)
