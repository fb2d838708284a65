"""Somebody logs on with his own account: by each client, to a target or to the terminal."""

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

import pyotp
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import program, wait_until
from peers.openssh import OpenSSHServer, make_key
from peers.output import Output, run
from peers.putty import Putty
from peers.recording import Recording
from peers.terminal import OpenTerminal, Terminal, screen_of

from config.model import Settings
from control import master_key, second_factors, users
from control.vault import open_vault
from recorder.clock import SystemClock
from storage.database import Database

pytestmark = pytest.mark.peers

PASSWORD = "Correct-Horse-9-Battery"
PIN = "Tr0ub4dor-and-a-PIN"
FIRST, LATER = "A-first-Pass-phrase-1", "A-later-Pass-phrase-2"
ASKED = ("-o", "PreferredAuthentications=keyboard-interactive")


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """With alice, bob who has a device, and carol who has to change her password."""
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    made.add_secret("far", openssh_server, "--site", "elsewhere")
    for name, password in (("bob", PIN), ("carol", FIRST), ("dave", PASSWORD)):
        made.cli("user", "add", name, "--password-stdin", typed=f"{password}\n")
    for name in ("bob", "carol"):
        made.cli("access", "grant", name, "web")
    return made


@pytest.fixture(scope="module")
def device(daemon: Daemon) -> pyotp.TOTP:
    """Bob's; it takes a page to add one, and here a stopped daemon."""
    daemon.stop()
    settings, clock = Settings(state_dir=daemon.state), SystemClock()
    database = Database(settings.database_url)
    vault = open_vault(database, master_key.locate(settings, None))
    with database.transaction() as session:
        bob = users.find(session, "bob")
        begun = second_factors.begin(session, vault, bob.id, "bob", "bastion")
        totp = pyotp.TOTP(begun.key)
        earlier = clock.now().timestamp() - 30
        second_factors.confirm(session, vault, bob.id, totp.at(earlier), clock.now())
        users.find(session, "carol").must_change_password = True
    database.close()
    daemon.start()
    return totp


@pytest.fixture(scope="module")
def alice(daemon: Daemon) -> Login:
    return daemon.dress("", "alice", PASSWORD)


@pytest.fixture(scope="module")
def alice_web(daemon: Daemon) -> Login:
    return daemon.dress("", "alice%web", PASSWORD)


@pytest.fixture
def there(openssh_server: OpenSSHServer, tmp_path: Path) -> Path:
    folder = openssh_server.home() / tmp_path.name
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def keyed(key: Path, *methods: str) -> tuple[str, ...]:
    """What lets a client use a key, and beside it `methods`."""
    wanted = ",".join(("publickey", *methods))
    return (
        *("-o", "PubkeyAuthentication=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", f"PreferredAuthentications={wanted}", "-i", str(key)),
    )


# --- straight to a target


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_a_name_with_a_secret_leads_to_its_target(alice_web: Login, method: str):
    done = alice_web.run("id -un; exit 3", options=("-o", f"PreferredAuthentications={method}"))
    assert (done.status, done.text) == (3, "target"), done.said


def test_files_cross_whole_and_are_in_the_ledger(
    daemon: Daemon, alice_web: Login, there: Path, tmp_path: Path
):
    blob = os.urandom(700_000)
    source, back = tmp_path / "blob", tmp_path / "back"
    source.write_bytes(blob)
    digest = hashlib.sha256(blob).hexdigest()
    scp = alice_web.tool("scp")
    rsync = [program("rsync"), "-e", f"ssh -F {alice_web.config}"]
    for words, noted in (
        ([*scp, str(source), f"proxy:{there}/by-scp"], [digest]),
        ([*scp, "-O", str(source), f"proxy:{there}/by-old-scp"], [digest]),
        ([*scp, f"proxy:{there}/by-scp", str(back)], [digest]),
        # rsync sends what differs, in a protocol of its own.
        ([*rsync, str(source), f"proxy:{there}/by-rsync"], []),
    ):
        daemon.forget_sessions()
        done = run(words, env=alice_web.env)
        assert done.status == 0, done.said
        files = daemon.recorded().events("file_touched")
        assert [row["sha256"] for row in files if row.get("sha256")] == noted
    for name in ("by-scp", "by-old-scp", "by-rsync"):
        assert (there / name).read_bytes() == blob
    assert back.read_bytes() == blob
    daemon.indexed()
    assert daemon.json("session", "search", "by-scp", "--in", "files")


