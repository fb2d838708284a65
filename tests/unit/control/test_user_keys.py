"""Public keys of users: which are taken, and which count."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from control import user_keys, users
from control.errors import ConflictError, InvalidError, NotFoundError
from control.requests import AddUser

from .conftest import ARGON2


def line_of(private) -> str:
    public = private.public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


KEY = line_of(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LINE = f"{KEY} bea@laptop"


@pytest.fixture
def session(database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password=""), ARGON2, clock.now())
    with database.transaction() as session:
        yield session


def test_a_key_is_called_by_its_comment(session, clock):
    added = user_keys.add(session, "bea", LINE, "", clock.now(), None)
    assert (added.name, added.kind) == ("bea@laptop", "ssh-ed25519")
    assert user_keys.list_all(session, "bea") == [added]


def test_a_key_counts_for_its_user_alone(session, clock):
    user_keys.add(session, "bea", LINE, "", clock.now(), None)
    assert user_keys.belongs(session, "bea", KEY, clock.now())
    assert not user_keys.belongs(session, "carl", KEY, clock.now())


def test_a_key_counts_until_it_expires(session, clock):
    user_keys.add(session, "bea", LINE, "", clock.now(), 60)
    assert user_keys.use(session, "bea", KEY, clock.now())
    clock.advance(61)
    assert not user_keys.use(session, "bea", KEY, clock.now())


def test_a_key_of_a_disabled_user_does_not_count(session, clock):
    user_keys.add(session, "bea", LINE, "", clock.now(), None)
    users.disable(session, "bea")
    assert not user_keys.belongs(session, "bea", KEY, clock.now())


def test_a_key_that_was_removed_does_not_count(session, clock):
    added = user_keys.add(session, "bea", LINE, "", clock.now(), None)
    user_keys.remove(session, "bea", added.fingerprint)
    assert not user_keys.belongs(session, "bea", KEY, clock.now())
    with pytest.raises(NotFoundError):
        user_keys.remove(session, "bea", added.fingerprint)


def test_a_key_is_given_once(session, clock):
    user_keys.add(session, "bea", LINE, "", clock.now(), None)
    with pytest.raises(ConflictError):
        user_keys.add(session, "bea", KEY, "again", clock.now(), None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_is_no_key_is_refused(session, clock, line):
    with pytest.raises(InvalidError):
        user_keys.add(session, "bea", line, "", clock.now(), None)


def test_a_short_rsa_key_is_refused(session, clock):
    short = line_of(generate_private_key(65537, 1024))  # noqa: S505 - that is the point
    with pytest.raises(InvalidError, match="2048"):
        user_keys.add(session, "bea", short, "", clock.now(), None)
