"""Groups: who reaches what by one, and what ends where he no longer does."""

import pytest
from sqlalchemy import select

from bus.contract import Grant
from control import access, reachable
from control import group_requests as group
from control import requests as ask
from control.errors import ConflictError, DeniedError, NotFoundError
from storage.tables import AuditRow

from .conftest import presented, web1
from .test_users import GOOD


@pytest.fixture
def do(operations):
    return lambda request: list(operations.carry_out(request, "operator"))


@pytest.fixture
def joined(do):
    """The user ada, who reaches web1 by the group operators."""
    do(web1())
    do(ask.AddUser(name="ada", password=GOOD))
    do(group.AddGroup(name="operators"))
    do(group.GrantToGroup(group="operators", secret="web1"))
    do(group.JoinGroup(group="operators", user="ada"))


@pytest.fixture
def pair(do, joined):
    return do(ask.IssueCredential(secret="web1", user="ada", uses=9))[0]


def test_whoever_is_in_a_group_uses_its_secrets(pair, grants, database):
    assert isinstance(grants.redeem(presented(pair)), Grant)
    with database.read() as session:
        assert [one.name for one in reachable.list_for(session, "ada")] == ["web1"]


def test_groups_are_listed_with_who_is_in_them_and_what_they_reach(do, joined):
    [one] = do(group.ListGroups())
    assert (one.name, one.users, one.secrets) == ("operators", ("ada",), ("web1",))
    do(ask.GrantAccess(user="ada", secret="web1"))
    listed = [(one.user, one.secret, one.group) for one in do(ask.ListAccess())]
    assert listed == [("ada", "web1", None), ("ada", "web1", "operators")]


ENDS = (
    group.LeaveGroup(group="operators", user="ada"),
    group.RevokeFromGroup(group="operators", secret="web1"),
    group.RemoveGroup(name="operators"),
)


@pytest.mark.parametrize("request_", ENDS, ids=lambda one: type(one).__name__)
def test_who_no_longer_reaches_it_by_the_group_is_cut_off(do, pair, grants, world, request_):
    live = grants.redeem(presented(pair))
    do(request_)
    assert world.ended == [(live.session_id, "access revoked")]
    assert not isinstance(grants.redeem(presented(pair)), Grant)
    with pytest.raises(DeniedError):
        do(ask.IssueCredential(secret="web1", user="ada"))


@pytest.mark.parametrize("request_", ENDS, ids=lambda one: type(one).__name__)
def test_who_still_reaches_it_in_another_way_stays(do, pair, grants, world, request_):
    do(ask.GrantAccess(user="ada", secret="web1"))
    grants.redeem(presented(pair))
    do(request_)
    assert world.ended == []
    assert isinstance(grants.redeem(presented(pair)), Grant)


def test_access_of_ones_own_that_is_revoked_leaves_that_of_the_group(do, pair, grants, world):
    do(ask.GrantAccess(user="ada", secret="web1"))
    do(ask.RevokeAccess(user="ada", secret="web1"))
    assert isinstance(grants.redeem(presented(pair)), Grant)
    with pytest.raises(NotFoundError, match="by which group"):
        do(ask.RevokeAccess(user="ada", secret="web1"))


def test_a_secret_that_is_removed_leaves_its_groups(do, joined):
    do(ask.RemoveSecret(name="web1"))
    assert do(group.ListGroups())[0].secrets == ()


def test_what_is_twice_or_not_there_is_said(do, joined):
    with pytest.raises(ConflictError):
        do(group.AddGroup(name="operators"))
    do(group.JoinGroup(group="operators", user="ada"))
    do(group.GrantToGroup(group="operators", secret="web1"))
    for request in (
        group.JoinGroup(group="nobody", user="ada"),
        group.JoinGroup(group="operators", user="bob"),
        group.LeaveGroup(group="operators", user="bob"),
        group.GrantToGroup(group="operators", secret="db1"),
        group.RemoveGroup(name="nobody"),
    ):
        with pytest.raises(NotFoundError):
            do(request)
    do(group.LeaveGroup(group="operators", user="ada"))
    with pytest.raises(NotFoundError, match="is not in group"):
        do(group.LeaveGroup(group="operators", user="ada"))
    do(group.RevokeFromGroup(group="operators", secret="web1"))
    with pytest.raises(NotFoundError, match="has no access"):
        do(group.RevokeFromGroup(group="operators", secret="web1"))


def test_each_act_leaves_its_trace(do, joined, database):
    do(group.LeaveGroup(group="operators", user="ada"))
    do(group.RevokeFromGroup(group="operators", secret="web1"))
    do(group.RemoveGroup(name="operators"))
    with database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
    assert [(row.action, row.subject, row.detail) for row in rows[2:]] == [
        ("group.added", "operators", ""),
        ("access.granted", "web1", "to group operators"),
        ("group.joined", "operators", "ada"),
        ("group.left", "operators", "ada"),
        ("access.revoked", "web1", "from group operators"),
        ("group.removed", "operators", ""),
    ]


def test_somebody_elses_group_is_not_ones_own(do, joined, database):
    do(ask.AddUser(name="bob", password=GOOD))
    with database.read() as session:
        assert reachable.list_for(session, "bob") == []
        assert [one.user for one in access.list_all(session)] == ["ada"]
