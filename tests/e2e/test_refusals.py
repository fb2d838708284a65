"""Bad input: each has a message that names the thing and the next step, and an exit code."""

import asyncio
import math
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import asyncssh
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.fake_target import fake_target, silent_port
from peers.login import Login
from peers.needed import free_port, wait_until
from peers.openssh import OpenSSHServer, make_key
from peers.output import Output

pytestmark = pytest.mark.peers

FAILED, USAGE, NOT_FOUND, DENIED, UNREACHABLE, CONFIGURATION = 1, 2, 3, 4, 5, 78


@pytest.fixture(scope="module")
def impatient(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    """Soon gives up on who says nothing, and on a busy machine on others as well."""
    daemon = make_daemon(
        PROXYD_SSH__SOURCE_PENALTIES="false",
        PROXYD_SSH__DIAL_TIMEOUT_S="2",
        PROXYD_SSH__LOGIN_TIMEOUT_S="6",
    )
    daemon.add_secret("web", openssh_server)
    return daemon


# --- targets


def dial(daemon: Daemon, name: str) -> tuple[Output, Output]:
    """What the user reads, and what the operator reads."""
    tested = daemon.cli("secret", "test", name, check=False)
    return daemon.login(name).run("true"), tested


@pytest.mark.parametrize(
    ("name", "host", "words"),
    [
        ("unknown-host", "no-such-host.invalid", "no-such-host.invalid"),
        ("refused", "127.0.0.1", "refused"),
    ],
)
def test_a_target_that_cannot_be_reached_is_named(
    impatient: Daemon, name: str, host: str, words: str
):
    daemon = impatient
    port = free_port()
    where = ("--username", "x", "--password-stdin", "--port", str(port))
    daemon.cli("secret", "add", name, "--protocol", "ssh", "--host", host, *where, typed="x\n")
    daemon.cli("access", "grant", "alice", name)
    user, operator = dial(daemon, name)
    assert (user.status, operator.status) == (255, UNREACHABLE)
    assert words in operator.said
    assert host in user.said
    assert daemon.recorded().row["end_reason"] == "target_unreachable"


def test_a_target_that_says_nothing_times_out(impatient: Daemon):
    daemon = impatient
    with silent_port() as port:
        where = ("--username", "x", "--password-stdin", "--port", str(port))
        daemon.add_target("silent", *where, typed="x\n")
        user, operator = dial(daemon, "silent")
    assert (user.status, operator.status) == (255, UNREACHABLE)
    assert str(port) in operator.said
    assert "2 s" in operator.said or "timed out" in operator.said


def test_a_port_that_speaks_something_else_is_named(daemon: Daemon):
    where = ("--username", "x", "--password-stdin", "--port", str(daemon.metrics_port))
    daemon.add_target("not-ssh", *where, typed="x\n")
    user, operator = dial(daemon, "not-ssh")
    assert (user.status, operator.status) == (255, UNREACHABLE)
    assert str(daemon.metrics_port) in operator.said


def test_a_wrong_password_in_the_vault_is_told_apart(
    daemon: Daemon, openssh_server: OpenSSHServer
):
    where = ("--username", "byword", "--port", str(openssh_server.port), "--password-stdin")
    daemon.add_target("stale", *where, typed="not-the-password\n")
    user, operator = dial(daemon, "stale")
    assert user.status == 255
    assert operator.status == DENIED
    assert f"127.0.0.1:{openssh_server.port}" in operator.said
    assert "not-the-password" not in user.said + operator.said


@pytest.mark.parametrize("pinned", ["given", "first use"])
def test_no_credential_reaches_a_target_with_another_host_key(
    daemon: Daemon, tmp_path: Path, pinned: str
):
    name = pinned.replace(" ", "-")
    with ExitStack() as stack:
        told = stack.enter_context(fake_target())
        where = ("--username", "root", "--password-stdin", "--port", str(told.port))
        if pinned == "given":
            make_key(tmp_path / "other")
            expected = (tmp_path / "other.pub").read_text().strip()
            daemon.add_target(name, *where, "--host-key", expected, typed="right\n")
        else:
            daemon.add_target(name, *where, typed="right\n")
            login = daemon.login(name)
            assert login.run("true").text == "from the fake"
            told = another_key(stack, told.port)
        user, operator = dial(daemon, name)
        assert told.connections > 0
        assert told.attempts == []
    assert (user.status, operator.status) == (255, UNREACHABLE)
    for said in (user.said, operator.said):
        assert "host key" in said
        assert len(set(re.findall(r"SHA256:\S+", said))) == 2


def another_key(stack: ExitStack, port: int) -> object:
    """Another server at the same port."""
    stack.close()
    return stack.enter_context(fake_target(port))


# --- proxy credentials


Spoil = Callable[[Daemon], Login]


def unknown_handle(daemon: Daemon) -> Login:
    return daemon.dress("", "abcdefgh23456", "A" * 28)


def wrong_password(daemon: Daemon) -> Login:
    good = daemon.login("web")
    return daemon.dress(good.id, good.username, "A" * len(good.password))


def expired(daemon: Daemon) -> Login:
    login = daemon.login("web", ttl="1s")
    time.sleep(1.2)
    return login


def used_up(daemon: Daemon) -> Login:
    login = daemon.login("web", uses=1)
    assert login.run("true").status == 0
    return login


def revoked(daemon: Daemon) -> Login:
    login = daemon.login("web")
    daemon.cli("credential", "revoke", login.id)
    return login


def wrong_source(daemon: Daemon) -> Login:
    return daemon.login("web", source="192.0.2.0/24")


def test_every_refusal_reads_the_same_and_takes_as_long(daemon: Daemon):
    spoilers = (unknown_handle, wrong_password, expired, used_up, revoked, wrong_source)
    logins = [spoil(daemon) for spoil in spoilers]
    answers, quickest_s = set(), [math.inf] * len(logins)
    # The quickest of each: a machine that is busy makes some slower, and none quicker.
    for _ in range(5):
        for number, login in enumerate(logins):
            started = time.monotonic()
            done = login.run("true")
            quickest_s[number] = min(quickest_s[number], time.monotonic() - started)
            assert done.status == 255
            answers.add(done.said.replace(login.username, "WHO"))
        if max(quickest_s) - min(quickest_s) < 0.5:
            break
    assert len(answers) == 1
    assert max(quickest_s) - min(quickest_s) < 0.5 + statistics.median(quickest_s)


def test_a_credential_is_good_for_its_number_of_uses(daemon: Daemon):
    login = daemon.login("web", uses=2)
    assert [login.run("true").status for _ in range(3)] == [0, 0, 255]


# --- strangers


class Guesser(asyncssh.SSHClient):
    """Tries as often as it may."""

    guesses = 0

    def password_auth_requested(self) -> str:
        self.guesses += 1
        return f"guess{self.guesses:023d}"


async def test_a_connection_takes_six_guesses(daemon: Daemon):
    guesser = Guesser()
    with pytest.raises((asyncssh.Error, OSError)):
        async with asyncio.timeout(30):
            await asyncssh.connect(
                "127.0.0.1",
                daemon.port,
                username="abcdefgh23456",
                client_factory=lambda: guesser,
                known_hosts=None,
                client_keys=None,
                agent_path=None,
                config=None,
                preferred_auth="password",
            )
    # The client's socket closes in a later turn of the loop, which ends with this test.
    await asyncio.sleep(0.05)
    assert 1 <= guesser.guesses <= 6


@pytest.fixture
def flood(impatient: Daemon) -> Iterator[list[socket.socket]]:
    """150 connections that say nothing."""
    with ExitStack() as stack:
        idle = [
            stack.enter_context(
                closing(socket.create_connection(("127.0.0.1", impatient.port), 30))
            )
            for _ in range(150)
        ]
        yield idle


def is_admitted(connection: socket.socket) -> bool:
    connection.settimeout(1)
    try:
        return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def test_a_flood_of_silent_connections_is_cut_and_forgotten(
    impatient: Daemon, flood: list[socket.socket]
):
    admitted = [connection for connection in flood if is_admitted(connection)]
    assert 10 <= len(admitted) <= 100
    admitted[0].settimeout(30)
    rest = b""
    while data := admitted[0].recv(4096):
        rest += data
    # Those that were admitted last have a moment left.
    login = impatient.login("web")
    wait_until(lambda: login.run("echo in").text == "in", "nobody gets in any more")


# --- settings and files


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[ssh]\nlissten = ["127.0.0.1:0"]\n', "lissten"),
        ("[recorder]\nchunk_interval_s = 'soon'\n", "chunk_interval_s"),
        ("[ssh\n", "line"),
    ],
)
@pytest.mark.parametrize("command", [("config", "check"), ("run",)])
def test_a_wrong_setting_is_named(
    daemon: Daemon, tmp_path: Path, text: str, named: str, command: tuple[str, ...]
):
    path = tmp_path / "proxyd.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\n{text}')
    done = daemon.cli("--config", str(path), *command, check=False)
    assert done.status == CONFIGURATION
    assert named in done.said
    assert str(path) in done.said


