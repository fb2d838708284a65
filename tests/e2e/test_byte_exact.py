"""100 MB through each kind of channel: no byte differs, at the client or in the recording."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.login import Login
from peers.needed import environment
from peers.openssh import OpenSSHServer
from peers.output import run
from peers.recording import Json, Recording

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

SIZE_BYTES = 100_000_000
MARK = b"ready\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def blob(openssh_server: OpenSSHServer) -> Iterator[Path]:
    path = openssh_server.folder / "blob"
    with path.open("wb") as out:
        for _ in range(SIZE_BYTES // 1_000_000):
            out.write(os.urandom(1_000_000))
    path.chmod(0o644)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def source(blob: Path) -> str:
    return file_sha256(blob)


@pytest.fixture(scope="module")
def full(daemon: Daemon, openssh_server: OpenSSHServer) -> Login:
    daemon.add_secret("full", openssh_server, "--capture", "full", "--no-mask-typed")
    return daemon.login("full")


def digest_of(recording: Recording, stream: str) -> tuple[int, str]:
    """What the recording says of a whole stream: its length and its SHA-256."""
    return digest_in(recording.events("stream_digested"), stream)


def digest_in(events: list[Json], stream: str) -> tuple[int, str]:
    rows = [r for r in events if r["type"] == "stream_digested" and r["stream"] == stream]
    assert len(rows) == 1, rows
    return rows[0]["size_bytes"], rows[0]["sha256"]


def test_a_command_sends(daemon: Daemon, full: Login, blob: Path, source: str):
    assert sha256(full.run(f"cat {blob}", seconds=120).stdout) == source
    recording = daemon.recorded(seconds=60)
    assert digest_of(recording, "target") == (SIZE_BYTES, source)
    assert sha256(recording.export("output")) == source
    assert recording.verify() == 0


def test_a_command_takes(daemon: Daemon, full: Login, blob: Path, source: str):
    with blob.open("rb") as file:
        done = subprocess.run(
            [*full.ssh(), "sha256sum"],
            stdin=file,
            capture_output=True,
            env=environment(**full.env),
            timeout=120,
            check=True,
        )
    assert done.stdout.decode().split()[0] == source
    assert sha256(daemon.recorded(seconds=60).export("input")) == source


def test_a_raw_terminal_sends(daemon: Daemon, full: Login, blob: Path, source: str):
    done = full.run(f"stty raw -echo; cat {blob}", options=("-tt",), seconds=200)
    assert sha256(done.stdout) == source
    assert sha256(daemon.recorded(seconds=60).export("output")) == source


def test_a_raw_terminal_takes(daemon: Daemon, full: Login, blob: Path, source: str):
    take = f"stty raw -echo; echo ready; head -c {SIZE_BYTES} | sha256sum"
    process = subprocess.Popen(
        [*full.ssh("-tt"), take],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(**full.env),
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.read(len(MARK)) == MARK
    process.stdin.write(blob.read_bytes())
    process.stdin.flush()
    answer = process.stdout.read()
    process.stdin.close()
    process.stdout.close()
    assert process.wait(30) == 0
    assert answer.decode().split()[0] == source
    assert sha256(daemon.recorded(seconds=60).export("input")) == source


def test_sftp_copies(daemon: Daemon, full: Login, blob: Path, source: str, tmp_path: Path):
    up, down = full_home(blob) / "sftp-up", tmp_path / "down"
    copied = run(
        full.tool("sftp", "-o", "BatchMode=no", "-b", "-", "proxy"),
        env=full.env,
        typed=f"put {blob} {up}\nget {up} {down}\n".encode(),
        seconds=120,
    )
    assert copied.status == 0, copied.said
    assert (file_sha256(up), file_sha256(down)) == (source, source)
    recording = daemon.recorded(seconds=60)
    check_ledger(recording, source, upload="input", download="output")
    up.unlink()


def test_scp_copies(daemon: Daemon, full: Login, blob: Path, source: str, tmp_path: Path):
    up, down = full_home(blob) / "scp-up", tmp_path / "down"
    for operation, stream, words in (
        ("upload", "input", (str(blob), f"proxy:{up}")),
        ("download", "output", (f"proxy:{up}", str(down))),
    ):
        copied = run(full.tool("scp", "-O", *words), env=full.env, seconds=120)
        assert copied.status == 0, copied.said
        check_ledger(daemon.recorded(seconds=60), source, **{operation: stream})
    assert (file_sha256(up), file_sha256(down)) == (source, source)
    up.unlink()


def full_home(blob: Path) -> Path:
    return blob.parent / "home" / "target"


def check_ledger(recording: Recording, source: str, **streams: str) -> None:
    """The ledger names each file's digest; an export is the stream that a digest is of."""
    events = recording.events("file_touched", "stream_digested")
    files = [row for row in events if row["type"] == "file_touched"]
    told = [(row["operation"], row["size_bytes"], row["sha256"]) for row in files]
    assert told == [(operation, SIZE_BYTES, source) for operation in streams]
    for stream in streams.values():
        whole = digest_in(events, {"input": "client", "output": "target"}[stream])
        exported = recording.export(stream)
        assert whole == (len(exported), sha256(exported))


def test_past_the_limit_only_count_and_digest_go_on(
    daemon: Daemon, login: Login, blob: Path, source: str
):
    assert sha256(login.run(f"cat {blob}", seconds=120).stdout) == source
    recording = daemon.recorded(seconds=60)
    assert digest_of(recording, "target") == (SIZE_BYTES, source)
    truncated = recording.events("capture_truncated")
    assert [(row["stream"], row["kept_bytes"]) for row in truncated] == [("target", 16 << 20)]
    kept = recording.export("output")
    with blob.open("rb") as file:
        assert kept == file.read(16 << 20)
