"""PuTTY and its tools get through proxyd what they get without it, on both relays."""

from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import program, wait_until
from peers.putty import Putty, Screen
from peers.relays import BLOB

pytestmark = pytest.mark.peers


@pytest.fixture
def putty(relaying: Daemon, relaying_login: Login) -> Putty:
    return Putty(relaying_login, relaying.fingerprints())


@pytest.mark.parametrize("status", [0, 5, 255])
def test_plink_runs_a_command_and_returns_its_status(putty: Putty, status: int):
    done = putty.plink(f"echo hello; exit {status}")
    assert (done.status, done.stdout) == (status, b"hello\n"), done.said


def test_plink_is_asked_for_a_password_only(putty: Putty):
    assert b"eyboard-interactive" not in putty.plink("true").stderr


def test_plink_gets_the_status_of_a_command_that_outlives_its_output(putty: Putty):
    # PuTTY's tools leave as soon as both sides have said their last byte.
    done = putty.plink("exec >&- 2>&-; sleep 0.5; exit 5")
    assert done.status == 5, done.said


def test_plink_has_a_terminal(putty: Putty):
    done = putty.plink(options=("-t",), typed=b"stty size; exit 5\r")
    assert done.status == 5
    assert b"24 80" in done.stdout


@pytest.mark.parametrize("mode", ["-scp", "-sftp"])
def test_pscp_copies_both_ways(
    putty: Putty, blob: Path, there: Path, tmp_path: Path, mode: str
):
    up = putty.pscp(mode, str(blob), f"127.0.0.1:{there}/up")
    down = putty.pscp(mode, f"127.0.0.1:{there}/up", f"{tmp_path}/down")
    assert (up.status, down.status) == (0, 0), up.said + down.said
    assert (tmp_path / "down").read_bytes() == BLOB


def test_psftp_copies_both_ways(putty: Putty, blob: Path, there: Path, tmp_path: Path):
    script = tmp_path / "script"
    script.write_text(f"put {blob} {there}/up\nget {there}/up {tmp_path}/down\nquit\n")
    done = putty.psftp(script)
    assert done.status == 0, done.said
    assert (tmp_path / "down").read_bytes() == BLOB


def test_putty_shows_a_session_and_takes_keys(
    relaying: Daemon, putty: Putty, there: Path, screen: Screen
):
    argv = [program("putty"), "-ssh", *putty.argv("putty")[1:], "127.0.0.1"]
    process = screen.start(argv)
    try:
        window = screen.window("PuTTY")
        wait_until(relaying.live, "no session")
        screen.type(window, "printf '\\033]0;seen-through\\007'; ls --color /")
        window = screen.window("seen-through")
        screen.type(window, f"echo typed > {there}/mark")
        wait_until((there / "mark").exists, "the typed command did not run")
        wait_until(lambda: screen.colours() > 2, "there are no colours")
        screen.type(window, "exit")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(5)
    assert b"seen-through" in relaying.recorded().export("output")
