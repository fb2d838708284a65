"""A menu of commands permits what is on it, and nothing else, however its user comes."""

from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.own_account import PASSWORD
from peers.terminal import OpenTerminal

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def menu(daemon: Daemon, openssh_server: OpenSSHServer) -> Login:
    """With a menu of two commands, and no channel but it."""
    daemon.add_secret("listed", openssh_server, "--channels", "shell,exec,sftp,local-forward")
    for name, command in (
        ("say", "echo said: $what in $$HOME"),
        ("who", "id -un"),
        ("dash", "echo got $a and $b"),
    ):
        daemon.cli("secret", "allow", "listed", name, command)
    return daemon.login("listed")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("who", "target"),
        ("3", "target"),
        ("dash 'x' \"y\"", "got x and y"),
    ],
)
def test_what_is_on_the_menu_runs(menu: Login, line: str, said: str):
    done = menu.run(line)
    assert (done.status, done.text) == (0, said), done.said


def test_the_environment_of_the_target_is_untouched(menu: Login, openssh_server: OpenSSHServer):
    assert menu.run("say hello").text == f"said: hello in {openssh_server.home()}"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("id", "`id` is not on the menu: dash, say, who"),
        ("who; id", "`who;` is not on the menu"),
        ("who x", "usage: who"),
        ("dash x", "usage: dash A B"),
        ("say '$(id)'", "what: letters, digits"),
        ("say 'a b'", "what: letters, digits"),
        ("say -n", "what: letters, digits"),
        ("say 'x", "the line ends within '"),
        ("sh -c id", "is not on the menu"),
        ("", "this secret permits what is on its menu"),
    ],
)
def test_nothing_else_runs(menu: Login, line: str, why: str):
    done = menu.run(*filter(None, [line]))
    assert done.status == 126
    assert why in done.said


def test_a_menu_leaves_no_side_door(menu: Login, daemon: Daemon, tmp_path: Path):
    sftp = run(
        [*menu.tool("sftp", "-o", "BatchMode=no"), "-b", "-", "proxy"],
        env=menu.env,
        typed=b"pwd\n",
    )
    assert sftp.status != 0
    assert "this secret permits what is on its menu" in sftp.said
    forward = menu.run("who", options=("-W", "127.0.0.1:22"))
    assert "SSH-2.0" not in forward.text


def test_a_launch_shows_the_menu_and_runs_what_is_chosen(
    menu: Login, daemon: Daemon, open_terminal: OpenTerminal
):
    alice = daemon.dress("", "alice", PASSWORD)
    terminal = open_terminal(alice.ssh("-tt"), alice.env)
    terminal.expect("proxyd> ")
    terminal.type("launch listed\r")
    terminal.expect("2 +say +echo said: .what in")
    terminal.expect("listed> ")
    terminal.type("id\r")
    terminal.expect("`id` is not on the menu")
    terminal.expect("listed> ")
    terminal.type("say\r")
    terminal.expect("what: ")
    terminal.type("good-day\r")
    terminal.expect("said: good-day in")
    terminal.expect("proxyd> ")
    terminal.type("launch listed\r")
    terminal.expect("listed> ")
    terminal.type("\x04")
    terminal.expect("proxyd> ")
    terminal.type("exit\r")
    assert terminal.wait() == 0
    straight = daemon.dress("", "alice%listed", PASSWORD)
    assert straight.run("who").text == "target"
