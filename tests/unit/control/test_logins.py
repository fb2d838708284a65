import hashlib
from uuid import UUID

import pytest

from control import logins, users
from control.account_requests import CreateToken
from control.errors import NotFoundError
from control.requests import AddUser
from storage.account_tables import LoginRow, TokenRow

from .conftest import ARGON2


@pytest.fixture
def ada(database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        session.flush()
        return users.find(session, "ada").id


@pytest.fixture
def begin(database, clock, ada):
    def begin(*, second_factor: bool = False) -> str:
        with database.transaction() as session:
            return logins.begin(
                session, ada, "192.0.2.1", clock.now(), second_factor=second_factor
            )

    return begin


@pytest.fixture
def find(database, clock):
    def find(presented: str):
        with database.read() as session:
            return logins.find(session, presented, clock.now())

    return find


@pytest.fixture
def token(database, clock, ada):
    with database.transaction() as session:
        request = CreateToken(user="ada", name="backup", ttl_s=60)
        return logins.create_token(session, request, clock.now())


def find_token(database, clock, text):
    with database.read() as session:
        return logins.find_token(session, text, clock.now())


def test_a_cookie_says_who_it_is_and_what_it_was_given_for(begin, find, clock):
    found = find(begin())
    assert found.known.name == "ada"
    assert not found.second_factor_given
    assert not found.needs_second_factor
    assert found.proved_at == clock.now()
    assert find("made up") is None


def test_the_database_does_not_hold_what_is_presented(begin, database, token):
    presented = begin()
    with database.read() as session:
        held = str([vars(row) for row in (*session.query(LoginRow), *session.query(TokenRow))])
    assert presented not in held
    assert token.token not in held
    assert token.token not in repr(token)


def test_who_is_idle_is_logged_out(begin, find, clock):
    presented = begin()
    clock.advance(logins.IDLE_LIMIT.total_seconds() + 1)
    assert find(presented) is None


def test_who_stays_is_logged_out_in_the_end(begin, find, clock, database):
    presented = begin()
    for _ in range(25):
        clock.advance(logins.IDLE_LIMIT.total_seconds() - 1)
        digest = found.digest if (found := find(presented)) else b""
        with database.transaction() as session:
            logins.touch(session, digest, clock.now())
    assert find(presented) is None


def test_logging_in_forgets_those_who_left(begin, clock, database):
    begin()
    clock.advance(logins.LONGEST.total_seconds() + 1)
    begin()
    with database.read() as session:
        assert session.query(LoginRow).count() == 1


def test_a_log_in_is_ended_alone_or_with_all_the_others(begin, find, database, ada):
    first, second, third = begin(), begin(), begin()
    with database.transaction() as session:
        logins.end(session, find(first).digest)
    assert find(first) is None
    with database.transaction() as session:
        logins.end_all(session, ada, but=find(second).digest)
    assert find(second)
    assert find(third) is None


def test_proving_oneself_is_noted(begin, find, database, clock):
    presented = begin()
    clock.advance(100)
    with database.transaction() as session:
        logins.prove(session, find(presented).digest, clock.now(), second_factor=True)
    assert find(presented).second_factor_given
    assert find(presented).proved_at == clock.now()


def test_a_disabled_user_s_cookies_and_tokens_are_good_for_nothing(
    begin, find, database, clock, token
):
    presented = begin()
    with database.transaction() as session:
        users.disable(session, "ada")
    assert find(presented) is None
    assert find_token(database, clock, token.token) is None


def test_a_token_is_good_until_it_expires(token, database, clock):
    found = find_token(database, clock, token.token)
    assert found.known.name == "ada"
    assert found.by_token
    clock.advance(61)
    assert find_token(database, clock, token.token) is None


def test_a_token_is_taken_back_by_its_owner_and_by_nobody_else(token, database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="eve", password=""), ARGON2, clock.now())
    with database.transaction() as session, pytest.raises(NotFoundError):
        logins.revoke_token(session, token.id, "eve", clock.now())
    with database.transaction() as session:
        assert logins.revoke_token(session, token.id, "ada", clock.now()) == "backup"
    assert find_token(database, clock, token.token) is None
    with database.read() as session:
        assert [one.state for one in logins.list_tokens(session, "ada", clock.now())] == [
            "revoked"
        ]


def test_the_last_use_of_a_token_is_noted_to_the_minute(token, database, clock):
    digest = find_token(database, clock, token.token).digest
    with database.transaction() as session:
        assert logins.token_is_stale(session, digest, clock.now())
        logins.touch_token(session, digest, clock.now())
        assert not logins.token_is_stale(session, digest, clock.now())
    with database.read() as session:
        assert logins.list_tokens(session, None, clock.now())[0].used_at == clock.now()


def test_a_log_in_and_a_token_stand_for_their_user_and_while_they_are_good(
    begin, token, database, clock, ada
):
    cookie = hashlib.sha256(begin().encode()).digest()
    bearer = hashlib.sha256(token.token.encode()).digest()

    def stand(user_id):
        with database.read() as session:
            now = clock.now()
            return [logins.stands(session, one, user_id, now) for one in (cookie, bearer, b"")]

    assert stand(ada) == [True, True, False]
    assert stand(UUID(int=7)) == [False, False, False]
    clock.advance(61)
    assert stand(ada) == [True, False, False]
    clock.advance(30 * 60)
    assert stand(ada) == [False, False, False]
