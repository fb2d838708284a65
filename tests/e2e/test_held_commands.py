"""A command that a client gives waits for somebody's word, and then works as ever."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.dropbear import DropbearServer
from peers.login import Login
from peers.needed import environment, program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output, run
from peers.putty import Putty
from peers.recording import Json
from peers.terminal import OpenTerminal

pytestmark = pytest.mark.peers

TOLD = "proxyd: this waits until somebody else approves it, for an hour at most"


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("asked", openssh_server)
    made.cli("secret", "block", "asked", "ask-first", "restart", "--action", "hold")
    return made


@pytest.fixture(scope="module")
def login(daemon: Daemon) -> Login:
    return daemon.login("asked")


@pytest.fixture(scope="module")
def putty(daemon: Daemon, login: Login) -> Putty:
    return Putty(login, daemon.fingerprints())


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Runs clients that wait."""
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
def there(openssh_server: OpenSSHServer, tmp_path: Path) -> Path:
    """A folder on the target whose name the rule is about."""
    folder = openssh_server.home() / f"restart-{tmp_path.name}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def pending(daemon: Daemon) -> list[Json]:
    rows: list[Json] = daemon.json("access", "requests", "--pending")
    return rows


def asked(daemon: Daemon) -> Json:
    """The one request that somebody has to decide about."""
    rows: list[Json] = []

    def there() -> bool:
        rows[:] = pending(daemon)
        return bool(rows)

    wait_until(there, "nobody was asked")
    [row] = rows
    return row


def decided(daemon: Daemon, waiting: Future[Output], *decision: str) -> Output:
    """What a client has to say once its command was decided about."""
    row = asked(daemon)
    assert not waiting.done()
    verb, *more = decision
    daemon.cli("access", verb, row["id"], *more)
    return waiting.result(60)


def approved(daemon: Daemon, waiting: Future[Output]) -> Output:
    return decided(daemon, waiting, "approve")


def test_an_approved_command_has_its_input_its_output_and_its_status(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor
):
    daemon.forget_sessions()
    # The target grants no room before it runs: what does not fit is kept by the client.
    blob = os.urandom(3_000_000)
    command = "restarted=$(sha256sum); echo $restarted; echo warned >&2; exit 7"
    done = approved(daemon, pool.submit(login.run, command, typed=blob))
    assert done.status == 7, done.said
    assert done.text.split()[0] == hashlib.sha256(blob).hexdigest()
    told, warned = done.stderr.decode().split("control-C gives it up")
    assert TOLD in told
    assert warned.strip() == "warned"
    recording = daemon.recorded()
    [matched] = recording.events("command_matched")
    assert (matched["outcome"], matched["command"]) == ("waits", command)
    assert [row["request"] for row in recording.events("channel_requested")][-1] == "exec"
    said = [row["detail"] for row in daemon.json("audit", "list")]
    assert f"command: {command}; request {matched_request(daemon)}" in said


def matched_request(daemon: Daemon) -> str:
    return str(daemon.json("access", "requests")[0]["id"])


def test_a_denied_command_is_answered_with_the_reason_and_never_runs(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor, there: Path
):
    daemon.forget_sessions()
    waiting = pool.submit(login.run, f"touch {there}/ran")
    done = decided(daemon, waiting, "deny", "--say", "not today")
    assert done.status == 126
    assert "proxyd: not run: denied by" in done.said
    assert "not today" in done.said
    recording = daemon.recorded()
    [refused] = recording.events("request_refused")
    assert "not today" in refused["reason"]
    assert recording.events("channel_requested", "command_exited") == []
    assert not (there / "ran").exists()


def test_plink_waits_as_well(daemon: Daemon, putty: Putty, pool: ThreadPoolExecutor):
    waiting = pool.submit(putty.plink, "echo restarted; cat; exit 5", typed=b"read late")
    done = approved(daemon, waiting)
    assert (done.status, done.text) == (5, "restarted\nread late"), done.said
    assert TOLD in done.said
    refused = decided(daemon, pool.submit(putty.plink, "restart"), "deny")
    assert refused.status == 126
    assert "not run: denied by" in refused.said


