"""What a passkey must answer. That a browser's does is shown in tests/e2e/test_page.py."""

import datetime as dt
import json
from uuid import uuid4

import pytest
from webauthn.helpers import bytes_to_base64url

from control import passkeys, users
from control.errors import ConflictError, DeniedError, NotFoundError
from control.log_in import known
from control.passkeys import Challenges, Passkeys
from control.requests import AddUser
from storage.account_tables import PasskeyRow

from .conftest import ARGON2

HERE = "https://bastion.example.org"


@pytest.fixture
def ada(database, clock):
    with database.transaction() as session:
        users.add(session, AddUser(name="ada", password=""), ARGON2, clock.now())
        session.flush()
        return known(session, users.find(session, "ada"))


@pytest.fixture
def ours(vault):
    return Passkeys(vault, "bastion.example.org")


def answer_to(challenge: str, **more: object) -> dict[str, object]:
    said = {"type": "webauthn.get", "challenge": challenge, "origin": HERE}
    packed = bytes_to_base64url(json.dumps(said).encode())
    return {"rawId": "AAAA", "id": "AAAA", "response": {"clientDataJSON": packed}, **more}


def test_a_challenge_is_taken_once_and_in_time(vault, clock):
    challenges = Challenges(vault)
    challenge = challenges.make(clock.now())
    assert challenges.spend(challenge, clock.now())
    assert not challenges.spend(challenge, clock.now())
    late = challenges.make(clock.now())
    assert not challenges.spend(late, clock.now() + dt.timedelta(minutes=6))


def test_another_control_node_takes_it_too_and_nobody_can_make_one(vault, clock):
    challenge = Challenges(vault).make(clock.now())
    assert Challenges(vault).spend(challenge, clock.now())
    altered = challenge[:16] + bytes(8 * [255]) + challenge[24:]
    for made_up in (altered, b"", bytes(56)):
        assert not Challenges(vault).spend(made_up, clock.now())


def test_the_options_name_the_node_and_want_a_verified_owner(ours, database, ada, clock):
    with database.read() as session:
        new = ours.new_options(session, ada, "bastion.example.org", clock.now())
    asked = ours.login_options("bastion.example.org", clock.now())
    assert new["rp"]["id"] == asked["rpId"] == "bastion.example.org"
    assert new["authenticatorSelection"]["userVerification"] == "required"
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == [], "it says who has a passkey"


def test_an_answer_from_nobody_is_refused(ours, database, clock):
    challenge = ours.login_options("bastion.example.org", clock.now())["challenge"]
    with database.transaction() as session, pytest.raises(DeniedError, match="not known here"):
        ours.log_in(session, answer_to(challenge), HERE, clock.now())


@pytest.mark.parametrize(
    "nonsense", [{}, {"response": 5}, {"response": {"clientDataJSON": "%"}}, answer_to("AAAA")]
)
def test_nonsense_is_refused(ours, database, ada, clock, nonsense):
    with database.transaction() as session:
        with pytest.raises(DeniedError):
            ours.log_in(session, nonsense, HERE, clock.now())
        with pytest.raises(DeniedError):
            ours.register(session, ada, nonsense, "x", HERE, clock.now())


def test_a_passkey_that_was_not_signed_by_its_key_is_refused(ours, database, ada, clock):
    with database.transaction() as session:
        session.add(row(ada.id, b"\0\0\0"))
    challenge = ours.login_options("bastion.example.org", clock.now())["challenge"]
    forged = answer_to(challenge, type="public-key")
    with database.transaction() as session, pytest.raises(DeniedError):
        ours.log_in(session, forged, HERE, clock.now())


def test_its_owner_alone_removes_it_and_has_not_too_many(ours, database, ada, clock):
    with database.transaction() as session:
        for number in range(20):
            session.add(row(ada.id, bytes([number])))
    with database.transaction() as session:
        with pytest.raises(ConflictError, match="remove one first"):
            ours.new_options(session, ada, "x", clock.now())
        with pytest.raises(NotFoundError):
            passkeys.remove(session, uuid4(), b"\1")
        assert passkeys.remove(session, ada.id, b"\1") == "mine"


def row(user_id, passkey_id: bytes) -> PasskeyRow:
    return PasskeyRow(
        id=passkey_id,
        user_id=user_id,
        name="mine",
        public_key=b"no key",
        sign_count=0,
        created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        used_at=None,
    )


@pytest.mark.parametrize(
    ("origin", "name"),
    [("https://a.example", "a.example"), ("https://localhost:8443", "localhost")],
)
def test_the_name_in_an_origin(origin, name):
    assert passkeys.name_in(origin) == name
