"""Requests for access, as operators decide about them."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from control import access, approvals, credentials, secrets, users
from control.approval_operations import ApprovalOperations
from control.approval_requests import (
    ApproveAccess,
    ApproveViewing,
    DenyAccess,
    ListAccessRequests,
    RequestAccess,
    RequestViewing,
    SetDemands,
    WithdrawAccess,
)
from control.audit import Act
from control.credentials import Gateways
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from control.requests import AddUser, IssueCredential
from recorder.session_info import TargetProtocol
from storage.tables import AuditRow, SessionRow

from .conftest import ARGON2, web1


@pytest.fixture
def ended():
    return []


@pytest.fixture
def operations(database, vault, clock, ended):
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        users.add(session, AddUser(name="root", password=""), ARGON2, clock.now())
        secrets.add(session, vault, web1(), clock.now())
        session.flush()
        access.grant(session, "ada", "web1", clock.now())
    operations = ApprovalOperations(
        database,
        lambda who: Act(who, clock.now()),
        lambda rows, why: ended.append(why),
    )
    operations.set_demands(SetDemands(secret="web1", demands=("approval", "comment")), "root")
    return operations


@pytest.fixture
def asked(operations):
    return operations.request(RequestAccess(user="ada", secret="web1", comment="x"), "root")


def test_a_request_is_listed_until_it_is_decided(operations, asked, database):
    assert operations.list(ListAccessRequests(pending=True), "root") == [asked]
    operations.approve(ApproveAccess(id=asked.id), "root")
    assert operations.list(ListAccessRequests(pending=True), "root") == []
    assert [one.state for one in operations.list(ListAccessRequests(), "root")] == ["approved"]
    with database.read() as session:
        actions = list(session.scalars(select(AuditRow.action).order_by(AuditRow.id)))
    assert actions[-2:] == ["access.requested", "access.approved"]


def test_a_request_is_decided_once(operations, asked):
    operations.deny(DenyAccess(id=asked.id, said="no"), "root")
    with pytest.raises(ConflictError, match="denied already"):
        operations.approve(ApproveAccess(id=asked.id), "root")


def test_nobody_approves_what_he_asked_for_himself(operations, asked):
    with pytest.raises(DeniedError):
        operations.approve(ApproveAccess(id=asked.id), "ada")


def test_a_request_that_nobody_decided_expires(operations, asked, clock):
    clock.advance(3601)
    with pytest.raises(ConflictError, match="expired already"):
        operations.approve(ApproveAccess(id=asked.id), "root")


def test_what_is_withdrawn_ends_what_it_opened(operations, asked, ended):
    operations.approve(ApproveAccess(id=asked.id), "root")
    operations.withdraw(WithdrawAccess(id=asked.id), "root")
    assert ended == ["the approval was withdrawn"]
    with pytest.raises(ConflictError):
        operations.withdraw(WithdrawAccess(id=asked.id), "root")


def test_one_request_at_a_time(operations, asked):
    with pytest.raises(ConflictError):
        operations.request(RequestAccess(user="ada", secret="web1"), "root")


def test_what_cannot_be_demanded_or_is_not_there_is_refused(operations, asked):
    with pytest.raises(InvalidError):
        operations.set_demands(SetDemands(secret="web1", demands=("tea",)), "root")
    with pytest.raises(NotFoundError):
        operations.request(RequestAccess(user="ada", secret="nowhere"), "root")


def until(database, clock, who="ada", **given):
    request = IssueCredential(user="ada", secret="web1", **given)
    with database.transaction() as session:
        return approvals.check_pair(session, request, Act(who, clock.now()))


def test_nobody_gives_himself_a_pair_that_skips_the_question(
    operations, asked, database, clock
):
    with pytest.raises(DeniedError, match="demands another person's approval"):
        until(database, clock)
    assert until(database, clock, "root") is None
    approved = operations.approve(ApproveAccess(id=asked.id), "root")
    assert until(database, clock) == approved.expires_at


def test_whoever_takes_a_pair_gives_the_reasons_that_are_demanded(operations, database, clock):
    operations.set_demands(SetDemands(secret="web1", demands=("ticket", "comment")), "root")
    with pytest.raises(DeniedError, match="demands ticket each time"):
        until(database, clock, comment="disk full", ticket=" ")
    until(database, clock, comment="disk full", ticket="INC-7")
    with database.read() as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.id.desc())).first()
        assert (last.action, last.detail) == (
            "credential.explained",
            "comment: disk full; ticket: INC-7",
        )


def test_what_is_demanded_is_said_with_the_request(operations):
    with pytest.raises(InvalidError, match="demands comment"):
        operations.request(RequestAccess(user="ada", secret="web1"), "root")


def test_a_pair_ends_with_the_approval_that_it_came_from(
    operations, asked, database, clock, vault
):
    operations.approve(ApproveAccess(id=asked.id), "root")
    request = IssueCredential(user="ada", secret="web1", ttl_s=8 * 3600)
    gateways = Gateways(host="gate", ports={TargetProtocol.SSH: 22})
    with database.transaction() as session:
        until = approvals.check_pair(session, request, Act("ada", clock.now()))
        pair = credentials.issue(session, vault, gateways, request, clock.now(), until=until)
    assert pair.expires_at == until
    operations.withdraw(WithdrawAccess(id=asked.id, user="ada"), "ada")
    with database.read() as session:
        assert [one.state for one in credentials.list_all(session, clock.now())] == ["revoked"]


def test_nobody_withdraws_what_another_asked_for(operations, asked):
    with pytest.raises(NotFoundError):
        operations.withdraw(WithdrawAccess(id=asked.id, user="root"), "root")


@pytest.fixture
def session_id(operations, database, clock):
    """A session of ada that is over."""
    row = SessionRow(
        id=uuid4(),
        protocol="ssh",
        state="finished",
        user="ada",
        secret="web1",
        target="web1:22",
        site="default",
        engine="engine-1",
        client_address="192.0.2.7",
        started_at=clock.now(),
        chunks=0,
        input_bytes=0,
        output_bytes=0,
        chain_broken=False,
    )
    with database.transaction() as session:
        session.add(row)
        return row.id


@pytest.fixture
def viewing(operations, session_id):
    return operations.request_viewing(
        RequestViewing(user="ada", session=session_id, comment="an incident"), "ada"
    )


def may_view(database, clock, user="ada"):
    with database.read() as session:
        return approvals.may_view(session, user, clock.now())


def test_another_person_lets_somebody_see_a_recording_for_a_while(
    operations, viewing, session_id, database, clock
):
    with pytest.raises(DeniedError):
        operations.approve(ApproveViewing(id=viewing.id), "ada")
    assert may_view(database, clock) == set()
    operations.approve(ApproveViewing(id=viewing.id, for_s=60), "root")
    assert may_view(database, clock) == {session_id}
    assert may_view(database, clock, "root") == set()
    clock.advance(61)
    assert may_view(database, clock) == set()


def test_an_approval_to_view_is_none_to_launch_and_ends_no_session(
    operations, viewing, ended, database, clock
):
    operations.approve(ApproveViewing(id=viewing.id), "root")
    with pytest.raises(DeniedError):
        until(database, clock)
    operations.withdraw(WithdrawAccess(id=viewing.id), "root")
    assert ended == []
    assert may_view(database, clock) == set()


def test_who_may_decide_about_viewings_does_not_open_secrets(operations, asked):
    with pytest.raises(NotFoundError):
        operations.approve(ApproveViewing(id=asked.id), "audrey")
