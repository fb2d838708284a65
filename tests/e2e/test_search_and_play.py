"""Recordings are found by what was typed, shown, run and moved; and played, and watched."""

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import environment
from peers.output import run
from peers.recording import Recording
from peers.terminal import OpenTerminal, Terminal, screen_of

pytestmark = pytest.mark.peers

PROMPT = "2004hok> "
DANGEROUS = rb"\x1b]52;c;Y2FuYXJ5\x07\x1b]0;taken-over\x07\x1b[c\x1b[6n\x1bP$qm\x1b\\"


@pytest.fixture(scope="module")
def mark() -> str:
    """A word that only this run knows."""
    return f"m{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def shell_recording(daemon: Daemon, login: Login, mark: str) -> Recording:
    with Terminal(login.ssh("-tt"), env=login.env, size=(90, 25)) as terminal:
        terminal.expect(r"\$ ")
        terminal.enter("PS1='ok> '")
        terminal.expect(PROMPT)
        terminal.enter(f"echo shown-$((40+2))-{mark}; printf '\\033[31mred-{mark}\\033[0m\\n'")
        terminal.expect(f"red-{mark}")
        terminal.expect(PROMPT)
        terminal.resize(100, 30)
        terminal.settle()
        terminal.enter(f"printf '{DANGEROUS.decode()}'; echo after-{mark}")
        terminal.expect(rf"\\after-{mark}")
        terminal.type("\x15exit 0\r")
        assert terminal.wait() == 0
    recording = daemon.recorded()
    daemon.indexed()
    return recording


def hits(daemon: Daemon, text: str, place: str = "") -> list[dict[str, object]]:
    more = ("--in", place) if place else ()
    found: list[dict[str, object]] = daemon.json("session", "search", text, *more)
    return found


def test_what_was_shown_is_found(daemon: Daemon, shell_recording: Recording, mark: str):
    hit = hits(daemon, f"shown-42-{mark}", "output")[0]
    assert hit["session"] == shell_recording.id
    assert hit["kind"] == "output"
    assert "\x1b" not in str(hit["text"])
    assert 0 < int(str(hit["at_ms"])) < 60_000


def test_what_was_typed_is_found_as_a_command(
    daemon: Daemon, shell_recording: Recording, mark: str
):
    texts = [str(hit["text"]) for hit in hits(daemon, mark, "commands")]
    assert any(text.startswith(f"echo shown-$((40+2))-{mark}") for text in texts), texts
    assert all(hit["session"] == shell_recording.id for hit in hits(daemon, mark))


def test_a_command_without_a_terminal_is_found(daemon: Daemon, login: Login, mark: str):
    login.run(f"true exec-{mark}")
    recording = daemon.recorded()
    daemon.indexed()
    assert hits(daemon, f"exec-{mark}", "commands")[0]["session"] == recording.id


def test_files_are_found_by_their_names(
    daemon: Daemon, login: Login, mark: str, tmp_path: Path
):
    (tmp_path / f"file-{mark}").write_bytes(b"x" * 1000)
    script = f"put {tmp_path}/file-{mark} {daemon.folder.name}-{mark}\n".encode()
    argv = login.tool("sftp", "-o", "BatchMode=no", "-b", "-", "proxy")
    assert run(argv, env=login.env, typed=script).status == 0
    recording = daemon.recorded()
    daemon.indexed()
    assert hits(daemon, mark, "files")[0]["session"] == recording.id


def test_an_asciicast_replays_to_the_same_screen(shell_recording: Recording, mark: str):
    header, *lines = shell_recording.export("cast").decode().splitlines()
    assert json.loads(header)["version"] == 2
    assert (json.loads(header)["width"], json.loads(header)["height"]) == (90, 25)
    events = [json.loads(line) for line in lines]
    assert {kind for _, kind, _ in events} >= {"i", "o", "r"}
    assert [data for _, kind, data in events if kind == "r"] == ["100x30"]
    times = [at for at, _, _ in events]
    assert times == sorted(times)
    shown = "".join(data for _, kind, data in events if kind == "o")
    assert shown.encode() == shell_recording.export("output")
    assert any(f"red-{mark}" in line for line in screen_of(shown.encode(), 90, 25))


def test_the_transcript_has_the_lines_and_no_escapes(shell_recording: Recording, mark: str):
    text = shell_recording.export("text").decode()
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if line.endswith(f"shown-42-{mark}")]
    assert len(lines) == 1
    assert lines[0][:1].isdigit() or lines[0].startswith("[")


@pytest.mark.parametrize("extra", [(), ("--at", "1s")])
def test_play_shows_the_session_and_lets_nothing_out_of_the_screen(
    daemon: Daemon,
    shell_recording: Recording,
    open_terminal: OpenTerminal,
    mark: str,
    extra: tuple[str, ...],
):
    words = ("session", "play", shell_recording.id, "--speed", "50", "--skip-idle", *extra)
    terminal = open_terminal([*daemon.argv, *words], size=(120, 40))
    terminal.expect(f"after-{mark}")
    assert terminal.wait() == 0
    played = bytes(terminal.output)
    for escape in (b"\x1b]52", b"\x1b]0;taken-over", b"\x1b[c", b"\x1b[6n", b"\x1bP"):
        assert escape not in played


def test_watch_follows_a_live_session_to_its_end(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal, mark: str
):
    user = open_terminal(login.ssh("-tt"), login.env)
    user.expect(r"\$ ")
    user.enter("PS1='ok> '")
    user.expect(PROMPT)
    watcher = open_terminal([*daemon.argv, "session", "watch", daemon.live().id])
    watcher.settle(1)
    user.type(f"echo live-$((40+2))-{mark}\r")
    user.expect(f"live-42-{mark}")
    watcher.expect(f"live-42-{mark}")
    user.type("exit 0\r")
    assert user.wait() == 0
    assert watcher.wait() == 0
    daemon.recorded()


def test_a_message_shows_in_the_users_terminal(
    daemon: Daemon, login: Login, open_terminal: OpenTerminal
):
    user = open_terminal(login.ssh("-tt"), login.env)
    user.expect(r"\$ ")
    daemon.cli("session", "message", daemon.live().id, "please save your work")
    user.expect("please save your work")
    user.type("exit 0\r")
    assert user.wait() == 0
    notices = daemon.recorded().events("notice_shown")
    assert "please save your work" in notices[0]["text"]


def test_a_recording_is_listed_with_who_what_and_where(
    daemon: Daemon, shell_recording: Recording
):
    row = daemon.json("session", "show", shell_recording.id)
    known = {"protocol": "ssh", "state": "finished", "user": "alice", "secret": "web"}
    assert known.items() <= row.items()
    assert row["client_address"].startswith("127.0.0.1")
    assert row["end_reason"] in ("client_left", "target_left")
    assert row["input_bytes"] == len(shell_recording.export("input"))
    assert row["output_bytes"] == len(shell_recording.export("output"))
    assert shell_recording.verify() == 0


def test_the_session_is_live_while_it_lasts(daemon: Daemon, login: Login):
    process = subprocess.Popen(
        [*login.ssh(), "echo on; sleep 100"],
        stdout=subprocess.PIPE,
        env=environment(**login.env),
        stdin=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert daemon.live().row["ended_at"] is None
        assert len(daemon.json("session", "list", "--live")) == 1
        process.kill()
    started = time.monotonic()
    assert daemon.recorded().row["end_reason"] == "client_left"
    assert time.monotonic() - started < 20
