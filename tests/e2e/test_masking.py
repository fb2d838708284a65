"""Passwords that users type and passwords that the vault holds are nowhere on the disk."""

import re

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import program
from peers.openssh import OpenSSHServer
from peers.recording import Recording
from peers.terminal import OpenTerminal, Terminal

pytestmark = pytest.mark.peers

PROMPT = "2004hok> "
"""Behind the code by which bash says that it reads: no echo of the prompt's setting."""
FORMATS = ("output", "input", "events", "cast", "text")


def ask_su(terminal: Terminal, secret: str) -> None:
    terminal.enter("su neighbour -c 'echo became-$((40+2))'")
    terminal.expect("assword:")
    terminal.type(secret + "\r")
    terminal.expect("became-42")


def ask_sudo(terminal: Terminal, secret: str) -> None:
    del secret
    terminal.enter("sudo -k; sudo -p 'password of %u: ' echo did-$((40+2))")
    terminal.expect("password of target:")
    terminal.type("target-Tr0ub4dor-3\r")
    terminal.expect("did-42")


def ask_read(terminal: Terminal, secret: str) -> None:
    terminal.enter("read -s -p 'Enter passphrase: ' it; echo; echo ${#it}-long")
    terminal.expect("passphrase: ")
    terminal.type(secret + "\r")
    terminal.expect(f"{len(secret)}-long")


def ask_getpass(terminal: Terminal, secret: str) -> None:
    code = "import getpass; print(len(getpass.getpass()), chr(45), sep=str())"
    terminal.enter(f"python3 -c '{code}'")
    terminal.expect(r"Password: ")
    terminal.type(secret + "\r")
    terminal.expect(f"{len(secret)}-")


ASKERS = {
    "su": (ask_su, "neighbour-Tr0ub4dor-3"),
    "sudo": (ask_sudo, "target-Tr0ub4dor-3"),
    "read": (ask_read, "canary-hunter2-9471"),
    "getpass": (ask_getpass, "canary-PyPw99-8812"),
}


def shell(login: Login, open_terminal: OpenTerminal) -> Terminal:
    terminal = open_terminal(login.ssh("-tt"), login.env)
    terminal.expect(r"\$ ")
    terminal.enter("PS1='ok> '")
    terminal.expect(PROMPT)
    return terminal


def leave(terminal: Terminal) -> None:
    """From a prompt: what is typed ahead of one may be masked."""
    terminal.enter("exit 0")
    assert terminal.wait() == 0


def assert_nowhere(daemon: Daemon, recording: Recording, secret: str) -> None:
    needle = secret.encode()
    assert [path for path, data in daemon.bytes_of_state() if needle in data] == []
    assert [name for name in FORMATS if needle in recording.export(name)] == []
    assert daemon.json("session", "search", secret) == []


@pytest.mark.parametrize("asker", ASKERS)
def test_a_typed_password_is_nowhere(
    relaying: Daemon, relaying_login: Login, open_terminal: OpenTerminal, asker: str
):
    if asker == "sudo":
        program("sudo")
    ask, secret = ASKERS[asker]
    terminal = shell(relaying_login, open_terminal)
    terminal.enter("echo seen-before")
    terminal.expect(PROMPT)
    ask(terminal, secret)
    terminal.expect(PROMPT)
    terminal.enter("echo seen-after")
    terminal.expect("\rseen-after")
    terminal.expect(PROMPT)
    leave(terminal)
    recording = relaying.recorded()
    assert_nowhere(relaying, recording, secret)
    typed = recording.export("input")
    assert b"echo seen-before\r" in typed
    assert b"echo seen-after\r" in typed
    masked = recording.events("input_masked")
    assert len(masked) == 1, typed
    assert set(masked[0]) == {"at_ms", "type", "channel"}


def test_a_killed_daemon_leaves_no_typed_password(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    terminal = shell(login, open_terminal)
    terminal.enter("read -s -p reads-$((1+1)) it")
    terminal.expect("reads-2")
    terminal.type("canary-half-typed")
    terminal.settle(0.3)
    daemon.kill9()
    held = [path for path, data in daemon.bytes_of_state() if b"canary-half-typed" in data]
    daemon.start()
    assert held == []
    assert_nowhere(daemon, daemon.recorded(), "canary-half-typed")


def test_what_is_echoed_is_kept_even_when_it_is_edited(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    terminal = shell(login, open_terminal)
    lines = ["echo plain", "", "top -b -n 1 | head -n 1", "ls -la /etc/host"]
    edited = ["", "\x1b[A\x1b[B", "", "\t"]
    for line, keys in zip(lines, edited, strict=True):
        terminal.type(line)
        terminal.expect(re.escape(line))
        terminal.type(keys + "\r")
        terminal.expect(PROMPT)
    leave(terminal)
    recording = daemon.recorded()
    assert recording.events("input_masked") == []
    assert b"top -b -n 1 | head -n 1\r" in recording.export("input")


def test_a_secret_may_switch_masking_off(
    daemon: Daemon, openssh_server: OpenSSHServer, open_terminal: OpenTerminal
):
    daemon.add_secret("unmasked", openssh_server, "--no-mask-typed")
    terminal = shell(daemon.login("unmasked"), open_terminal)
    ask_read(terminal, "visible-on-purpose")
    terminal.expect(PROMPT)
    leave(terminal)
    assert b"visible-on-purpose\r" in daemon.recorded().export("input")


def test_what_the_vault_and_the_grants_hold_is_nowhere(
    daemon: Daemon, openssh_server: OpenSSHServer
):
    secret = "byword-Tr0ub4dor-3"
    where = ("--username", "byword", "--port", str(openssh_server.port), "--password-stdin")
    daemon.add_target("canary", *where, typed=secret + "\n")
    login = daemon.login("canary")
    assert login.run("id -un").text == "byword"
    recording = daemon.recorded()
    for needle in (secret, login.password, "Correct-Horse-9-Battery"):
        assert_nowhere(daemon, recording, needle)
    key = openssh_server.user_key.read_text().splitlines()[2].encode()
    assert [path for path, data in daemon.bytes_of_state() if key in data] == []
