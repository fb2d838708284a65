"""What only the peers of the next Debian show; `script/newer-peers` runs this and the rest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import NEGOTIATION_FAILURE, rdp_login, work
from peers.pictures import rgb_of, settled
from peers.two_desktops import SHADOW_DESKTOP, XRDP_DESKTOP, View
from peers.xrdp import XRDP, running_xrdp

pytestmark = pytest.mark.newer_peers
COLOURS = {"xrdp": XRDP_DESKTOP, "shadow": SHADOW_DESKTOP}
TEXT = 'echo "Az{}|~@" ^_^?'


@pytest.fixture(scope="module")
def xrdp_server() -> Iterator[XRDP]:
    with running_xrdp(mounts_drives=True) as server:
        yield server


def test_freerdp_lends_xrdp_its_drive_and_the_files_are_recorded(
    desktops: Daemon, xrdp_server: XRDP, view: View, tmp_path: Path
) -> None:
    """First: xrdp 0.10 keeps a session for a minute, and mounts nothing new in one it kept."""
    account, there = xrdp_server.account, "dort-äöü-€-\n" * 9000
    desktops.add_target(
        *("drives", "--port", str(xrdp_server.port), "--username", account.name),
        *("--password-stdin", "--channels", "drives"),
        typed=account.password + "\n",
        protocol="rdp",
    )
    (tmp_path / "lent.txt").write_text(there)
    viewer = view(rdp_login(desktops, "drives"), f"/drive:share,{tmp_path}")
    share, done = "thinclient_drives/share", account.home / "done"
    copy = f"until cp {share}/lent.txt taken; do sleep 0.2; done; cp taken {share}/put.txt"
    work(viewer, XRDP_DESKTOP, f"{copy}; echo >{done}", done, seconds=10)
    viewer.close()
    assert (tmp_path / "put.txt").read_text() == there
    recording, digest = desktops.recorded(), hashlib.sha256(there.encode()).hexdigest()
    whole = [
        row["operation"]
        for row in recording.events("file_touched")
        if (row["sha256"], row["outcome"]) == (digest, "ok")
    ]
    assert whole == ["upload", "download"]


@pytest.mark.parametrize("target", ["xrdp", "shadow"])
@pytest.mark.parametrize("older", [["xfreerdp"], None])
def test_a_client_of_either_age_sees_what_the_recording_shows(
    desktops: Daemon, view: View, desk: Display, target: str, older: list[str] | None
) -> None:
    viewer = view(rdp_login(desktops, target), xfreerdp=older)
    viewer.shows(COLOURS[target])
    settled(desk)
    desk.xdotool("mousemove", "300", "200", "click", "1")
    desk.press("ctrl+c")
    desk.type(TEXT)
    desk.press("Return")
    screenshot = settled(desk)
    viewer.close()
    recording = desktops.recorded()
    assert rgb_of(recording) == screenshot
    assert TEXT in recording.export("input").decode()


@pytest.mark.parametrize("word", ["+restricted-admin", "+remoteGuard"])
def test_a_login_that_brings_no_password_is_refused(
    desktops: Daemon, xrdp_server: XRDP, view: View, word: str
) -> None:
    before = xrdp_server.connections()
    assert view(rdp_login(desktops, "xrdp"), word).wait() == NEGOTIATION_FAILURE
    assert xrdp_server.connections() == before