def test_git_pushes_and_clones(alice_web: Login, there: Path, tmp_path: Path):
    git = program("git")
    env = {**alice_web.env, "GIT_SSH_COMMAND": f"ssh -F {alice_web.config}"}
    local = tmp_path / "local"
    for words in (
        [git, "init", "-q", "--bare", str(there / "bare.git")],
        [git, "init", "-q", str(local)],
        [
            git,
            "-C",
            str(local),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "first",
        ],
        ["chmod", "-R", "a+rwX", str(there / "bare.git")],
    ):
        assert run(words).status == 0
    config = "safe.directory=*"
    pushed = run(
        [
            git,
            "-C",
            str(local),
            "push",
            "-q",
            "--receive-pack",
            f"git -c {config} receive-pack",
            f"ssh://proxy{there}/bare.git",
            "HEAD:main",
        ],
        env=env,
    )
    assert pushed.status == 0, pushed.said


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice%web", "a wrong guess of it"),
        ("nobody%web", PASSWORD),
        ("alice%w%b", PASSWORD),
        ("alice%we:b", PASSWORD),
        ("bob%web", PIN),
    ],
)
def test_every_wrong_part_is_answered_alike(
    daemon: Daemon, device: pyotp.TOTP, name: str, password: str
):
    login = daemon.dress("", name, password)
    begun = time.monotonic()
    done = login.run("true", options=("-o", "PreferredAuthentications=password"))
    assert done.status == 255
    assert "Permission denied (publickey,keyboard-interactive,password)" in done.said
    assert time.monotonic() - begun >= 0.5


def test_a_secret_out_of_reach_is_told_to_who_has_logged_on(daemon: Daemon):
    done = daemon.dress("", "dave%web", PASSWORD).run("true")
    assert "there is no secret `web` that you may reach" in done.said


# --- the terminal, by OpenSSH


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


# --- second factors, keys, and what must be changed


def answering(terminal: Terminal, *answers: tuple[str, str]) -> None:
    for asked, answer in answers:
        terminal.expect(asked)
        terminal.type(f"{answer}\r")


def test_a_code_is_asked_for_and_taken_once(
    daemon: Daemon, device: pyotp.TOTP, open_terminal: OpenTerminal
):
    login = daemon.dress("", "bob", PIN)
    quiet = {"SSH_ASKPASS_REQUIRE": "never"}
    code = device.now()
    terminal = open_terminal([*login.ssh("-tt", *ASKED), "search"], quiet)
    answering(terminal, ("Password: ", PIN), ("Pin Code: ", code))
    terminal.expect("web +ssh")
    assert terminal.wait() == 0
    for password in (PIN, "a wrong guess of it"):
        again = open_terminal([*login.ssh("-tt", *ASKED), "search"], quiet)
        answering(again, ("Password: ", password), ("Pin Code: ", code))
        again.expect("Permission denied")
        assert again.wait() == 255


def test_a_password_that_must_be_changed_is_before_anything_else(
    daemon: Daemon, device: pyotp.TOTP, open_terminal: OpenTerminal
):
    login = daemon.dress("", "carol", FIRST)
    terminal = open_terminal(
        [*login.ssh("-tt", "-o", "LogLevel=INFO", *ASKED), "search"],
        {"SSH_ASKPASS_REQUIRE": "never"},
    )
    answering(
        terminal, ("Password: ", FIRST), ("New password: ", "short"), ("again: ", "short")
    )
    terminal.expect("fewer than 12")
    answering(terminal, ("New password: ", LATER), ("again: ", LATER))
    terminal.expect("web +ssh")
    assert terminal.wait() == 0
    assert daemon.dress("", "carol", LATER).run("man").status == 0


def test_a_key_lets_its_user_in_and_one_that_was_only_offered_nobody(
    daemon: Daemon, alice: Login, tmp_path: Path
):
    his, other = make_key(tmp_path / "his"), make_key(tmp_path / "other")
    daemon.cli("user", "keys", "add", "alice", "--file", f"{his}.pub")
    batch = ("-o", "BatchMode=yes")
    assert alice.run("man", options=(*keyed(his), *batch)).status == 0
    assert alice.run("man", options=(*keyed(other), *batch)).status == 255
    # The public half of his key with another's private one: a good offer, a bad signature.
    mixed = tmp_path / "mixed"
    mixed.write_bytes(other.read_bytes())
    mixed.chmod(0o600)
    (tmp_path / "mixed.pub").write_bytes(Path(f"{his}.pub").read_bytes())
    refused = alice.run("man", options=(*keyed(mixed), *batch))
    assert refused.status == 255
    bob = daemon.dress("", "bob", "")
    assert bob.run("man", options=(*keyed(his), *batch)).status == 255


