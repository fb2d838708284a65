"""What a secret says about commands holds for whoever reaches its target: OpenSSH and bash."""

import time
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.own_account import PASSWORD
from peers.terminal import OpenTerminal, Terminal

pytestmark = pytest.mark.peers

PROMPT = r"here\$ "


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("ruled", openssh_server)
    for name, pattern, action in (
        ("no-wipe", r"\bwipe\b", "notice"),
        ("watch-id", r"^id\b", "alert"),
        ("no-escape", r"\bescape\b", "end"),
        ("ask-first", r"\brestart\b", "hold"),
    ):
        made.cli("secret", "block", "ruled", name, pattern, "--action", action)
    return made


@pytest.fixture(scope="module")
def login(daemon: Daemon) -> Login:
    return daemon.login("ruled")


RC = """\
PS1='here$ '
HISTFILE=
HISTCONTROL=ignorespace
set -o emacs
wipe() { echo WENT; }
restart() { echo RESTARTED; }
history -s wipe it
"""


@pytest.fixture(scope="module")
def rc(openssh_server: OpenSSHServer) -> Path:
    """What makes a bash whose `wipe` and `restart` are harmless."""
    path = openssh_server.home() / "commands.rc"
    path.write_text(RC)
    path.chmod(0o644)
    return path


@pytest.fixture
def bash(login: Login, rc: Path, open_terminal: OpenTerminal) -> Terminal:
    """A bash on the target, at its prompt."""
    terminal = open_terminal([*login.ssh("-tt"), f"bash --rcfile {rc} -i"], login.env)
    terminal.expect(PROMPT)
    return terminal


def prompted_again(bash: Terminal) -> None:
    """Wait for a prompt behind a line that was not run."""
    try:
        bash.expect(PROMPT, seconds=2)
    except pytest.fail.Exception:
        # A bash that was interrupted before it had drawn its prompt draws it at the next key.
        # If it was only slow it draws two: the one behind a word of ours is the last. And what
        # it was reading when it was interrupted it may keep: to the end, and all of it away.
        # The space keeps this out of the history, which is recalled from.
        bash.type("\x05\x15 echo prompted-$((40+2))\r")
        bash.expect("prompted-42")
        bash.expect(PROMPT)


def test_a_line_that_breaks_a_rule_is_not_run_and_the_user_is_told(bash: Terminal):
    bash.type("echo fine; wipe\r")
    bash.expect("proxyd: not run: rule no-wipe of this secret forbids it")
    prompted_again(bash)
    bash.type("echo still-$((40+2))\r")
    bash.expect("still-42")
    assert b"WENT" not in bash.output


@pytest.mark.parametrize(
    "keys",
    [
        "wixe\x1b[D\x7fp\r",
        "junk\x15wipe\r",
        "wipe more\x17\x17wipe\r",
        "pe\x01wi\r",
        "wipx\x7fe\n",
        "echo \\\rwipe\r",
        "wi\x16p\x7fpe\r",
    ],
    ids=repr,
)
def test_a_line_is_judged_as_it_is_after_editing(bash: Terminal, keys: str):
    bash.type(keys)
    bash.expect("not run: rule no-wipe")
    prompted_again(bash)
    bash.type("echo done-$((1+1))\r")
    bash.expect("done-2")
    assert b"WENT" not in bash.output


def test_what_is_recalled_or_completed_is_judged_off_the_screen(bash: Terminal):
    for keys in ("\x1b[A\r", "\x10\r", "\x12wip\r", "wip\t\r"):
        bash.type(keys)
        bash.expect("not run: rule no-wipe")
        prompted_again(bash)


def test_a_paste_stops_at_the_line_that_breaks_a_rule(bash: Terminal):
    bash.type("echo one-$((1+0))\rwipe\recho three-$((1+2))\r")
    bash.expect("one-1")
    bash.expect("not run: rule no-wipe")
    prompted_again(bash)
    bash.type("\x1b[200~echo a\rwipe\r\x1b[201~\r")
    bash.expect("not run: rule no-wipe")
    prompted_again(bash)
    bash.type("echo end-$((1+1))\r")
    bash.expect("end-2")
    assert b"three-3" not in bash.output
    assert b"WENT" not in bash.output


def test_typing_waits_for_nothing(bash: Terminal):
    # Another program may have the processor at a time, but not each time.
    for number in range(50):
        bash.type(f"echo t-$(({number}+0))")
        bash.expect(r"\+0\)\)")
        begun = time.monotonic()
        bash.type("\r")
        bash.expect(f"t-{number}\r")
        waited_s = time.monotonic() - begun
        bash.expect(PROMPT)
        if waited_s < 0.15:
            return
    pytest.fail("each line waited")


