"""What is typed on keyboards of several countries is found as it was typed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import rdp_login
from peers.newer import ARE_USED
from peers.two_desktops import XRDP_DESKTOP
from peers.xrdp import XRDP

pytestmark = [pytest.mark.peers, pytest.mark.timeout(150)]


@dataclass(frozen=True)
class Typed:
    """What somebody does at a keyboard, and what that is as text."""

    country: str
    layout: int
    text: str
    """Typed with Shift and AltGr where that layout wants them."""
    keys: tuple[str, ...]
    """Pressed behind it, one by one."""
    last: str
    """What these are."""


KEYBOARDS = (
    Typed("us", 0x409, "", ("a", "KP_Home", "1", "F5", "Delete"), "A[Home]1[F5][Delete]"),
    Typed("gb", 0x809, '"@£€¬|#~', ("ctrl+Left", "Prior"), "[Ctrl+Left][PageUp]"),
    Typed("de", 0x407, "Größe @€{[]}\\~|", ("dead_acute", "e", "dead_grave", "x"), "é`x"),
    Typed("fr", 0x40C, "été #{[|@]}€ù 12", ("dead_circumflex", "e", "Super_L+r"), "ê[Win+R]"),
)


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, xrdp_server: XRDP) -> Daemon:
    daemon, account = make_daemon(rdp=True), xrdp_server.account
    target = ("--port", str(xrdp_server.port), "--username", account.name, "--password-stdin")
    daemon.add_target("xrdp", *target, typed=account.password + "\n", protocol="rdp")
    return daemon


@pytest.fixture
def desk() -> Iterator[Display]:
    """One that nobody else gave another keyboard."""
    display = Display()
    yield display
    display.remove()


@pytest.mark.parametrize("typed", KEYBOARDS, ids=[one.country for one in KEYBOARDS])
def test_what_is_typed_on_it_is_found(daemon: Daemon, desk: Display, typed: Typed) -> None:
    desk.run("setxkbmap", typed.country)
    if typed.country == "us":
        # The client says so when it is given the keyboard, and at no other time.
        desk.press("Caps_Lock")
    word = "/kbd:layout" if ARE_USED else "/kbd"
    viewer = rdp_login(daemon, "xrdp").view(desk, f"{word}:{typed.layout:#x}")
    try:
        viewer.shows(XRDP_DESKTOP)
        desk.xdotool("mousemove", "300", "200", "click", "1")
        time.sleep(2)  # A logon screen is there until the target's clipboard speaks.
        desk.type(typed.text)
        desk.press(*typed.keys, "Return")
        time.sleep(1)
    finally:
        viewer.close()
    recording = daemon.recorded()
    assert recording.export("input").decode() == f"{typed.text}{typed.last}\n"
    assert recording.events("input_masked") == []
