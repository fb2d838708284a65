"""A secret's channels say what its sessions may do; everything else is refused and noted."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import answers, environment, free_port, program, wait_until
from peers.openssh import OpenSSHServer, make_key
from peers.output import run
from peers.putty import Screen
from peers.userland import stop
from peers.web import GREETING, greeted, greeter

pytestmark = pytest.mark.peers

FORWARDS = "shell,exec,local-forward,remote-forward,unix-forward,agent,x11"


@pytest.fixture(scope="module")
def usual(relaying_login: Login) -> Login:
    """May do what is usual: shell, exec, sftp, scp."""
    return relaying_login


@pytest.fixture(scope="module")
def open_login(relaying: Daemon, openssh_server: OpenSSHServer) -> Login:
    relaying.add_secret("open", openssh_server, "--channels", FORWARDS)
    return relaying.login("open")


@pytest.fixture(scope="module")
def files_only(relaying: Daemon, openssh_server: OpenSSHServer) -> Login:
    relaying.add_secret("files", openssh_server, "--channels", "sftp")
    return relaying.login("files")


@contextmanager
def forwarding(login: Login, *options: str, shown: Path) -> Iterator[None]:
    """A client that only forwards; what it says goes to `shown`."""
    with shown.open("wb") as log:
        process = subprocess.Popen(
            login.ssh("-N", "-o", "LogLevel=INFO", *options),
            env=environment(**login.env),
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield
        finally:
            stop(process)


def refusals(daemon: Daemon) -> list[str]:
    rows = daemon.recorded().events("channel_refused", "request_refused")
    return [str(row.get("kind") or row.get("request")) for row in rows]


# --- refused by default


def test_a_local_forward_is_refused(relaying: Daemon, usual: Login, tmp_path: Path):
    local = free_port()
    with (
        greeter() as port,
        forwarding(usual, "-L", f"{local}:127.0.0.1:{port}", shown=tmp_path / "said"),
    ):
        wait_until(lambda: answers(local), "the client does not forward")
        assert greeted(local) == b""
    assert "administratively prohibited" in (tmp_path / "said").read_text()
    assert set(refusals(relaying)) == {"direct-tcpip"}


def test_a_dynamic_forward_is_refused(relaying: Daemon, usual: Login, tmp_path: Path):
    local = free_port()
    with greeter() as port, forwarding(usual, "-D", f"{local}", shown=tmp_path / "said"):
        wait_until(lambda: answers(local), "the client does not forward")
        assert greeted(port, through_socks=local) == b""
    assert set(refusals(relaying)) == {"direct-tcpip"}


@pytest.mark.parametrize("fatal", ["yes", "no"])
def test_a_remote_forward_is_refused(
    relaying: Daemon, usual: Login, tmp_path: Path, fatal: str
):
    words = ("-R", f"{free_port()}:127.0.0.1:1", "-o", f"ExitOnForwardFailure={fatal}")
    with forwarding(usual, *words, shown=tmp_path / "said"):
        wait_until(
            lambda: "remote port forwarding failed" in (tmp_path / "said").read_text(),
            "the client was not told",
        )
    assert refusals(relaying) == ["tcpip-forward"]


def test_forwards_of_unix_sockets_are_refused(
    relaying: Daemon, usual: Login, tmp_path: Path, openssh_server: OpenSSHServer
):
    there = openssh_server.home() / "refused.sock"
    words = ("-L", f"{tmp_path}/here:/tmp/x", "-R", f"{there}:127.0.0.1:1")
    with forwarding(usual, *words, shown=tmp_path / "said"):
        wait_until((tmp_path / "here").exists, "the client did not start to forward")
        # The file is there a moment before somebody listens.
        wait_until(
            lambda: (
                greeted(tmp_path / "here") == b""
                and "administratively prohibited" in (tmp_path / "said").read_text()
            ),
            "the client was not told",
        )
    assert sorted(set(refusals(relaying))) == [
        "direct-streamlocal@openssh.com",
        "streamlocal-forward@openssh.com",
    ]


def test_the_users_agent_stays_at_home(relaying: Daemon, usual: Login, agent: str):
    argv = [*usual.ssh("-A"), "echo [$SSH_AUTH_SOCK]"]
    done = run(argv, env={**usual.env, "SSH_AUTH_SOCK": agent})
    assert (done.status, done.text) == (0, "[]"), done.said
    assert refusals(relaying) == ["auth-agent-req@openssh.com"]


def test_the_users_screen_stays_at_home(relaying: Daemon, usual: Login, screen: Screen):
    env = {**usual.env, "DISPLAY": screen.display}
    done = run([*usual.ssh("-Y"), "echo [$DISPLAY]"], env=env)
    assert (done.status, done.text) == (0, "[]"), done.said
    assert refusals(relaying) == ["x11-req"]


@pytest.mark.parametrize(
    ("ask", "refused"),
    [
        (lambda login: run(login.ssh("-T"), env=login.env, typed=b"id\n"), "shell"),
        (lambda login: login.run("id"), "exec"),
        (
            lambda login: run(
                login.tool("scp", "-O", "proxy:/etc/hostname", "-"), env=login.env
            ),
            "exec",
        ),
    ],
    ids=["shell", "exec", "scp"],
)
def test_nothing_but_files_where_only_files_are_allowed(
    relaying: Daemon, files_only: Login, ask: Callable[[Login], object], refused: str
):
    done = ask(files_only)
    assert done.status != 0
    assert done.stdout == b""
    assert refusals(relaying) == [refused]


# --- and allowed where the secret says so


def test_sftp_works_where_only_files_are_allowed(files_only: Login, tmp_path: Path):
    script = f"get /etc/hostname {tmp_path}/name\n".encode()
    argv = files_only.tool("sftp", "-o", "BatchMode=no", "-b", "-", "proxy")
    assert run(argv, env=files_only.env, typed=script).status == 0
    assert (tmp_path / "name").read_bytes() == Path("/etc/hostname").read_bytes()


def test_forwards_work_where_they_are_allowed(
    relaying: Daemon, open_login: Login, tmp_path: Path
):
    local, dynamic, remote = free_port(), free_port(), free_port()
    with greeter() as port:
        words = (
            *("-L", f"{local}:127.0.0.1:{port}", "-D", f"{dynamic}"),
            *("-R", f"{remote}:127.0.0.1:{port}", "-o", "ExitOnForwardFailure=yes"),
        )
        with forwarding(open_login, *words, shown=tmp_path / "said"):
            wait_until(lambda: greeted(remote) == GREETING, "the remote forward is dead")
            assert greeted(local) == GREETING
            assert greeted(port, through_socks=dynamic) == GREETING
    kinds = [row["kind"] for row in relaying.recorded().events("channel_opened")]
    assert sorted(set(kinds)) == ["direct-tcpip", "forwarded-tcpip"]


def test_forwards_of_unix_sockets_work_where_they_are_allowed(
    open_login: Login, tmp_path: Path, openssh_server: OpenSSHServer
):
    behind, there = openssh_server.home() / "behind", openssh_server.home() / "forwarded"
    there.unlink(missing_ok=True)
    with greeter(behind):
        behind.chmod(0o777)
        words = ("-L", f"{tmp_path}/here:{behind}", "-R", f"{there}:{behind}")
        with forwarding(open_login, *words, shown=tmp_path / "said"):
            wait_until(lambda: greeted(tmp_path / "here") == GREETING, "-L is dead")
            wait_until(lambda: greeted(there) == GREETING, "-R is dead")
    behind.unlink()


@pytest.mark.parametrize("relaying", ["packet"], indirect=True)
def test_the_users_agent_serves_where_it_is_allowed(open_login: Login, agent: str):
    argv = [*open_login.ssh("-A"), "ssh-add -l"]
    done = run(argv, env={**open_login.env, "SSH_AUTH_SOCK": agent})
    assert "ED25519" in done.text, done.said


@pytest.mark.parametrize("relaying", ["packet"], indirect=True)
def test_the_users_screen_serves_where_it_is_allowed(open_login: Login, screen: Screen):
    program("xdpyinfo")
    env = {**open_login.env, "DISPLAY": screen.display}
    done = run([*open_login.ssh("-Y"), "xdpyinfo | grep -c 'name of display'"], env=env)
    assert done.text == "1", done.said


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """An agent with one key; its socket."""
    path = str(tmp_path / "agent")
    process = subprocess.Popen(
        [program("ssh-agent"), "-D", "-a", path],
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    adding = [program("ssh-add"), "-q", str(make_key(tmp_path / "key"))]
    wait_until(lambda: run(adding, env={"SSH_AUTH_SOCK": path}).status == 0, "no agent")
    yield path
    stop(process)


def test_what_a_secret_says_of_commands_is_kept_or_it_is_not_served(
    relaying: Daemon, openssh_server: OpenSSHServer
):
    relaying.add_secret("ruled", openssh_server)
    relaying.cli("secret", "block", "ruled", "no-wipe", "wipe")
    login = relaying.login("ruled")
    refused, other = login.run("echo went; wipe"), login.run("id -un")
    assert "went" not in refused.text
    if "rule no-wipe of this secret forbids it" in refused.said:
        assert other.text == "target"
    else:
        assert "have [ssh] relay set to packet" in other.said