def test_a_command_of_a_client_is_refused_before_the_target_has_it(daemon, login: Login):
    done = login.run("echo went; wipe")
    assert done.status == 126
    assert "rule no-wipe of this secret forbids it" in done.said
    assert "went" not in done.text
    assert login.run("id -un").text == "target"
    assert login.run("echo fine").text == "fine"


def test_a_shell_without_a_terminal_gets_no_line_that_breaks_a_rule(login: Login):
    done = login.run(typed=b"echo one\nwipe() { echo went; }\nwi\\\npe\necho two\necho 'wipe'")
    assert done.text.splitlines() == ["one", "two"]
    assert "rule no-wipe" in done.said


def test_a_session_ends_where_a_rule_wants_that(daemon: Daemon, bash: Terminal):
    bash.type("escape now\r")
    bash.expect("proxyd: rule no-escape of this secret ends it")
    assert bash.wait() == 255


def test_every_match_is_in_the_recording_in_the_trail_and_counted(
    daemon: Daemon, login: Login, bash: Terminal
):
    bash.type("id -un; echo ok\r")
    bash.expect("target")
    bash.expect(PROMPT)
    bash.type("wipe the-disk\r")
    bash.expect("not run")
    prompted_again(bash)
    bash.type("\x04")
    bash.wait()
    daemon.forget_sessions()
    [session] = daemon.sessions()[-1:]
    wait_until(lambda: daemon.sessions()[-1]["complete"], "not complete")
    daemon.indexed()
    found = daemon.json("session", "search", "wipe the-disk", "--in", "commands")
    assert any("rule no-wipe (notice, refused)" in row["text"] for row in found)
    rows = [row for row in daemon.json("audit", "list") if row["action"] == "command.matched"]
    mine = [row["detail"] for row in rows if row["subject"] == session["id"]]
    assert "rule no-wipe (notice, refused) of ruled: wipe the-disk" in mine
    assert "rule watch-id (alert, ran) of ruled: id -un; echo ok" in mine
    assert daemon.metric('proxyd_commands_matched_total{action="alert"}') >= 1


def asked(daemon: Daemon) -> str:
    rows = []

    def there() -> bool:
        rows[:] = daemon.json("access", "requests", "--pending")
        return bool(rows)

    wait_until(there, "nobody was asked")
    assert rows[0]["command"] == "restart the-web"
    return str(rows[0]["id"])


def test_a_command_waits_until_somebody_approves_it(daemon: Daemon, bash: Terminal):
    bash.type("restart the-web\r")
    bash.expect("waits until somebody else approves it")
    request = asked(daemon)
    assert b"RESTARTED" not in bash.output
    daemon.cli("access", "approve", request)
    bash.expect("RESTARTED")
    bash.expect(PROMPT)
    bash.type("restart the-web\r")
    bash.expect("waits until somebody else approves it")
    daemon.cli("access", "deny", asked(daemon))
    bash.expect("not run")
    prompted_again(bash)
    bash.type("restart the-web\r")
    bash.expect("waits until somebody else approves it")
    asked(daemon)
    bash.type("\x03")
    bash.expect(PROMPT)
    bash.type("echo then-$((1+1))\r")
    bash.expect("then-2")
    assert bytes(bash.output).count(b"RESTARTED") == 1
    wait_until(lambda: not daemon.json("access", "requests", "--pending"), "still asked")


def test_rules_hold_in_what_is_launched_and_behind_a_person_s_own_name(
    daemon: Daemon, rc: Path, open_terminal: OpenTerminal
):
    alice = daemon.dress("", "alice", PASSWORD)
    terminal = open_terminal(alice.ssh("-tt"), alice.env)
    terminal.expect("proxyd> ")
    terminal.type("launch ruled\r")
    terminal.expect(r"\$ ")
    terminal.type(f"exec bash --rcfile {rc} -i\r")
    terminal.expect(PROMPT)
    for _ in range(2):
        terminal.type("wipe it\r")
        terminal.expect("not run: rule no-wipe")
        prompted_again(terminal)
    terminal.type("exit\r")
    terminal.expect("proxyd> ")
    assert b"WENT" not in terminal.output
    terminal.type("exit\r")
    terminal.wait()
    done = daemon.dress("", "alice%ruled", PASSWORD).run("wipe")
    assert (done.status, done.text) == (126, "")
