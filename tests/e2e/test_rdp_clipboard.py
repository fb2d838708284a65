"""What the clipboard of a desktop lets cross, and what of it is recorded."""

import time

import pytest
from peers.daemon import Daemon
from peers.display import Display
from peers.freerdp import Shadow, rdp_login, work
from peers.needed import wait_until
from peers.two_desktops import XRDP_DESKTOP, View, crossed, secrets_left
from peers.xrdp import XRDP

pytestmark = pytest.mark.peers


def test_the_clipboard_crosses_both_ways_and_is_recorded(
    desktops: Daemon, xrdp_server: XRDP, view: View, desk: Display
) -> None:
    there, here = "dort-äöü-€-" * 200, "hier-żółw-漢字-" * 200
    source = xrdp_server.write("there", there)
    target = xrdp_server.account.home / "pasted"
    viewer = view(rdp_login(desktops, "xrdp"), "+clipboard")
    ready = xrdp_server.account.home / "ready"
    work(viewer, XRDP_DESKTOP, f"xclip -sel clip <{source}; echo >{ready}", ready)
    wait_until(lambda: desk.clipboard() == there, "nothing came over the clipboard", every=0.3)
    desk.copy(here)
    done = xrdp_server.account.home / "done"
    paste = "until xclip -sel clip -o | grep hier; do sleep 0.2; done; "
    paste += f"xclip -sel clip -o >{target}; echo >{done}"
    work(viewer, XRDP_DESKTOP, paste, done)
    assert target.read_text() == here
    viewer.close()
    kept = crossed(desktops.recorded())
    assert "dort-äöü-€-".encode("utf-16-le") in kept["target_data"]
    assert "hier-żółw-漢字-".encode("utf-16-le") in kept["client_data"]


IMAGE = bytes.fromhex("424d3a0000000000000036000000280000000100000001000000010018") + bytes(30)
"""A bitmap of one pixel."""


def offered(display: Display) -> str:
    """What programs on a display may paste."""
    return display.run("xclip", "-selection", "clipboard", "-o", "-t", "TARGETS").text


def test_images_cross_only_where_and_whereto_the_secret_says_so(
    desktops: Daemon, xrdp_server: XRDP, view: View, desk: Display
) -> None:
    home, account = xrdp_server.account.home, xrdp_server.account
    (home / "image.bmp").write_bytes(IMAGE)
    desktops.add_target(
        *("images-out", "--port", str(xrdp_server.port), "--username", account.name),
        *("--password-stdin", "--channels", "clipboard-rich-out"),
        typed=account.password + "\n",
        protocol="rdp",
    )
    copy = "xclip -sel clip -t image/bmp <image.bmp; sleep 1; echo >copied-{name}"
    paste = "xclip -sel clip -o >pasted-{name}; echo >>pasted-{name}"
    comes = "until xclip -sel clip -o | grep desk; do sleep 0.2; done; "
    for name in ("xrdp", "images-out"):
        desk.copy("before")
        viewer = view(rdp_login(desktops, name), "+clipboard")
        work(viewer, XRDP_DESKTOP, copy.format(name=name), home / f"copied-{name}")
        if name == "xrdp":
            assert "image" not in offered(desk)
        else:
            wait_until(lambda: "image" in offered(desk), "no image came", every=0.3)
        desk.copy("from the desk")
        time.sleep(1)
        pasting = (comes if name == "xrdp" else "") + paste.format(name=name)
        work(viewer, XRDP_DESKTOP, pasting, home / f"pasted-{name}")
        viewer.close()
        kept_back = [
            row["detail"]
            for row in desktops.recorded().events("channel_refused")
            if row["kind"] == "cliprdr"
        ]
        pasted = (home / f"pasted-{name}").read_bytes()
        if name == "xrdp":
            assert b"from the desk" in pasted
            assert "a format that is not text, to the client" in kept_back
        else:
            assert b"from the desk" not in pasted
            assert kept_back == ["anything, to the target"]


def test_no_secret_is_left_where_a_clipboard_crossed(
    desktops: Daemon, xrdp_server: XRDP, shadow_server: Shadow
) -> None:
    assert desktops.issued
    assert not secrets_left(desktops, xrdp_server, shadow_server)
