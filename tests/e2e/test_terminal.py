"""The terminal of somebody who logs on with his own account, and what is launched there."""

import re
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output, run
from peers.own_account import PASSWORD
from peers.putty import Putty
from peers.recording import Recording
from peers.terminal import OpenTerminal, screen_of

pytestmark = pytest.mark.peers

LATER = "A-later-Pass-phrase-2"


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """With alice, dave who changes his password, and a secret that no engine here serves."""
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    made.add_secret("far", openssh_server, "--site", "elsewhere")
    made.cli("user", "add", "dave", "--password-stdin", typed=f"{PASSWORD}\n")
    return made


def test_one_line_launches_and_ends_with_the_status_of_the_target(daemon: Daemon, alice: Login):
    daemon.forget_sessions()
    done = run(
        [*alice.ssh("-tt"), "launch web"], env=alice.env, typed=b"echo in-$((40+2)); exit 3\n"
    )
    assert done.status == 3, done.said
    assert "in-42" in done.text
    wait_until(lambda: all(row["complete"] for row in daemon.sessions()[-2:]), "not complete")
    assert [row["secret"] for row in daemon.sessions()[-2:]] == ["(terminal)", "web"]


def test_lines_are_typed_and_several_targets_launched(
    daemon: Daemon, alice: Login, open_terminal: OpenTerminal
):
    before = len(daemon.sessions())
    terminal = open_terminal(alice.ssh("-tt"), alice.env, (60, 20))
    terminal.expect("proxyd> ")
    terminal.type("sear\tw\r")
    terminal.expect("web  +ssh")
    for number in (1, 2):
        terminal.type("launch w\t\r")
        terminal.expect(r"\$ ")
        terminal.resize(70 + number, 30)
        # Keys may be there before the new size.
        terminal.type(f"until stty size | grep ' {70 + number}'; do sleep .1; done\r")
        terminal.type(f"echo round-{number}$((0))\r")
        terminal.expect(f"30 {70 + number}")
        terminal.expect(f"round-{number}0")
        terminal.type("exit\r")
        terminal.expect("proxyd> ")
    terminal.type("\x1b[A\x1b[A")
    terminal.expect("sear|launch")
    terminal.type("\x03exit\r")
    assert terminal.wait() == 0
    assert len(daemon.sessions()) == before + 3


def test_a_full_screen_program_works_in_what_was_launched(
    alice: Login, there: Path, open_terminal: OpenTerminal
):
    terminal = open_terminal(alice.ssh("-tt"), {**alice.env, "LC_ALL": "C.UTF-8"}, (100, 30))
    terminal.expect("proxyd> ")
    terminal.type("launch web\r")
    terminal.expect(r"\$ ")
    terminal.type(f"vi {there}/text\r")
    terminal.expect(r"\[New")
    terminal.type("iMärked text\x1b")

    def shown() -> list[str]:
        terminal.settle(0.1)
        return screen_of(bytes(terminal.output), 100, 30)

    wait_until(
        lambda: any("Märked text" in line for line in shown()), f"not on {shown()}", every=0
    )
    terminal.type(":wq\r")
    terminal.expect(r"\$ ")
    terminal.type("exit\r")
    terminal.expect("proxyd> ")
    terminal.type("exit\r")
    terminal.wait()
    assert (there / "text").read_text() == "Märked text\n"


def test_a_large_amount_comes_through_both_ways(alice: Login):
    typed = b"head -c 3000000 /dev/zero | tr '\\0' x; wc -c; exit 0\n" + b"y" * 2_000_000
    done = run([*alice.ssh(), "launch web"], env=alice.env, typed=typed)
    assert done.stdout.count(b"x") == 3_000_000
    assert b"2000000" in done.stdout


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("cat web", "launch web"),
        ("cat far", "it is of site elsewhere"),
        ("launch far", "it is of site elsewhere|is of site elsewhere"),
        ("who", "nobody else is there"),
        ("man launch", "usage: launch SECRET"),
        ("launch nowhere", "there is no secret `nowhere`"),
        ("launch 'web", "the line ends within '"),
        ("search -take 1", "1 more"),
    ],
)
def test_every_command_answers(alice: Login, line: str, shown: str):
    assert re.search(shown, alice.run(line).text)


def test_a_pair_from_the_terminal_is_good_once(daemon: Daemon, alice: Login):
    shown = alice.run("credential web").text
    [username] = re.findall(r"user name +(\S+)", shown)
    [password] = re.findall(r"password +(\S+)", shown)
    login = daemon.dress("", username, password)
    assert login.run("id -un").text == "target"
    assert login.run("id -un").status == 255


def test_the_terminal_is_recorded_and_searchable(daemon: Daemon, alice: Login):
    daemon.forget_sessions()
    alice.run("man passwd")
    recording = daemon.recorded()
    assert recording.row["secret"] == "(terminal)"
    assert b"change your password" in recording.export("output")


def test_a_password_is_changed_and_recorded_nowhere(
    daemon: Daemon, open_terminal: OpenTerminal
):
    login = daemon.dress("", "dave", PASSWORD)
    terminal = open_terminal(login.ssh("-tt"), login.env)
    terminal.expect("proxyd> ")
    terminal.type("passwd\r")
    for asked, answer in (("Old", PASSWORD), ("New", LATER), ("again", LATER)):
        terminal.expect(f"{asked}.*: ")
        terminal.type(f"{answer}\r")
    terminal.expect("changed")
    terminal.type("exit\r")
    terminal.wait()
    wait_until(lambda: daemon.sessions()[-1]["complete"], "not complete")
    assert not [path for path, data in daemon.bytes_of_state() if LATER.encode() in data]
    assert daemon.dress("", "dave", LATER).run("man").status == 0


def test_one_connection_may_be_shared_where_there_is_a_target_and_only_there(
    daemon: Daemon, alice: Login, alice_web: Login, open_terminal: OpenTerminal
):
    for login, works in ((alice_web, True), (alice, False)):
        control = daemon.folder / f"shared-{works}"
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}")
        master = open_terminal(login.ssh("-tt", *shared), login.env)
        master.expect(r"\$ " if works else "proxyd> ")
        reuse = ("-o", "ProxyCommand=false", "-S", str(control))
        outputs = [login.run("echo", f"it-is-{number}", options=reuse) for number in range(3)]
        texts = [f"it-is-{number}" for number in range(3)] if works else [""] * 3
        assert [each.text for each in outputs] == texts
        assert {each.status for each in outputs} == {0 if works else 255}
        master.type("exit\r")
        assert master.wait() == 0
    refused = daemon.sessions()[-1]["id"]
    wait_until(lambda: daemon.sessions()[-1]["complete"], "not complete")
    told = Recording(daemon, {"id": refused}).events("channel_refused")
    assert [each["reason"] for each in told] == ["one terminal at a time"] * 3


@pytest.fixture
def putty(daemon: Daemon, alice: Login) -> Putty:
    return Putty(alice, daemon.fingerprints())


def test_plink_launches(putty: Putty):
    done: Output = putty.plink("launch web", typed=b"id -un; exit 5\n")
    assert (done.status, done.text) == (5, "target"), done.said
