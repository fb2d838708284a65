import pytest

from bus.contract import DenialReason, Denied, UserValidated, ValidateUser
from bus.sealed import SealError, seal
from control import users
from control.log_in import LogIn
from control.requests import AddUser
from control.user_check import UserCheck, password_info

PASSWORD = "a sentence of hers"


@pytest.fixture
def check(database, vault, clock):
    hashed = users.hash_password(PASSWORD)
    with database.transaction() as session:
        users.add(session, AddUser(name="bea", password="", role="user"), hashed, clock.now())
    return UserCheck(LogIn(database, vault, clock), vault)


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


def test_a_user_is_who_his_password_says(check):
    assert ask(check, "bea", PASSWORD) == UserValidated(user="bea", role="user")


def test_a_wrong_password_and_an_unknown_name_are_refused(check):
    assert ask(check, "bea", "guess") == Denied(reason=DenialReason.WRONG_PASSWORD)
    assert ask(check, "carl", PASSWORD) == Denied(reason=DenialReason.UNKNOWN)


def test_a_disabled_user_is_refused(check, database):
    with database.transaction() as session:
        users.disable(session, "bea")
    assert ask(check, "bea", PASSWORD) == Denied(reason=DenialReason.USER_DISABLED)


def test_a_password_sealed_for_one_name_opens_for_no_other(check):
    with pytest.raises(SealError):
        ask(check, "bea", PASSWORD, sealed_for="carl")


def test_every_control_node_of_a_vault_has_the_same_key(check, database, vault, clock):
    assert UserCheck(LogIn(database, vault, clock), vault).public == check.public


def test_a_password_is_not_in_the_message_s_representation():
    message = ValidateUser(
        engine_id="engine-1",
        site="default",
        username="hunter2",
        sealed_password=b"",
        client_address="192.0.2.1",
    )
    assert "hunter2" not in repr(message)
