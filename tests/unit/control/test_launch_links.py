import datetime as dt
import hashlib
import threading

import pytest

from control import access, launch_links, logins, secrets, users
from control.credentials import Gateways
from control.errors import ConflictError, DeniedError
from control.launch_requests import TOKEN_CHARACTERS, MakeLaunchLink
from control.requests import AddUser
from recorder.session_info import TargetProtocol
from storage.account_tables import LaunchLinkRow, LoginRow

from .conftest import ARGON2, web1

GATEWAYS = Gateways(host="gate", ports={TargetProtocol.SSH: 22})
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def login(database, vault, clock) -> bytes:
    """Of ada, who may reach web1; the digest of her log-in."""
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        secrets.add(session, vault, web1(), clock.now())
        session.flush()
        access.grant(session, "ada", "web1", clock.now())
        ada = users.find(session, "ada").id
        presented = logins.begin(session, ada, "192.0.2.1", clock.now(), second_factor=False)
    return hashlib.sha256(presented.encode()).digest()


@pytest.fixture
def make(database, clock, login):
    def make(**other):
        request = MakeLaunchLink(**({"secret": "web1", "user": "ada", "login": login} | other))
        with database.transaction() as session:
            return launch_links.make(session, GATEWAYS, request, clock.now())

    return make


@pytest.fixture
def take(database, clock):
    def take(path):
        with database.transaction() as session:
            return launch_links.take(session, path.rpartition("/")[2], clock.now())

    return take


def test_a_link_has_192_random_bits_and_the_database_has_none_of_them(make, database):
    links = {make().path for _ in range(5)}
    assert len(links) == 5
    tokens = [path.removeprefix("/launch/") for path in links]
    assert {len(token) for token in tokens} == {TOKEN_CHARACTERS}
    with database.read() as session:
        rows = session.query(LaunchLinkRow).all()
    assert {row.digest for row in rows} == {
        hashlib.sha256(token.encode()).digest() for token in tokens
    }


def test_a_link_is_good_once(make, take):
    path = make().path
    assert take(path).wanted.user == "ada"
    with pytest.raises(DeniedError):
        take(path)


def test_what_was_said_when_it_was_made_comes_with_it(make, take):
    wanted = take(make(comment="why", ticket="T-1").path).wanted
    assert (wanted.secret, wanted.user, wanted.uses) == ("web1", "ada", 1)
    assert (wanted.comment, wanted.ticket, wanted.ttl_s) == ("why", "T-1", 120)


def test_a_link_is_good_for_a_minute(make, take, clock):
    first, second = make().path, make().path
    clock.advance(59)
    assert take(first)
    clock.advance(1)
    with pytest.raises(DeniedError):
        take(second)


def test_a_link_is_over_with_the_log_in_that_it_was_made_from(make, take, database, login):
    path = make().path
    with database.transaction() as session:
        logins.end(session, login)
    with pytest.raises(DeniedError, match="log-in"):
        take(path)


def test_a_log_in_of_somebody_else_makes_no_link(make, database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password=""), ARGON2, clock.now())
        session.flush()
        bea = users.find(session, "bea").id
        logins.begin(session, bea, "192.0.2.1", clock.now(), second_factor=False)
        theirs = session.query(LoginRow).where(LoginRow.user_id == bea).one().digest
    for login in (theirs, b"made up"):
        with pytest.raises(DeniedError):
            make(login=login)


def test_a_link_is_made_only_for_what_a_credential_would_be_issued_for(
    make, database, vault, clock
):
    with database.transaction() as session:
        secrets.add(session, vault, web1(name="web2"), clock.now())
        desktop = web1(name="pc", protocol=TargetProtocol.RDP)
        secrets.add(session, vault, desktop, clock.now())
        session.flush()
        access.grant(session, "ada", "pc", clock.now())
    with pytest.raises(DeniedError):
        make(secret="web2")
    with pytest.raises(ConflictError, match="no gateway"):
        make(secret="pc")


def test_of_many_who_follow_a_link_at_once_one_gets_in(make, take):
    path, together, taken = make().path, threading.Barrier(4), []

    def follow():
        together.wait(10)
        try:
            taken.append(take(path))
        except DeniedError:
            taken.append(None)

    threads = [threading.Thread(target=follow, name=f"follower {n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(taken) == 4
    assert sum(one is not None for one in taken) == 1


def test_links_that_are_over_are_forgotten_when_others_are_made(make, database, clock):
    make()
    clock.advance(3600 + 61)
    with pytest.raises(DeniedError):
        make()  # The log-in has idled for too long by then.
    with database.transaction() as session:
        session.query(LoginRow).update({LoginRow.seen_at: clock.now()})
    make()
    with database.read() as session:
        assert session.query(LaunchLinkRow).count() == 1
