"""Each act on an account: what it does, and what trace it leaves."""

import pytest

from control import account_requests as ask
from control import logins, second_factors, users
from control.account_operations import AccountOperations
from control.audit import Act
from control.errors import InvalidError, NotFoundError
from storage.account_tables import LoginRow
from storage.tables import AuditRow

from .test_users import GOOD


@pytest.fixture
def do(database, clock, issue):
    operations = AccountOperations(database, lambda who: Act(who, clock.now()))

    def do(request):
        return operations.handlers()[type(request)](request, "operator")

    return do


@pytest.fixture
def trail(database):
    def trail():
        with database.read() as session:
            return [(row.action, row.subject) for row in session.query(AuditRow)]

    return trail


@pytest.fixture
def logged_in(database, clock, do):
    with database.transaction() as session:
        user_id = users.find(session, "ada").id
        logins.begin(session, user_id, "192.0.2.1", clock.now(), second_factor=False)


def logins_left(database) -> int:
    with database.read() as session:
        return session.query(LoginRow).count()


def test_a_new_password_logs_out_and_must_be_changed(do, database, trail, logged_in):
    do(ask.SetPassword(name="ada", password=GOOD))
    with database.read() as session:
        row = users.find(session, "ada")
    assert users.verifies(row.password_hash, GOOD)
    assert row.must_change_password
    assert logins_left(database) == 0
    assert trail()[-1] == ("user.password_set", "ada")


def test_a_reset_of_the_second_factor_logs_out(do, database, vault, trail, logged_in):
    with database.transaction() as session:
        user_id = users.find(session, "ada").id
        second_factors.begin(session, vault, user_id, "ada", "bastion")
    do(ask.ResetSecondFactor(name="ada"))
    assert logins_left(database) == 0
    assert trail()[-1] == ("user.second_factor_reset", "ada")


def test_a_user_is_let_in_again_and_gets_another_role(do, database, trail):
    with database.transaction() as session:
        users.disable(session, "ada")
    do(ask.EnableUser(name="ada"))
    changed = do(ask.SetRole(name="ada", role="auditor"))
    assert (changed.role, changed.disabled) == ("auditor", False)
    assert trail()[-2:] == [("user.enabled", "ada"), ("user.role_changed", "ada")]
    with pytest.raises(InvalidError, match="choose user"):
        do(ask.SetRole(name="ada", role="root"))


def test_tokens_are_made_listed_and_taken_back(do, trail):
    issued = do(ask.CreateToken(user="ada", name="backup"))
    assert [one.name for one in do(ask.ListTokens(user="ada"))] == ["backup"]
    do(ask.RevokeToken(id=issued.id))
    assert trail()[-2:] == [("token.created", issued.id), ("token.revoked", issued.id)]


def test_a_user_sees_the_secrets_he_may_use_favourites_first(do):
    [secret] = do(ask.ListReachable(user="ada"))
    assert (secret.name, secret.is_favourite, secret.used_at) == ("web1", False, None)
    do(ask.SetFavourite(user="ada", secret="web1"))
    assert do(ask.ListReachable(user="ada"))[0].is_favourite
    with pytest.raises(NotFoundError, match="no access"):
        do(ask.SetFavourite(user="ada", secret="db1"))
