"""xfreerdp through proxyd to xrdp (TLS) and to freerdp-shadow (NLA): the user's view."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon, Recording
from peers.display import Display
from peers.freerdp import RDPLogin, Shadow, Viewer, rdp_login
from peers.needed import wait_until
from peers.xrdp import XRDP

pytestmark = pytest.mark.peers
XRDP_DESKTOP, SHADOW_DESKTOP = bytes.fromhex("204060"), bytes.fromhex("402020")
View = Callable[..., Viewer]


@pytest.fixture(scope="module")
def desktops(
    make_daemon: MakeDaemon, xrdp_server: XRDP, shadow_server: Shadow
) -> Daemon:
    """A daemon with one secret for each target."""
    daemon = make_daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false")
    account = xrdp_server.account
    daemon.add_target(
        *("xrdp", "--port", str(xrdp_server.port), "--username", account.name),
        "--password-stdin",
        typed=account.password + "\n",
        protocol="rdp",
    )
    daemon.add_target(
        *("shadow", "--port", str(shadow_server.port), "--username", shadow_server.username),
        "--password-stdin",
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    return daemon


@pytest.fixture
def view(desk: Display) -> Iterator[View]:
    """Starts viewers and ends them with the test."""
    started: list[Viewer] = []

    def start(login: RDPLogin, *words: str) -> Viewer:
        started.append(login.view(desk, *words))
        return started[-1]

    yield start
    for viewer in started:
        viewer.close()


def crossed(recording: Recording) -> dict[str, bytes]:
    """Everything recorded, by the kind of the event."""
    joined: dict[str, bytes] = {}
    for row in recording.events("client_data", "target_data"):
        joined[row["type"]] = joined.get(row["type"], b"") + base64.b64decode(
            row["data_base64"]
        )
    return joined


def holds(data: bytes, secret: str) -> bool:
    return secret.encode() in data or secret.encode("utf-16-le") in data


def work(viewer: Viewer, colour: bytes, command: str, done: Path) -> None:
    """Type a command on the target's terminal and wait until its file is there."""
    viewer.shows(colour)
    viewer.display.xdotool("mousemove", "300", "200", "click", "1")
    viewer.display.type(command)
    viewer.display.press("Return")
    wait_until(lambda: done.exists() and done.read_text().endswith("\n"), "nothing was done")


@pytest.mark.parametrize("security", ["nla", "tls"])
def test_a_user_works_on_xrdp_as_the_real_account(
    desktops: Daemon, xrdp_server: XRDP, view: View, security: str
) -> None:
    login = rdp_login(desktops, "xrdp")
    viewer = view(login, f"/sec:{security}", "+clipboard", "/drive:t,/tmp")
    done = xrdp_server.account.home / f"who-{security}"
    work(viewer, XRDP_DESKTOP, f"id -un >{done}", done)
    assert done.read_text() == "desk\n"
    viewer.close()
    recording = desktops.recorded()
    assert recording.row["protocol"] == "rdp"
    assert recording.verify() == 0
    [started] = recording.events("desktop_started")
    assert (started["width_px"], started["height_px"]) == (1024, 768)
    assert [name for _, name in started["static_channels"]] == ["cliprdr"]
    assert "rdpdr" in {row["kind"] for row in recording.events("channel_refused")}
    for data in crossed(recording).values():
        assert not holds(data, xrdp_server.account.password)
        assert not holds(data, login.password)


@pytest.mark.parametrize("security", ["nla", "tls"])
def test_a_user_works_on_a_target_that_demands_nla(
    desktops: Daemon, shadow_server: Shadow, view: View, security: str, tmp_path: Path
) -> None:
    login = rdp_login(desktops, "shadow")
    viewer = view(login, f"/sec:{security}")
    done = tmp_path / "done"
    work(viewer, SHADOW_DESKTOP, f"echo $((6*7)) >{done}", done)
    viewer.close()
    recording = desktops.recorded()
    for data in crossed(recording).values():
        assert not holds(data, shadow_server.password)
        assert not holds(data, login.password)
