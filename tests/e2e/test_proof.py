"""A recording proves itself, and nothing of it is readable on an engine's disk."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import ROOT, environment, files_under, wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output, run

pytestmark = [pytest.mark.peers, pytest.mark.timeout(120)]

SHOWN = b"marked-output-7f3a91c2"
TYPED = b"marked-input-5be0d847"
QUICK = "[recorder]\nchunk_interval_s = 1\n"


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="module")
def daemon(
    make_daemon: MakeDaemon, openssh_server: OpenSSHServer, heads: Path, blobs: Path
) -> Daemon:
    extra = f'{QUICK}[proof]\ntree_head_dir = "{heads}"\n[blobs]\nurl = "file://{blobs}"\n'
    made = make_daemon(extra, PROXYD_SSH__SOURCE_PENALTIES="false")
    made.add_secret("web", openssh_server)
    return made


@pytest.fixture
def login(daemon: Daemon) -> Login:
    return daemon.login("web")


def begin(login: Login) -> subprocess.Popen[bytes]:
    """Type and show what is marked, and stay."""
    shell = "read -r line; echo got $line; echo " + SHOWN.decode() + "; sleep 60"
    process = subprocess.Popen(
        [*login.ssh("-tt"), shell],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(**login.env),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(TYPED + b"\n")
    process.stdin.flush()
    seen = b""
    while SHOWN not in seen:
        seen += process.stdout.read1(4096)
    return process


def leaks(folder: Path) -> Iterator[Path]:
    for path, content in files_under(folder):
        if SHOWN in content or TYPED in content:
            yield path


def test_what_was_typed_and_shown_is_nowhere_in_clear(
    daemon: Daemon, login: Login, blobs: Path
):
    with begin(login) as client:
        spool = daemon.state / "spool"
        assert list(spool.rglob("*.open"))
        assert list(leaks(spool)) == []
        time.sleep(1.5)
        assert list(leaks(spool)) == []
        daemon.kill9()
        client.kill()
    assert list(spool.rglob("*.open")) or list(spool.rglob("*.chunk"))
    assert list(leaks(spool)) == []
    daemon.start()
    recording = daemon.recorded()
    assert list(leaks(spool)) == []
    assert list(blobs.rglob("*-*"))
    assert list(leaks(blobs)) == []
    assert SHOWN in recording.export("output")
    assert TYPED in recording.export("input")
    assert (recording.row["state"], recording.verify()) == ("interrupted", 0)


def test_an_exported_bundle_is_verified_offline(daemon: Daemon, login: Login, tmp_path: Path):
    login.run("echo one; sleep 1.2; echo two", options=("-tt",))
    recording = daemon.recorded()
    out = tmp_path / "bundle.zip"
    daemon.cli("session", "export", recording.id, "--format", "bundle", "--out", str(out))
    key = daemon.json("log", "head")["storage_key"]
    assert offline("verify", out, "--storage-key", key).status == 0
    content = bytearray(out.read_bytes())
    content[len(content) // 2] ^= 1
    out.write_bytes(content)
    assert offline("verify", out).status == 6


def offline(command: str, file: Path, *options: str) -> Output:
    """Run a command where there is no node, no database and no settings."""
    proxyd = [sys.executable, "-m", "proxyd", "--config", str(file.parent / "none.toml")]
    return run([*proxyd, "session", command, str(file), *options], cwd=ROOT)


def test_one_bit_in_the_store_is_found(daemon: Daemon, login: Login, blobs: Path):
    login.run("echo one; sleep 1.2; echo two", options=("-tt",))
    recording = daemon.recorded()
    assert recording.verify() == 0
    blob = sorted(next(blobs.rglob(recording.id)).iterdir())[-1]
    whole = blob.read_bytes()
    blob.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert recording.verify() == 6
    blob.write_bytes(whole)
    assert recording.verify() == 0


# Last: it leaves a log that does not fit.


def test_a_recording_that_was_rolled_back_in_the_database_is_found(
    daemon: Daemon, login: Login, heads: Path
):
    login.run("echo one; sleep 1.2; echo two", options=("-tt",))
    recording = daemon.recorded()
    sessions = daemon.json("log", "head")["sessions"]
    exported = heads / f"{sessions:012d}.head.json"
    wait_until(exported.exists, "no head was exported", seconds=20)
    assert daemon.cli("log", "verify").status == 0
    daemon.kill9()
    id_ = recording.id.replace("-", "")
    with sqlite3.connect(daemon.state / "proxyd.db") as database:
        database.execute("DELETE FROM chunks WHERE session_id = ? AND sequence > 0", [id_])
        database.execute(
            "UPDATE sessions SET chunks = 1, state = 'live', last_sequence = NULL WHERE id = ?",
            [id_],
        )
    daemon.start()
    assert recording.verify() == 6
    daemon.kill9()
    with sqlite3.connect(daemon.state / "proxyd.db") as database:
        database.execute("DELETE FROM session_log WHERE session_id = ?", [id_])
    daemon.start()
    done = daemon.cli("log", "verify", check=False)
    assert done.status == 6
    assert b"rolled back" in done.stdout