def test_a_settings_file_that_is_not_there_is_named(daemon: Daemon, tmp_path: Path):
    path = str(tmp_path / "none.toml")
    done = daemon.cli("--config", path, "config", "check", check=False)
    assert (done.status, path in done.said) == (CONFIGURATION, True)


def test_a_key_that_cannot_be_read_is_named(daemon: Daemon, tmp_path: Path):
    garbage, sealed = tmp_path / "garbage", make_key(tmp_path / "sealed", "locked")
    garbage.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n")
    start = ("secret", "add", "bad", "--protocol", "ssh", "--host", "h", "--port", "22")
    for path in (garbage, sealed, tmp_path / "none"):
        words = ("--username", "x", "--key-file", str(path))
        done = daemon.cli(*start, *words, check=False)
        assert done.status in (FAILED, USAGE)
        assert str(path) in done.said or "passphrase" in done.said
    assert daemon.cli("secret", "show", "bad", check=False).status == NOT_FOUND


def test_a_master_key_that_others_may_read_is_refused(daemon: Daemon):
    key = daemon.state / "master.key"
    key.chmod(0o644)
    try:
        daemon.stop()
        done = daemon.cli("run", check=False)
        assert done.status == CONFIGURATION
        assert str(key) in done.said
    finally:
        key.chmod(0o600)
        daemon.start()


