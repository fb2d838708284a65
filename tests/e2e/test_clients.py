"""OpenSSH and dropbear get through proxyd what they get without it, on both relays."""

import asyncio
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from peers.asyncssh_client import connect
from peers.daemon import Daemon
from peers.dropbear import Dbclient, DropbearServer
from peers.login import Login
from peers.needed import environment, program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.relays import BLOB
from peers.terminal import OpenTerminal, screen_of

pytestmark = pytest.mark.peers


@pytest.fixture
def login(relaying_login: Login) -> Login:
    return relaying_login


def test_what_crosses_is_counted(relaying: Daemon, login: Login):
    def crossed(direction: str) -> float:
        return relaying.metric(f'proxyd_relay_bytes_total{{direction="{direction}"}}')

    before = crossed("from_client"), crossed("from_target")
    login.run("cat > /dev/null; head -c 200000 /dev/zero", typed=bytes(100_000))
    assert 100_000 <= crossed("from_client") - before[0] < 110_000
    assert 200_000 <= crossed("from_target") - before[1] < 210_000


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_openssh_logs_on(login: Login, method: str):
    done = login.run("id -un", options=("-o", f"PreferredAuthentications={method}"))
    assert (done.status, done.text) == (0, "target"), done.said


@pytest.mark.parametrize("account", ["byword", "byanswer"])
def test_the_target_takes_a_password_in_either_way(
    relaying: Daemon, openssh_server: OpenSSHServer, account: str
):
    where = ("--port", str(openssh_server.port), "--username", account, "--password-stdin")
    relaying.add_target(account, *where, typed=f"{account}-Tr0ub4dor-3\n")
    assert relaying.login(account).run("id -un").text == account


def test_the_target_takes_a_key(relaying: Daemon, openssh_server: OpenSSHServer):
    relaying.add_secret("bykey", openssh_server, "--username", "bykey")
    assert relaying.login("bykey").run("id -un").text == "bykey"


@pytest.mark.parametrize("status", [0, 1, 7, 127, 128, 254, 255])
def test_an_exit_status_comes_back(login: Login, status: int):
    assert login.run(f"exit {status}").status == status


@pytest.mark.parametrize("name", ["TERM", "SEGV", "KILL"])
def test_a_killed_command_does_not_look_like_success(login: Login, name: str):
    done = login.run(f"kill -{name} $$", options=("-v", "-o", "LogLevel=VERBOSE"))
    assert done.status == 255


