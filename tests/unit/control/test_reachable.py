import pytest

from control import access, reachable, secrets
from control.errors import NotFoundError

from .conftest import presented, web1


@pytest.fixture
def seen(database, issue):
    def seen():
        with database.read() as session:
            return reachable.list_for(session, "ada")

    return seen


def test_only_what_he_has_access_to_is_there(seen, database, vault, clock):
    with database.transaction() as session:
        for name in ("db1", "app1"):
            secrets.add(session, vault, web1(name=name), clock.now())
        session.flush()
        access.grant(session, "ada", "app1", clock.now())
    assert [one.name for one in seen()] == ["app1", "web1"]


def test_favourites_come_first_until_they_are_none(seen, database, vault, clock):
    with database.transaction() as session:
        secrets.add(session, vault, web1(name="app1"), clock.now())
        session.flush()
        access.grant(session, "ada", "app1", clock.now())
        for _ in range(2):
            reachable.set_favourite(session, "ada", "web1", is_favourite=True)
            session.flush()
    assert [one.name for one in seen()] == ["web1", "app1"]
    with database.transaction() as session:
        reachable.set_favourite(session, "ada", "web1", is_favourite=False)
    assert [one.name for one in seen()] == ["app1", "web1"]


def test_what_he_may_not_use_is_no_favourite_and_does_not_exist_for_him(database, issue):
    with database.transaction() as session, pytest.raises(NotFoundError, match="no access"):
        reachable.set_favourite(session, "ada", "db1", is_favourite=True)


def test_when_it_was_last_used_is_shown(seen, issue, grants, clock):
    grants.redeem(presented(issue()))
    assert seen()[0].used_at == clock.now()


def test_a_secret_that_goes_takes_its_favourites_with_it(seen, database):
    with database.transaction() as session:
        reachable.set_favourite(session, "ada", "web1", is_favourite=True)
    with database.transaction() as session:
        secrets.remove(session, "web1")
    assert seen() == []
