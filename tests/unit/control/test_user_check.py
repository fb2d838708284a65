"""From one proof to the next, until it is known who somebody is."""

import pyotp
import pytest

from bus.contract import DenialReason, Denied, Done
from bus.own_account import (
    Asks,
    ContinueLogon,
    LogonContinues,
    UserValidated,
    ValidateKey,
    ValidateUser,
    answer_info,
    password_info,
)
from bus.sealed import SealError, seal
from control import second_factors, user_keys, users
from control.errors import DeniedError
from control.log_in import LogIn
from control.logons import Logons
from control.requests import AddUser
from control.user_check import UserCheck

from .test_user_keys import KEY, LINE

PASSWORD = "a sentence of hers"
ANOTHER = "another sentence of hers"


@pytest.fixture(scope="session")
def hashed():
    return users.hash_password(PASSWORD)


@pytest.fixture
def check(database, vault, clock, hashed):
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password="", role="user"), hashed, clock.now())
    return UserCheck(LogIn(database, vault, clock), database, vault, clock)


@pytest.fixture
def device(check, database, vault, clock):
    """What bea's device shows; a minute after it was confirmed."""
    with database.transaction() as session:
        bea = users.find(session, "bea").id
        totp = pyotp.TOTP(second_factors.begin(session, vault, bea, "bea", "bastion").key)
        second_factors.confirm(session, vault, bea, totp.at(clock.now()), clock.now())
    clock.advance(60)
    return totp


def ask(check: UserCheck, name: str, password: str, sealed_for: str | None = None):
    info = password_info(sealed_for or name)
    return check.validate(
        ValidateUser(
            engine_id="engine-1",
            site="default",
            username=name,
            sealed_password=seal(check.public, password.encode(), info),
            client_address="192.0.2.1",
        )
    )


def answer(check: UserCheck, asked: LogonContinues, text: str, engine: str = "engine-1"):
    return check.go_on(
        ContinueLogon(
            engine_id=engine,
            site="default",
            ticket=asked.ticket,
            sealed_answer=seal(check.public, text.encode(), answer_info(asked.ticket)),
            client_address="192.0.2.1",
        )
    )


def key(check: UserCheck, line: str, *, signed: bool, user: str = "bea"):
    request = ValidateKey(
        engine_id="engine-1",
        site="default",
        username=user,
        public_key=line,
        client_address="192.0.2.1",
        signed=signed,
    )
    return check.signed(request) if signed else check.offer(request)


def test_a_user_is_who_his_password_says(check, vault, clock):
    validated = ask(check, "bea", PASSWORD)
    assert isinstance(validated, UserValidated)
    assert (validated.user, validated.role) == ("bea", "user")
    assert Logons(vault).logon(validated.logon, "engine-1", clock.now()).user == "bea"


def test_a_wrong_password_and_an_unknown_name_are_refused(check):
    assert ask(check, "bea", "guess") == Denied(reason=DenialReason.WRONG_PASSWORD)
    assert ask(check, "carl", PASSWORD) == Denied(reason=DenialReason.UNKNOWN)


def test_a_disabled_user_is_refused(check, database):
    with database.transaction() as session:
        users.disable(session, "bea")
    assert isinstance(ask(check, "bea", PASSWORD), Denied)


def test_a_password_sealed_for_one_name_opens_for_no_other(check):
    with pytest.raises(SealError):
        ask(check, "bea", PASSWORD, sealed_for="carl")


def test_every_control_node_of_a_vault_has_the_same_key(check, database, vault, clock):
    other = UserCheck(LogIn(database, vault, clock), database, vault, clock)
    assert other.public == check.public


def test_a_code_is_asked_for_behind_a_right_password_and_a_wrong_one(check, device):
    right, wrong = ask(check, "bea", PASSWORD), ask(check, "bea", "guess")
    assert right.asks == wrong.asks == Asks.PIN


