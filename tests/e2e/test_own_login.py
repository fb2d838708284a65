"""Somebody logs on with his own account: to a target by name, with a code, with a key."""

import hashlib
import os
import time
from pathlib import Path

import pyotp
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import program
from peers.openssh import OpenSSHServer, make_key
from peers.output import run
from peers.own_account import PASSWORD, answering
from peers.putty import Putty
from peers.terminal import OpenTerminal

from config.model import Settings
from control import master_key, second_factors, users
from control.vault import open_vault
from recorder.clock import SystemClock
from storage.database import Database

pytestmark = pytest.mark.peers

PIN = "Tr0ub4dor-and-a-PIN"
FIRST, LATER = "A-first-Pass-phrase-1", "A-later-Pass-phrase-2"
ASKED = ("-o", "PreferredAuthentications=keyboard-interactive")


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """With alice, bob who has a device, and carol who has to change her password."""
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
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


def keyed(key: Path, *methods: str) -> tuple[str, ...]:
    """What lets a client use a key, and beside it `methods`."""
    wanted = ",".join(("publickey", *methods))
    return (
        *("-o", "PubkeyAuthentication=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", f"PreferredAuthentications={wanted}", "-i", str(key)),
    )


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


def test_plink_reaches_a_target_by_name(daemon: Daemon, alice_web: Login):
    assert Putty(alice_web, daemon.fingerprints()).plink("id -un").text == "target"