@pytest.mark.parametrize(
    "words",
    [
        ("secret", "show", "nothing"),
        ("session", "show", "00000000-0000-0000-0000-000000000000"),
        ("credential", "issue", "nothing", "--user", "alice"),
        ("credential", "revoke", "nothing"),
        ("access", "grant", "nobody", "web"),
    ],
)
def test_what_is_not_there_is_not_found(daemon: Daemon, words: tuple[str, ...]):
    done = daemon.cli(*words, check=False)
    assert done.status == NOT_FOUND, done.said
    assert "noth" in done.said or "nobody" in done.said or "00000000" in done.said


def test_a_user_without_access_gets_no_credential(daemon: Daemon):
    daemon.cli("user", "add", "bob", "--password-stdin", typed="Correct-Horse-8-Battery\n")
    done = daemon.cli("credential", "issue", "web", "--user", "bob", check=False)
    assert done.status == 4
    assert "bob" in done.said


def test_a_disabled_user_gets_in_no_more(daemon: Daemon):
    daemon.cli("user", "add", "carol", "--password-stdin", typed="Correct-Horse-7-Battery\n")
    daemon.cli("access", "grant", "carol", "web")
    issued = daemon.json("credential", "issue", "web", "--user", "carol", "--uses", "5")
    login = daemon.dress(issued["id"], issued["username"], issued["password"])
    assert login.run("true").status == 0
    daemon.cli("user", "disable", "carol")
    wait_until(lambda: login.run("true").status == 255, "carol still gets in")