def test_who_goes_away_or_types_control_c_is_not_asked_for_any_more(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    daemon.forget_sessions()
    client = subprocess.Popen(
        [*login.ssh(), "restart it"], env=environment(**login.env), stderr=subprocess.DEVNULL
    )
    asked(daemon)
    client.send_signal(signal.SIGINT)
    client.wait(30)
    wait_until(lambda: not pending(daemon), "still asked")
    [refused] = daemon.recorded().events("request_refused")
    assert "before somebody approved it" in refused["reason"]
    terminal = open_terminal([*login.ssh("-tt"), "restart it"], login.env)
    terminal.expect(TOLD)
    asked(daemon)
    terminal.type("\x03")
    terminal.expect("not run: given up")
    assert terminal.wait() == 126
    wait_until(lambda: not pending(daemon), "still asked")


def test_an_approved_command_has_its_terminal(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    # The client may tell of its new size a moment after the key.
    resized = "until stty size | grep '34 92'; do sleep 0.1; done"
    command = f"restarted=1; read line; {resized}; echo got-$line; exit 3"
    terminal = open_terminal([*login.ssh("-tt"), command], login.env, (91, 33))
    terminal.expect(TOLD)
    row = asked(daemon)
    terminal.resize(92, 34)
    terminal.type("early\r")
    daemon.cli("access", "approve", row["id"])
    terminal.expect("34 92")
    terminal.expect("got-early")
    assert terminal.wait() == 3


def test_what_was_sent_meanwhile_to_a_target_that_grants_room_is_kept(
    daemon: Daemon, dropbear_server: DropbearServer, pool: ThreadPoolExecutor
):
    account, where = dropbear_server.account, ("--port", str(dropbear_server.port))
    words = (*where, "--username", account.name, "--password-stdin")
    daemon.add_target("small", *words, typed=f"{account.password}\n")
    daemon.cli("secret", "block", "small", "ask-first", "restart", "--action", "hold")
    small, typed = daemon.login("small"), b"sent meanwhile\n"
    done = approved(daemon, pool.submit(small.run, "cat; exit 4 # restart", typed=typed))
    assert (done.status, done.stdout) == (4, typed), done.said
    daemon.forget_sessions()
    refused = decided(daemon, pool.submit(small.run, "restart", typed=typed), "deny")
    assert refused.status == 126
    assert daemon.recorded().export("input") == typed


def test_what_is_chosen_from_a_menu_waits_in_the_terminal(
    daemon: Daemon, openssh_server: OpenSSHServer, open_terminal: OpenTerminal
):
    daemon.add_secret("listed", openssh_server)
    daemon.cli(
        "secret", "allow", "listed", "again", "echo restarted; read line; echo got-$$line"
    )
    daemon.cli("secret", "block", "listed", "ask-first", "restart", "--action", "hold")
    alice = daemon.dress("", "alice", "Correct-Horse-9-Battery")
    terminal = open_terminal(alice.ssh("-tt"), alice.env)
    terminal.expect("proxyd> ")
    for decision in ("approve", "deny", ""):
        terminal.type("launch listed\r")
        terminal.expect("listed> ")
        terminal.type("again\r")
        terminal.expect(TOLD)
        row = asked(daemon)
        terminal.type("early\r" if decision else "\x03")
        if decision:
            daemon.cli("access", decision, row["id"])
        terminal.expect("got-early" if decision == "approve" else "not run: (given|denied by)")
        terminal.expect("proxyd> ")
    terminal.type("exit\r")
    assert terminal.wait() == 0
    wait_until(lambda: not pending(daemon), "still asked")


# --- a shell without a terminal


def test_a_line_of_a_script_waits_and_what_follows_runs_after_it(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor, there: Path
):
    daemon.forget_sessions()
    first, second = "touch 2 # restart", "touch 4 # restart"
    folder = str(there).replace("restart", "r?start")
    script = "\n".join([f"cd {folder}", "touch 1", first, "touch 3", second, "ls; exit 5"])
    waiting = pool.submit(login.run, options=("-T",), typed=script.encode())
    row = asked(daemon)
    assert row["command"] == first
    wait_until((there / "1").exists, "what is before it did not run")
    assert sorted(path.name for path in there.iterdir()) == ["1"]
    daemon.cli("access", "approve", row["id"])
    row = asked(daemon)
    assert row["command"] == second
    wait_until((there / "3").exists, "what is before it did not run")
    done = decided(daemon, waiting, "deny", "--say", "not today")
    assert (done.status, done.text.split()) == (5, ["1", "2", "3"]), done.said
    assert done.said.count(TOLD) == 2
    assert "proxyd: not run: denied by" in done.said
    assert "not today" in done.said
    recording = daemon.recorded()
    matched = recording.events("command_matched")
    assert [each["outcome"] for each in matched] == ["waits", "waits"]
    assert recording.export("input") == script.encode()


def test_a_script_of_plink_waits_with_its_end(
    daemon: Daemon, putty: Putty, pool: ThreadPoolExecutor
):
    for decision, status, said in (("approve", 4, "one\nrestarted"), ("deny", 0, "one")):
        script = b"echo one\necho restarted; exit 4"
        waiting = pool.submit(putty.plink, options=("-T",), typed=script)
        done = decided(daemon, waiting, decision)
        assert (done.status, done.text) == (status, said), done.said
        assert TOLD in done.said


def test_a_script_that_is_larger_than_a_window_waits_where_it_is(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor
):
    lines, big = b"n=$((n+1)) # no more\n" * 10, b"# " + b"x" * 60_000 + b"\n"
    script = b"n=0 # restart\n" + (lines + big) * 100 + b"echo $n\n"
    done = approved(daemon, pool.submit(login.run, options=("-T",), typed=script))
    assert (done.status, done.text) == (0, "1000"), done.said


def test_nobody_is_asked_for_a_script_whose_client_has_left(
    daemon: Daemon, login: Login, there: Path
):
    client = subprocess.Popen(
        login.ssh("-T"), env=environment(**login.env), stdin=subprocess.PIPE
    )
    assert client.stdin is not None
    client.stdin.write(f"touch {there}/ran\n".encode())
    client.stdin.flush()
    asked(daemon)
    client.send_signal(signal.SIGINT)
    client.wait(10)
    client.stdin.close()
    wait_until(lambda: not pending(daemon), "still asked")
    assert not (there / "ran").exists()


def test_the_end_of_a_script_on_a_terminal_overtakes_none_of_its_lines(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor
):
    script = b"echo one-$((1+0))\necho re''started\nrestarted=2\necho end-$restarted; exit 6\n"
    waiting = pool.submit(login.run, options=("-tt",), typed=script)
    row = asked(daemon)
    daemon.cli("access", "approve", row["id"])
    done = approved(daemon, waiting)
    assert done.status == 6, done.said
    assert "one-1" in done.text
    assert "end-2" in done.text


# --- programs that copy


def test_scp_and_rsync_copy_once_they_may(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor, there: Path, tmp_path: Path
):
    blob, source, back = os.urandom(500_000), tmp_path / "blob", tmp_path / "back"
    source.write_bytes(blob)
    old = [*login.tool("scp"), "-O"]
    rsync = [program("rsync"), "-e", f"ssh -F {login.config}"]
    for words, copy in (
        ([*old, str(source), f"proxy:{there}/by-scp"], there / "by-scp"),
        ([*old, f"proxy:{there}/by-scp", str(back)], back),
        ([*rsync, str(source), f"proxy:{there}/by-rsync"], there / "by-rsync"),
    ):
        daemon.forget_sessions()
        done = approved(daemon, pool.submit(run, words, env=login.env))
        assert done.status == 0, done.said
        assert copy.read_bytes() == blob
        if "by-scp" in words[-1]:
            [row] = daemon.recorded().events("file_touched")
            assert row["sha256"] == hashlib.sha256(blob).hexdigest()


def test_sftp_and_git_speak_first_and_are_heard_once_they_may(
    daemon: Daemon, login: Login, pool: ThreadPoolExecutor, there: Path, tmp_path: Path
):
    server = f"/usr/lib/openssh/sftp-server -d {there}"
    sftp = [*login.tool("sftp"), "-s", server, "proxy"]
    (tmp_path / "blob").write_bytes(b"by sftp")
    typed = f"put {tmp_path}/blob {there}/by-sftp\n".encode()
    done = approved(daemon, pool.submit(run, sftp, env=login.env, typed=typed))
    assert (there / "by-sftp").read_bytes() == b"by sftp", done.said
    git = _git_with_a_commit(tmp_path / "local", there / "bare.git")
    env = {**login.env, "GIT_SSH_COMMAND": f"ssh -F {login.config}"}
    push = [*git, "push", "-q", "--receive-pack", "git -c safe.directory=* receive-pack"]
    words = [*push, f"ssh://proxy{there}/bare.git", "HEAD:main"]
    done = approved(daemon, pool.submit(run, words, env=env))
    assert done.status == 0, done.said


def _git_with_a_commit(local: Path, bare: Path) -> Sequence[str]:
    git = [program("git"), "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(local)]
    for words in (
        [program("git"), "init", "-q", "--bare", str(bare)],
        [program("git"), "init", "-q", str(local)],
        [*git, "commit", "-q", "--allow-empty", "-m", "first"],
        ["chmod", "-R", "a+rwX", str(bare)],
    ):
        assert run(words).status == 0
    return git