def test_who_has_to_show_both_shows_key_and_password(
    daemon: Daemon, alice: Login, tmp_path: Path
):
    key = make_key(tmp_path / "key")
    daemon.cli("user", "keys", "add", "alice", "--file", f"{key}.pub")
    daemon.cli("user", "keys", "demand", "alice", "both")
    try:
        assert alice.run("man").status == 255
        assert alice.run("man", options=(*keyed(key), "-o", "BatchMode=yes")).status == 255
        both = alice.run("man", options=keyed(key, "keyboard-interactive"))
        assert both.status == 0, both.said
    finally:
        daemon.cli("user", "keys", "demand", "alice", "either")


# --- approval


@pytest.fixture
def guarded(daemon: Daemon):
    daemon.cli("access", "demand", "web", "approval")
    yield daemon
    daemon.cli("access", "demand", "web")


def request_of(daemon: Daemon) -> str:
    rows = wait_for(lambda: daemon.json("access", "requests", "--pending"))
    return str(rows[0]["id"])


def wait_for(look):
    found = []

    def once() -> bool:
        found[:] = look()
        return bool(found)

    wait_until(once, "nobody asked")
    return found


def test_a_launch_waits_for_approval_and_ends_when_it_is_withdrawn(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    guarded.forget_sessions()
    took_s: list[float] = []
    # The quickest: a busy machine makes some slower, and none quicker.
    while len(took_s) < 3 and not any(one < 1 for one in took_s):
        terminal = open_terminal(
            [*alice.ssh("-tt", "-L", "1:127.0.0.1:22"), "launch web"], alice.env
        )
        terminal.expect("Somebody else has to approve")
        assert guarded.live().row["secret"] == "(terminal)"
        asked = request_of(guarded)
        guarded.cli("access", "approve", asked)
        terminal.expect(r"\$ ")
        guarded.cli("access", "withdraw", asked)
        withdrawn = time.monotonic()
        terminal.expect("the approval was withdrawn")
        assert terminal.wait() == 255
        took_s.append(time.monotonic() - withdrawn)
    assert min(took_s) < 1, took_s


def test_a_launch_that_is_refused_says_why(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    terminal = open_terminal([*alice.ssh("-tt"), "launch web"], alice.env)
    terminal.expect("Somebody else has to approve")
    guarded.cli("access", "deny", request_of(guarded), "--say", "not today")
    terminal.expect("not today")
    assert terminal.wait() == 1


def test_nothing_is_opened_or_forwarded_while_it_waits(
    guarded: Daemon, alice: Login, open_terminal: OpenTerminal
):
    guarded.forget_sessions()
    control = guarded.folder / "mux"
    shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={control}")
    terminal = open_terminal([*alice.ssh("-tt", *shared), "launch web"], alice.env)
    terminal.expect("Somebody else has to approve")
    # Where it is refused, it is not to try by another connection.
    alone = ("-o", "ProxyCommand=false")
    reuse = [program("ssh"), "-F", str(alice.config), *alone, "-S", str(control)]
    tries = [
        subprocess.Popen([*reuse, "proxy", "true"], stderr=subprocess.DEVNULL)
        for _ in range(50)
    ]
    forward = run([*reuse, "-O", "forward", "-R", "0:127.0.0.1:22", "proxy"])
    assert forward.status != 0
    assert all(one.wait(45) != 0 for one in tries)
    terminal.type("\x03")
    terminal.expect("given up")
    terminal.wait()
    refused = guarded.recorded().events("channel_refused", "request_refused")
    assert len(refused) >= 51


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


def test_a_reason_is_asked_for_and_kept(
    daemon: Daemon, alice: Login, open_terminal: OpenTerminal
):
    daemon.cli("access", "demand", "web", "comment", "ticket")
    try:
        terminal = open_terminal([*alice.ssh("-tt"), "launch web"], alice.env)
        answering(terminal, ("Why do you need it", "the disk is full"), ("Ticket: ", "4711"))
        terminal.expect(r"\$ ")
        terminal.type("exit\r")
        terminal.wait()
        trail = daemon.cli("audit", "list").text
        assert "comment: the disk is full; ticket: 4711" in trail
    finally:
        daemon.cli("access", "demand", "web")


# --- PuTTY


@pytest.fixture
def putty(daemon: Daemon, alice: Login) -> Putty:
    return Putty(alice, daemon.fingerprints())


def test_plink_launches(putty: Putty):
    done: Output = putty.plink("launch web", typed=b"id -un; exit 5\n")
    assert (done.status, done.text) == (5, "target"), done.said


def test_plink_reaches_a_target_by_name(daemon: Daemon, alice_web: Login):
    assert Putty(alice_web, daemon.fingerprints()).plink("id -un").text == "target"
