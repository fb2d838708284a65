"""Sessions that become another account by `su` or `sudo`, with a password that nobody sees."""

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.recording import Recording
from peers.terminal import OpenTerminal, Terminal

pytestmark = pytest.mark.peers

SU, SUDO = "neighbour-Tr0ub4dor-3", "target-Tr0ub4dor-3"
FORMATS = ("output", "input", "events", "cast", "text")


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false", PROXYD_SSH__DIAL_TIMEOUT_S="5")
    where = ("--username", "neighbour", "--port", str(openssh_server.port), "--password-stdin")
    for name, password in (("su", SU), ("sudo", SUDO), ("wrong", "canary-Wr0ng-77")):
        made.add_target(f"password-{name}", *where, typed=password + "\n")
    for name, *words in (
        ("su", "su - neighbour", "--with", "password-su"),
        ("sudo", "sudo -u neighbour -i", "--with", "password-sudo"),
        ("wrong-su", "su - neighbour", "--with", "password-wrong"),
        ("wrong-sudo", "sudo -u neighbour -i", "--with", "password-wrong"),
        ("bare", "su - neighbour"),
        ("silent", "sleep 60", "--with", "password-su"),
        ("echoing", "printf Password:; read it; cat", "--with", "password-su"),
    ):
        made.add_secret(name, openssh_server, "--channels", "shell,exec,sftp")
        made.cli("secret", "become", name, *words)
    return made


def enter(login: Login, open_terminal: OpenTerminal) -> Terminal:
    return open_terminal(login.ssh("-tt"), login.env)


def assert_nowhere(daemon: Daemon, recording: Recording, secret: str) -> None:
    needle = secret.encode()
    # Whoever searched for it would put it into the audit trail.
    assert [path for path, data in daemon.bytes_of_state() if needle in data] == []
    assert [name for name in FORMATS if needle in recording.export(name)] == []


@pytest.mark.parametrize(("name", "password"), [("su", SU), ("sudo", SUDO)])
def test_a_shell_is_another_accounts_and_the_password_is_nowhere(
    daemon: Daemon, open_terminal: OpenTerminal, name: str, password: str
):
    terminal = enter(daemon.login(name), open_terminal)
    # Typed ahead: it waits until there is somebody to type it to.
    terminal.type("echo I-am-$(id -un)\r")
    terminal.expect("I-am-neighbour")
    # What is typed ahead of a prompt may be masked.
    terminal.expect(r"\$ ")
    terminal.type("echo then-$((40+2))\r")
    terminal.expect("then-42")
    terminal.type("exit 7\r")
    assert terminal.wait() == 7
    recording = daemon.recorded()
    [became] = recording.events("became")
    assert (became["account"], became["method"].split()[0]) == ("neighbour", name)
    assert password.encode() not in terminal.output
    assert_nowhere(daemon, recording, password)
    assert b"echo then-$((40+2))\r" in recording.export("input")
    daemon.indexed()
    found = daemon.json("session", "search", "became neighbour", "--in", "commands")
    assert recording.id in {row["session"] for row in found}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("wrong-su", "`su - neighbour` has ended"),
        ("wrong-sudo", "the password was not accepted"),
        ("bare", "asks for a password, and none is set"),
        ("silent", "`sleep 60` asked for no password within 5 s"),
        ("echoing", "the target showed the password: change it"),
    ],
)
def test_where_it_fails_the_user_is_told_and_the_session_ends(
    daemon: Daemon, open_terminal: OpenTerminal, name: str, why: str
):
    terminal = enter(daemon.login(name), open_terminal)
    terminal.expect("this secret becomes ")
    terminal.expect(why)
    assert terminal.wait() == 126
    recording = daemon.recorded()
    assert recording.events("became") == []
    for password in (SU, SUDO, "canary-Wr0ng-77"):
        assert password.encode() not in terminal.output
        assert_nowhere(daemon, recording, password)


def test_nothing_else_can_be_started(daemon: Daemon):
    login = daemon.login("su")
    for done in (
        login.run("id"),
        login.run(typed=b"id\n"),
        run(
            [*login.tool("sftp", "-o", "BatchMode=no"), "-b", "-", "proxy"],
            env=login.env,
            typed=b"pwd\n",
        ),
    ):
        assert done.status != 0
        assert done.stdout in {b"", b"sftp> pwd\n"}
    assert "it has a shell on a terminal, and nothing else" in login.run("id").said
    assert "needs a terminal" in login.run(typed=b"id\n").said


def test_it_is_so_in_what_is_launched(daemon: Daemon, open_terminal: OpenTerminal):
    alice = daemon.dress("", "alice", "Correct-Horse-9-Battery")
    terminal = open_terminal(alice.ssh("-tt"), alice.env)
    terminal.expect("proxyd> ")
    for name in ("su", "sudo"):
        terminal.type(f"launch {name}\r")
        terminal.expect(r"\$ ")
        terminal.type("echo I-am-$(id -un); exit\r")
        terminal.expect("I-am-neighbour")
        terminal.expect("proxyd> ")
    terminal.type("exit\r")
    assert terminal.wait() == 0


def test_whom_a_secret_becomes_is_shown_changed_and_in_the_trail(
    daemon: Daemon, openssh_server: OpenSSHServer
):
    daemon.add_secret("kept", openssh_server)
    daemon.cli("secret", "become", "kept", "su - neighbour", "--with", "password-su")
    assert daemon.json("secret", "become", "kept") == {
        "secret": "kept",
        "command": "su - neighbour",
        "account": "neighbour",
        "with_secret": "password-su",
    }
    key = daemon.cli("secret", "become", "kept", "sudo -i", "--with", "su", check=False)
    assert "holds no password" in key.said
    daemon.cli("secret", "become", "kept", "--nobody")
    assert daemon.json("secret", "become", "kept")["command"] == ""
    rows = [row for row in daemon.json("audit", "list") if row["subject"] == "kept"]
    told = {row["detail"] for row in rows if row["action"] == "secret.become_set"}
    assert told == {"su - neighbour with password-su", "nobody"}
    assert daemon.login("kept").run("id -un").text == "target"


def test_a_removed_password_is_not_typed(
    daemon: Daemon, openssh_server: OpenSSHServer, open_terminal: OpenTerminal
):
    where = ("--username", "neighbour", "--port", str(openssh_server.port), "--password-stdin")
    daemon.add_target("password-gone", *where, typed=SU + "\n")
    daemon.add_secret("left", openssh_server)
    daemon.cli("secret", "become", "left", "su - neighbour", "--with", "password-gone")
    daemon.cli("secret", "remove", "password-gone")
    terminal = enter(daemon.login("left"), open_terminal)
    terminal.expect("none is set")
    wait_until(lambda: terminal.wait() == 126, "the session goes on")