def test_standard_error_stays_apart(login: Login):
    done = login.run("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_the_environment_passes(login: Login):
    done = run(
        [*login.ssh("-o", "SendEnv=MARKED_*"), "echo $MARKED_ONE"],
        env={**login.env, "MARKED_ONE": "a b=c"},
    )
    assert done.text == "a b=c"


def test_end_of_input_reaches_the_target_and_its_answer_comes_back(login: Login):
    assert login.run("sort; echo end", typed=b"b\na\n").stdout == b"a\nb\nend\n"


def test_a_target_that_stops_reading_early_is_no_failure(login: Login):
    command = shlex.join([*login.ssh(), "head -c 4 | wc -c"])
    done = run(["sh", "-c", f"yes | {command}"], env=login.env)
    assert (done.status, done.text) == (0, "4")


@pytest.mark.parametrize("relaying", ["packet"], indirect=True)
def test_a_client_that_stops_reading_early_ends_the_command(login: Login, there: Path):
    mark = there / "ended"
    command = shlex.join([*login.ssh(), f"yes; touch {mark}"])
    done = run(["sh", "-c", f"{command} | head -n 2"], env=login.env)
    assert done.stdout == b"y\ny\n"
    wait_until(mark.exists, "the command was not ended")


def test_every_byte_passes_both_ways(login: Login):
    everything = bytes(range(256)) * 4000
    assert login.run("cat", typed=everything).stdout == everything


def test_the_tail_of_a_target_that_closes_first_arrives(login: Login):
    assert len(login.run("head -c 20000000 /dev/zero").stdout) == 20_000_000


def test_an_unknown_subsystem_is_refused(login: Login):
    assert run([*login.ssh("-s"), "nosuch"], env=login.env).status != 0


def test_a_terminal_has_the_size_the_type_and_the_modes_of_the_users(
    login: Login, open_terminal: OpenTerminal
):
    terminal = open_terminal([*login.ssh("-tt")], login.env, (97, 31))
    terminal.type("PS1='ok> '; stty -a | grep -c 'erase = ^?'; stty size; echo $TERM\r")
    terminal.expect(r"\r1\r\n31 97\r\nxterm-256color\r\n")
    terminal.resize(120, 40)
    # The client tells of a new size by itself, and not before the next key.
    terminal.type("until stty size | grep '40 120'; do sleep 0.1; done\r")
    terminal.expect(r"\r40 120\r\n")
    terminal.type("exit 3\r")
    assert terminal.wait() == 3


def test_interrupt_and_end_of_file_are_keys(login: Login, open_terminal: OpenTerminal):
    terminal = open_terminal([*login.ssh("-tt"), "echo on; sleep 100; cat; exit 4"], login.env)
    terminal.expect("on")
    terminal.type("\x03")
    assert terminal.wait() != 0
    terminal = open_terminal([*login.ssh("-tt"), "cat; exit 4"], login.env)
    terminal.type("word\r")
    terminal.expect("word\r\nword")
    terminal.type("\x04")
    assert terminal.wait() == 4


async def test_signals_and_breaks_pass(relaying: Daemon, login: Login):
    async with asyncio.timeout(30), connect(login) as connection:
        command = "trap 'echo got-it; exit 7' USR1; echo on; while :; do sleep .1; done"
        process = await connection.create_process(command)
        assert await process.stdout.readline() == "on\n"
        process.channel.send_break(200)
        process.send_signal("USR1")
        done = await process.wait()
    assert (done.exit_status, done.stdout) == (7, "got-it\n")
    requests = relaying.recorded().events("channel_requested")
    assert [event["request"] for event in requests] == ["exec", "break", "signal"]


@pytest.mark.parametrize("program_name", ["vim", "tmux"])
def test_a_full_screen_program_draws_the_same_and_replays_the_same(
    relaying: Daemon,
    login: Login,
    open_terminal: OpenTerminal,
    there: Path,
    program_name: str,
):
    vim = program("vim" if shutil.which("vim") else "vi")
    terminal = open_terminal(login.ssh("-tt"), {**login.env, "LC_ALL": "C.UTF-8"}, (100, 30))
    start = {
        "vim": f"{vim} -u NONE -N {there}/text\r",
        "tmux": f"tmux -L {there.name} -f /dev/null new\r",
    }
    terminal.expect(r"\$ ")
    terminal.type(start[program_name])
    terminal.expect({"vim": "~", "tmux": r"0:\w+\*"}[program_name])
    terminal.settle(1)
    terminal.resize(90, 25)
    terminal.settle(0.6)
    terminal.type({"vim": "iMarked text\x1b", "tmux": "echo Marked text\r"}[program_name])

    def shows() -> bool:
        terminal.settle(0.6)
        return any("Marked text" in line for line in screen_of(bytes(terminal.output), 90, 25))

    wait_until(shows, "it is not drawn")
    terminal.type({"vim": ":wq\r", "tmux": "exit\r"}[program_name])
    terminal.expect({"vim": "written", "tmux": r"\[exited\]"}[program_name])
    terminal.expect(r"\$ ")
    terminal.type("exit\r")
    assert terminal.wait() == 0
    assert relaying.recorded().export("output") == bytes(terminal.output)
    if program_name == "vim":
        assert (there / "text").read_text() == "Marked text\n"


def test_a_large_paste_arrives_whole(
    login: Login, open_terminal: OpenTerminal, relaying: Daemon
):
    lines = [f"{i:07d}-0123456789012345678901234567890123456789" for i in range(20_000)]
    paste = "\r".join(lines) + "\r"
    terminal = open_terminal(
        [*login.ssh("-tt"), "stty -echo icrnl; echo ready; head -n 20000 | sha256sum"],
        login.env,
    )
    terminal.expect("ready\r\n")
    terminal.type(paste)
    expected = run([program("sha256sum")], typed=("\n".join(lines) + "\n").encode()).text
    terminal.expect(expected.split()[0], seconds=40)
    assert terminal.wait() == 0


def test_many_sessions_share_a_connection_and_its_recording(
    relaying: Daemon, login: Login, tmp_path: Path
):
    path = str(tmp_path / "control")
    master = login.ssh("-M", "-S", path, "-fN")
    assert run(["sh", "-c", shlex.join(master) + " >/dev/null 2>&1"], env=login.env).status == 0
    wait_until(lambda: Path(path).exists(), "the control master did not come up")
    started = [
        subprocess.Popen(
            [*login.ssh("-S", path), f"sleep 0.5; echo number-{n}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
        for n in range(9)
    ]
    got = [process.communicate(timeout=30)[0].decode().strip() for process in started]
    run(login.ssh("-S", path, "-O", "exit"))
    assert got == [f"number-{n}" for n in range(9)]
    by_channel = {
        event["channel"]: event for event in relaying.recorded().events("target_data")
    }
    assert len(by_channel) == 9


def test_a_connection_without_a_channel_stays_until_the_user_leaves(login: Login):
    process = subprocess.Popen(
        login.ssh("-N"), env=environment(**login.env), stdin=subprocess.DEVNULL
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.terminate()
    process.wait(30)


def test_keepalives_are_answered(login: Login):
    # Without an answer it would end after four seconds.
    often = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3")
    assert login.run("sleep 5; echo alive", options=often).text == "alive"


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr", None])
def test_keys_are_renewed_under_load_both_ways(login: Login, cipher: str | None):
    often = ("-o", "RekeyLimit=1M", *(("-c", cipher) if cipher else ()))
    data = BLOB * 3
    assert login.run("cat", options=often, typed=data).stdout == data


@pytest.mark.parametrize("mode", ["-O", "-s"])
def test_scp_copies_both_ways(login: Login, blob: Path, there: Path, tmp_path: Path, mode: str):
    up = run(login.tool("scp", mode, str(blob), f"proxy:{there}/up"), env=login.env)
    down = run(login.tool("scp", mode, f"proxy:{there}/up", f"{tmp_path}/down"), env=login.env)
    assert (up.status, down.status) == (0, 0), up.said + down.said
    assert (tmp_path / "down").read_bytes() == BLOB


def test_sftp_copies_both_ways(login: Login, blob: Path, there: Path, tmp_path: Path):
    script = f"put {blob} {there}/up\nget {there}/up {tmp_path}/down\nls {there}\n"
    done = run(
        login.tool("sftp", "-o", "BatchMode=no", "-b", "-", "proxy"),
        env=login.env,
        typed=script.encode(),
    )
    assert done.status == 0, done.said
    assert (tmp_path / "down").read_bytes() == BLOB


def test_rsync_mirrors_a_folder(login: Login, there: Path, tmp_path: Path):
    program("rsync")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_bytes(BLOB)
    (tmp_path / "tree" / "other").write_text("x")
    shell = f"{program('ssh')} -F {login.config}"
    argv = [program("rsync"), "-a", "-e", shell]
    up = run([*argv, f"{tmp_path}/tree/", f"proxy:{there}/tree/"], env=login.env)
    down = run([*argv, f"proxy:{there}/tree/", f"{tmp_path}/back/"], env=login.env)
    assert (up.status, down.status) == (0, 0), up.said + down.said
    assert (tmp_path / "back" / "deep" / "file").read_bytes() == BLOB


def test_git_pushes_and_lists(login: Login, there: Path, tmp_path: Path):
    git, work = program("git"), tmp_path / "work"
    env = {**login.env, "GIT_SSH_COMMAND": f"{program('ssh')} -F {login.config}"}
    assert login.run(f"git init -q --bare {there}/repo").status == 0
    run([git, "init", "-q", str(work)])
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    run([git, *who, "commit", "-q", "--allow-empty", "-m", "first"], cwd=work)
    pushed = run([git, "push", "-q", f"proxy:{there}/repo", "HEAD:main"], env=env, cwd=work)
    assert pushed.status == 0, pushed.said
    listed = run([git, "ls-remote", f"proxy:{there}/repo"], env=env)
    assert "refs/heads/main" in listed.text


def test_dropbears_client_logs_on_and_returns_a_status(login: Login, dbclient: Dbclient):
    done = dbclient(login.port, login.username, login.password, "echo hello; exit 6")
    assert (done.status, done.stdout) == (6, b"hello\n"), done.said


def test_a_dropbear_target_serves(relaying: Daemon, dropbear_server: DropbearServer):
    where = ("--port", str(dropbear_server.port), "--username", dropbear_server.account.name)
    password = dropbear_server.account.password + "\n"
    relaying.add_target("small", *where, "--password-stdin", typed=password)
    done = relaying.login("small").run("cat; exit 9", typed=BLOB)
    assert (done.status, done.stdout == BLOB) == (9, True), done.stderr
