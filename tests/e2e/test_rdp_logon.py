"""A logon screen on the target that nobody called for by a key: the real xrdp's."""

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import rdp_login, work
from peers.needed import wait_until
from peers.newer import ARE_USED
from peers.xrdp import XRDP

pytestmark = pytest.mark.peers
DESKTOP = bytes.fromhex("204060")
TOLD, BEHIND = map(bytes.fromhex, ("e1e1e1", "003057") if ARE_USED else ("dedede", "009cb5"))
"""The colours of the window that says why nobody was logged on, and of the logon screen."""
OK = ("380", "386")
"""Where the button is in that window."""


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, xrdp_server: XRDP) -> Daemon:
    """A daemon whose secret holds a password that was changed on the target."""
    daemon, account = make_daemon(rdp=True), xrdp_server.account
    daemon.add_target(
        *("stale", "--port", str(xrdp_server.port), "--username", account.name),
        "--password-stdin",
        typed="No-Longer-1\n",
        protocol="rdp",
    )
    return daemon


def shows(desk: Display, colour: bytes) -> None:
    wait_until(
        lambda: desk.screenshot().count(colour) > 100_000, "no screen of xrdp's", seconds=60
    )


def test_a_password_for_the_logon_screen_is_not_recorded_and_what_comes_behind_it_is(
    daemon: Daemon, xrdp_server: XRDP, desk: Display
) -> None:
    password, done = xrdp_server.account.password, xrdp_server.account.home / "logged-on"
    viewer = rdp_login(daemon, "stale").view(desk)
    try:
        shows(desk, TOLD)
        desk.xdotool("mousemove", *OK, "click", "1")
        shows(desk, BEHIND)
        desk.type(password)
        desk.press("Return")
        work(viewer, DESKTOP, f"id -un >{done}", done)
    finally:
        viewer.close()
    recording = daemon.recorded()
    assert done.read_text() == "desk\n"
    typed = recording.export("input").decode()
    assert password not in typed
    assert f"id -un >{done}" in typed
    assert len(recording.events("input_masked")) == 1
    assert daemon.json("session", "search", password) == []
    assert recording.verify() == 0
