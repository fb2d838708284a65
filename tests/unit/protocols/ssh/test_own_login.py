"""One proof after the other, and what is known before all of them are there: nothing."""

import pytest

from bus.contract import DenialReason
from bus.own_account import Asks, LogonContinues, UserValidated
from protocols.errors import AccessDeniedError
from protocols.ssh.own_login import Outcome, OwnLogin, key_line

BEA = UserValidated(user="bea", role="user", logon=b"l")
PIN = LogonContinues(asks=Asks.PIN, ticket=b"t")
NEW = LogonContinues(asks=Asks.NEW_PASSWORD, ticket=b"n", detail="too short")


class Scripted:
    """An account that answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = []

    async def password(self, user, password):
        return self._next("password", user, password)

    async def offered(self, user, public_key):
        self.asked.append(("offered", user, public_key))
        return True

    async def key(self, user, public_key):
        return self._next("key", user, public_key)

    async def answer(self, ticket, answer):
        return self._next("answer", ticket, answer)

    def _next(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, DenialReason):
            raise AccessDeniedError(answer)
        return answer


async def test_a_password_may_be_all_there_is():
    login = OwnLogin("bea%web01", Scripted(BEA))
    assert login.begin()[3] == [("Password: ", False)]
    assert await login.answered(["secret"]) is Outcome.COMPLETE
    assert (login.logon.user, login.logon.secret) == ("bea", "web01")


async def test_a_code_comes_behind_it():
    account = Scripted(PIN, BEA)
    login = OwnLogin("bea", account)
    assert await login.answered(["secret"]) is Outcome.CONTINUES
    assert login.logon is None
    assert login.challenge()[3] == [("Pin Code: ", False)]
    assert await login.answered(["123456"]) is Outcome.COMPLETE
    assert account.asked[-1] == ("answer", b"t", "123456")


async def test_beginning_again_begins_with_the_password():
    account = Scripted(PIN, BEA)
    login = OwnLogin("bea", account)
    await login.answered(["secret"])
    assert login.begin()[3] == [("Password: ", False)]
    await login.answered(["secret"])
    assert account.asked[-1][0] == "password"


async def test_behind_a_key_it_goes_on_with_what_is_left():
    account = Scripted(PIN, BEA)
    login = OwnLogin("bea", account)
    assert login.takes_keys
    assert await login.key("ssh-ed25519 AAAA") is Outcome.CONTINUES
    assert not login.takes_keys
    assert login.begin()[3] == [("Pin Code: ", False)]
    assert await login.answered(["123456"]) is Outcome.COMPLETE


async def test_an_offer_decides_nothing():
    login = OwnLogin("bea", Scripted())
    assert await login.offered("ssh-ed25519 AAAA")
    assert login.logon is None


async def test_a_new_password_is_typed_twice_and_asked_for_until_it_will_do():
    account = Scripted(NEW, NEW, BEA)
    login = OwnLogin("bea", account)
    await login.answered(["old"])
    assert await login.answered(["one", "another"]) is Outcome.CONTINUES
    assert login.challenge()[1] == "The two are not the same."
    assert await login.answered(["short", "short"]) is Outcome.CONTINUES
    assert login.challenge()[1] == "too short"
    assert await login.answered(["a sentence", "a sentence"]) is Outcome.COMPLETE


@pytest.mark.parametrize("answers", [[], ["a", "b"]])
async def test_as_many_answers_as_questions_or_none(answers):
    account = Scripted()
    login = OwnLogin("bea", account)
    assert await login.answered(answers) is Outcome.REFUSED
    assert account.asked == []


async def test_a_name_that_is_none_is_never_asked_about():
    account = Scripted()
    login = OwnLogin("bea%%web", account)
    assert login.unreadable
    assert await login.answered(["secret"]) is Outcome.REFUSED
    assert await login.key("ssh-ed25519 AAAA") is Outcome.REFUSED
    assert not await login.offered("ssh-ed25519 AAAA")
    assert account.asked == []


def test_a_key_is_written_as_openssh_does():
    blob = b"\0\0\0\x0bssh-ed25519" + b"\0\0\0\x20" + bytes(32)
    assert key_line(blob).startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")
