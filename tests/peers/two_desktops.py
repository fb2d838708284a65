"""A daemon with a desktop on xrdp (TLS) and one on freerdp-shadow (NLA), and who looks."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import RDPLogin, Shadow, Viewer
from peers.recording import Recording
from peers.xrdp import XRDP

XRDP_DESKTOP, SHADOW_DESKTOP = bytes.fromhex("204060"), bytes.fromhex("402020")
View = Callable[..., Viewer]


@pytest.fixture(scope="module")
def desktops(make_daemon: MakeDaemon, xrdp_server: XRDP, shadow_server: Shadow) -> Daemon:
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

    def start(login: RDPLogin, *words: str, **how: Any) -> Viewer:
        started.append(login.view(desk, *words, **how))
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


def secrets_left(
    desktops: Daemon, xrdp_server: XRDP, shadow_server: Shadow
) -> list[tuple[Path, str]]:
    """Where under the state directory, or in the log, a password is: real or generated."""
    real = (xrdp_server.account.password, shadow_server.password)
    return [
        (path, secret)
        for path, data in desktops.bytes_of_state()
        for secret in (*real, *desktops.issued)
        if holds(data, secret)
    ]
