"""Requests for access, as operators decide about them."""

import pytest
from sqlalchemy import select

from control import access, approvals, secrets, users
from control.approval_operations import ApprovalOperations
from control.approval_requests import (
    ApproveAccess,
    DenyAccess,
    ListAccessRequests,
    RequestAccess,
    SetDemands,
    WithdrawAccess,
)
from control.audit import Act
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from control.requests import AddUser
from storage.tables import AuditRow

from .conftest import ARGON2, web1


@pytest.fixture
def ended():
    return []


@pytest.fixture
def operations(database, vault, clock, ended):
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        secrets.add(session, vault, web1(), clock.now())
        session.flush()
        access.grant(session, "ada", "web1", clock.now())
    operations = ApprovalOperations(
        database, lambda who: Act(who, clock.now()), lambda rows, why: ended.append(why)
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


def test_nobody_gives_himself_a_pair_that_skips_the_question(operations, database):
    with database.read() as session:
        with pytest.raises(DeniedError, match="demands comment and approval each time"):
            approvals.check_pair(session, "ada", "ada", "web1")
        approvals.check_pair(session, "root", "ada", "web1")
