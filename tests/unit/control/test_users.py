import pytest

from control import users
from control.errors import ConflictError, InvalidError
from control.requests import AddUser

from .conftest import ARGON2

GOOD = "a sentence of its own"


@pytest.fixture
def add(database, clock):
    def add(name="ada", **terms):
        with database.transaction() as session:
            request = AddUser(name=name, password="", **terms)
            return users.add(session, request, ARGON2, clock.now())

    return add


def test_a_password_is_kept_as_argon2id():
    kept = users.hash_password(GOOD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert users.verifies(kept, GOOD)
    assert not users.verifies(kept, GOOD + ".")
    assert not users.verifies("not a hash", GOOD)


@pytest.mark.parametrize("password", ["", "eleven char", "é" * 11])
def test_a_short_password_is_refused_with_the_rule(password):
    with pytest.raises(InvalidError, match="fewer than 12 characters"):
        users.hash_password(password)


def test_an_endless_password_is_refused():
    with pytest.raises(InvalidError, match="longer than 1024 bytes"):
        users.hash_password("a" * 1025)


def test_a_name_is_taken_once(add):
    add()
    with pytest.raises(ConflictError, match="a user named `ada` already"):
        add()


def test_an_unknown_role_is_refused_with_those_there_are(add):
    with pytest.raises(InvalidError, match="choose user, auditor, admin"):
        add(role="root")


def test_users_are_listed_by_name(add, database):
    for name in ("bob", "ada"):
        add(name, role="auditor")
    with database.transaction() as session:
        users.disable(session, "bob")
        users.disable(session, "bob")
    with database.read() as session:
        listed = [(user.name, user.role, user.disabled) for user in users.list_all(session)]
    assert listed == [("ada", "auditor", False), ("bob", "auditor", True)]