def test_the_right_code_lets_in_behind_the_right_password_alone(check, device, clock):
    code = device.at(clock.now())
    wrong = answer(check, ask(check, "bea", "guess"), code)
    assert wrong == Denied(reason=DenialReason.WRONG_PASSWORD)
    assert answer(check, ask(check, "bea", PASSWORD), code).user == "bea"


def test_a_code_is_good_once(check, device, clock):
    code = device.at(clock.now())
    assert isinstance(answer(check, ask(check, "bea", PASSWORD), code), UserValidated)
    again = answer(check, ask(check, "bea", PASSWORD), code)
    assert again == Denied(reason=DenialReason.WRONG_SECOND_FACTOR)


def test_a_name_that_is_nobody_s_is_asked_for_a_code_as_often_as_users_are(check, device):
    # Everybody, bea, has a second factor.
    assert ask(check, "carl", PASSWORD).asks == Asks.PIN
    assert isinstance(answer(check, ask(check, "carl", PASSWORD), "123456"), Denied)


def test_a_logon_is_gone_on_with_at_the_engine_that_began_it_alone(check, device):
    with pytest.raises(DeniedError):
        answer(check, ask(check, "bea", PASSWORD), "123456", engine="engine-2")


def test_a_logon_that_takes_too_long_is_over(check, device, clock):
    asked = ask(check, "bea", PASSWORD)
    clock.advance(601)
    with pytest.raises(DeniedError):
        answer(check, asked, device.at(clock.now()))


def test_where_a_second_factor_is_demanded_who_has_none_does_not_come_in(
    check, database, vault, clock
):
    strict = UserCheck(
        LogIn(database, vault, clock), database, vault, clock, demands_second_factor=True
    )
    asked = ask(strict, "bea", PASSWORD)
    assert "page" in asked.detail
    assert isinstance(answer(strict, asked, "123456"), Denied)


def test_a_password_that_must_be_changed_is(check, database, clock):
    with database.transaction() as session:
        users.find(session, "bea").must_change_password = True
    asked = ask(check, "bea", PASSWORD)
    assert asked.asks == Asks.NEW_PASSWORD
    short = answer(check, asked, "short")
    assert "fewer than" in short.detail
    assert "old one" in answer(check, short, PASSWORD).detail
    assert isinstance(answer(check, short, ANOTHER), UserValidated)
    assert isinstance(ask(check, "bea", ANOTHER), UserValidated)


@pytest.fixture
def with_key(check, database, clock):
    with database.transaction() as session:
        user_keys.add(session, "bea", LINE, "", clock.now(), None)
    return check


def test_a_key_that_has_signed_says_who_it_is(with_key):
    assert key(with_key, KEY, signed=False) == Done()
    assert key(with_key, KEY, signed=True).user == "bea"
    assert isinstance(key(with_key, KEY, signed=True, user="carl"), Denied)


def test_an_offer_lets_nobody_in(with_key):
    assert not isinstance(key(with_key, KEY, signed=False), UserValidated)


def test_a_code_is_asked_for_behind_a_key_too(with_key, device, clock):
    asked = key(with_key, KEY, signed=True)
    assert asked.asks == Asks.PIN
    assert answer(with_key, asked, device.at(clock.now())).user == "bea"


def test_who_has_to_show_both_shows_both(with_key, database):
    with database.transaction() as session:
        user_keys.set_policy(session, "bea", user_keys.Policy.BOTH)
    alone = ask(with_key, "bea", PASSWORD)
    assert alone == Denied(reason=DenialReason.KEY_DEMANDED)
    asked = key(with_key, KEY, signed=True)
    assert asked.asks == Asks.PASSWORD
    assert isinstance(answer(with_key, asked, "guess"), Denied)
    assert answer(with_key, asked, PASSWORD).user == "bea"


def test_a_password_is_not_in_the_message_s_representation():
    message = ValidateUser(
        engine_id="engine-1",
        site="default",
        username="hunter2",
        sealed_password=b"",
        client_address="192.0.2.1",
    )
    assert "hunter2" not in repr(message)
