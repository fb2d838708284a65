"""Files that cross a redirected drive: rdesktop's folder, mounted by xrdp, through proxyd."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import rdp_login, work
from peers.rdesktop import RDesktop
from peers.recording import Recording
from peers.xrdp import XRDP, running_xrdp

pytestmark = pytest.mark.peers
DESKTOP = bytes.fromhex("204060")
TAKEN = secrets.token_bytes(300_001)
PUT = secrets.token_bytes(200_003)
JOB = """\
#!/bin/sh
cd "$HOME"
share=thinclient_drives/share
n=0; until [ -e $share/take.bin ] || [ $n -gt 400 ]; do sleep 0.1; n=$((n+1)); done
exec >told-{name}.part 2>said-{name}
cp $share/take.bin taken-{name} || echo no take
cp put.bin $share/put.bin || echo no put
mkdir $share/folder || echo no folder
mv $share/put.bin $share/folder/moved.bin || echo no move
rm $share/gone.txt || echo no removal
echo done
mv told-{name}.part told-{name}
"""


@dataclass(frozen=True)
class Done:
    """A session in which a job was done on the client's drive."""

    share: Path
    """What the client lent."""
    home: Path
    said: list[str]
    recording: Recording

    def files(self, operation: str) -> list[tuple[str, int, str, str]]:
        return [
            (row["path"], row["size_bytes"], row["sha256"], row["outcome"])
            for row in self.recording.events("file_touched")
            if row["operation"] == operation
        ]


@pytest.fixture(scope="module")
def xrdp_server() -> Iterator[XRDP]:
    """One of its own: what it mounts lives as long as a session's user, or longer."""
    with running_xrdp(mounts_drives=True) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, xrdp_server: XRDP) -> Daemon:
    daemon, account = make_daemon(rdp=True), xrdp_server.account
    for name in ("drives", "drives-in", "drives-out"):
        daemon.add_target(
            *(name, "--port", str(xrdp_server.port), "--username", account.name),
            *("--password-stdin", "--channels", name),
            typed=account.password + "\n",
            protocol="rdp",
        )
    return daemon


def job(daemon: Daemon, xrdp_server: XRDP, desk: Display, share: Path, name: str) -> Done:
    home = xrdp_server.account.home
    (share / "take.bin").write_bytes(TAKEN)
    (share / "gone.txt").write_text("to be removed")
    (home / "put.bin").write_bytes(PUT)
    script = xrdp_server.write(f"job-{name}", JOB.format(name=name))
    viewer = RDesktop(desk, rdp_login(daemon, name), "-r", f"disk:share={share}")
    told = home / f"told-{name}"
    try:
        work(viewer, DESKTOP, f"sh {script}", told, seconds=60)
    finally:
        viewer.close()
    return Done(share, home, told.read_text().split("\n")[:-1], daemon.recorded())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CROSSED = "\\\\tsclient\\share\\"


def test_files_cross_both_ways_and_are_found_with_their_digests(
    daemon: Daemon, xrdp_server: XRDP, desk: Display, tmp_path: Path
) -> None:
    done = job(daemon, xrdp_server, desk, tmp_path, "drives")
    assert done.said == ["done"]
    assert (done.home / "taken-drives").read_bytes() == TAKEN
    assert (done.share / "folder" / "moved.bin").read_bytes() == PUT
    assert not (done.share / "gone.txt").exists()
    take, put = (CROSSED + name for name in ("take.bin", "put.bin"))
    assert done.files("upload") == [(take, len(TAKEN), sha256(TAKEN), "ok")]
    assert done.files("download") == [(put, len(PUT), sha256(PUT), "ok")]
    assert done.files("mkdir") == [(CROSSED + "folder", 0, "", "ok")]
    assert done.files("rename") == [(put, 0, "", "ok")]
    assert done.files("remove") == [(CROSSED + "gone.txt", 0, "", "ok")]
    [lent] = done.recording.events("forward_granted")
    assert (lent["request"], lent["detail"]) == ("drive", "share")
    assert done.recording.verify() == 0
    daemon.indexed()
    found = daemon.json("session", "search", "moved.bin")
    text = f"rename {put} {CROSSED}folder\\moved.bin"
    assert [(row["kind"], row["text"]) for row in found] == [("file", text)]


def test_where_files_may_only_be_taken_in_the_clients_drive_stays_as_it_is(
    daemon: Daemon, xrdp_server: XRDP, desk: Display, tmp_path: Path
) -> None:
    done = job(daemon, xrdp_server, desk, tmp_path, "drives-in")
    assert done.said == ["no put", "no folder", "no move", "no removal", "done"]
    assert (done.home / "taken-drives-in").read_bytes() == TAKEN
    assert sorted(path.name for path in done.share.iterdir()) == ["gone.txt", "take.bin"]
    assert [row[3] for row in done.files("upload")] == ["ok"]
    for operation in ("download", "mkdir", "remove"):
        assert {row[3] for row in done.files(operation)} == {"not allowed"}, operation


def test_where_files_may_only_be_taken_out_none_is_read(
    daemon: Daemon, xrdp_server: XRDP, desk: Display, tmp_path: Path
) -> None:
    done = job(daemon, xrdp_server, desk, tmp_path, "drives-out")
    assert done.said == ["no take", "done"]
    assert (done.home / "taken-drives-out").read_bytes() == b""
    assert (done.share / "folder" / "moved.bin").read_bytes() == PUT
    assert done.files("upload") == [(CROSSED + "take.bin", 0, "", "not allowed")]
    assert done.files("download") == [(CROSSED + "put.bin", len(PUT), sha256(PUT), "ok")]
