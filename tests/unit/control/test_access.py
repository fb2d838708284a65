import pytest

from control import access
from control.errors import NotFoundError


def test_access_is_granted_once_and_listed(issue, database, clock):
    with database.transaction() as session:
        first = access.grant(session, "ada", "web1", clock.now())
    clock.advance(5)
    with database.transaction() as session:
        assert access.grant(session, "ada", "web1", clock.now()) == first
    with database.read() as session:
        assert access.list_all(session) == [first]


def test_access_that_was_not_there_cannot_be_revoked(issue, database):
    with database.transaction() as session:
        access.revoke(session, "ada", "web1")
        with pytest.raises(NotFoundError, match="`proxyd access list` shows who has"):
            access.revoke(session, "ada", "web1")
        with pytest.raises(NotFoundError, match="`proxyd user list` shows them"):
            access.revoke(session, "bob", "web1")
