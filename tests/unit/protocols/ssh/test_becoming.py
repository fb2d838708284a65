"""From one account to another: when the password is typed, and when it is not."""

import pytest

from protocols.ssh.becoming import QUIET_MS, SETTLED_MS, Becoming, State, become

PASSWORD = "canary-Tr0ub4dor-3"
LIMIT_MS = 10_000


def becoming(password: str | None = PASSWORD, command: str = "su - root") -> Becoming:
    whom = become(command, password, LIMIT_MS / 1000)
    assert whom is not None
    return Becoming(whom, 0)


def given() -> Becoming:
    it = becoming()
    it.shown(0, b"Password: ")
    it.tick(QUIET_MS)
    assert it.take_due() == PASSWORD.encode() + b"\n"
    return it


def test_the_password_is_typed_at_its_prompt_and_once():
    it = becoming()
    assert it.shown(0, b"Password: ") == b"Password: "
    assert it.take_due() == b""
    it.tick(QUIET_MS - 1)
    assert it.take_due() == b""
    it.tick(QUIET_MS)
    assert it.take_due() == PASSWORD.encode() + b"\n"
    assert it.owed_bytes == len(PASSWORD) + 1
    it.tick(QUIET_MS * 2)
    assert it.take_due() == b""


@pytest.mark.parametrize(
    "prompt",
    [
        b"[sudo] password for alice: ",
        b"\x1b[1mPassword:\x1b[0m ",
        "Contraseña: ".encode(),
        b"(alice) Passwort f\xc3\xbcr root:",
    ],
)
def test_prompts_are_known(prompt: bytes):
    it = becoming()
    it.shown(0, b"We trust you.\r\n")
    it.shown(0, prompt[:5])
    it.shown(0, prompt[5:])
    it.tick(QUIET_MS)
    assert it.take_due()


@pytest.mark.parametrize(
    "shown", [b"Last login: today\r\n$ ", b"Password: is secret\r\n", b"Passwords changed\r\n"]
)
def test_nothing_is_typed_where_nothing_is_asked(shown: bytes):
    it = becoming()
    it.shown(0, shown)
    it.tick(QUIET_MS)
    assert it.take_due() == b""


def test_a_shell_that_waits_is_the_users():
    it = given()
    assert it.shown(300, b"\r\n") == b"\r\n"
    assert it.shown(310, b"root# ") == b"root# "
    it.tick(310 + SETTLED_MS - 1)
    assert it.under_way
    it.tick(310 + SETTLED_MS)
    assert it.state is State.BECAME


def test_what_the_user_types_waits():
    it = given()
    it.typed(b"id\r")
    it.shown(300, b"\r\nroot# ")
    it.tick(300 + SETTLED_MS)
    assert it.take_typed() == b"id\r"


@pytest.mark.parametrize("cut", range(1, len(PASSWORD)))
def test_an_echo_of_the_password_is_not_shown(cut: int):
    it = given()
    echo = PASSWORD.encode() + b"\r\nroot# "
    assert it.shown(300, echo[:cut]) == b""
    assert it.shown(300, echo[cut:]) == b""
    assert it.state is State.FAILED
    assert "showed the password" in it.reason
    assert it.shown(301, b"more") == b""


def test_a_wrong_password_is_said():
    su = given()
    su.shown(300, b"\r\n")
    su.shown(2000, b"su: Authentication failure\r\n")
    su.tick(2000 + SETTLED_MS)
    assert su.under_way, "it will end of itself"
    su.ended()
    assert su.reason.endswith("`su - root` has ended")
    sudo = given()
    sudo.shown(300, b"\r\nSorry, try again.\r\n[sudo] password for alice: ")
    assert sudo.state is State.FAILED
    assert "not accepted" in sudo.reason


def test_it_does_not_take_for_ever():
    silent = becoming()
    silent.tick(LIMIT_MS)
    assert "asked for no password within 10 s" in silent.reason
    stuck = given()
    stuck.tick(LIMIT_MS)
    assert "let nobody in within 10 s" in stuck.reason


def test_control_c_gives_up():
    it = becoming()
    it.typed(b"\x03")
    assert it.state is State.FAILED


def test_without_a_password_none_is_typed():
    it = becoming(None, "sudo -i")
    it.shown(0, b"root# ")
    it.tick(SETTLED_MS)
    assert it.state is State.BECAME
    asked = becoming(None, "sudo -i")
    asked.shown(0, b"Password: ")
    assert "none is set" in asked.reason


def test_nothing_shows_the_password():
    assert PASSWORD not in repr(become("su", PASSWORD, 1))
