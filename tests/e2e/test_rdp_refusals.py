"""Who is not let in by RDP: all are answered alike, and no target is dialled."""

import asyncio
import contextlib
import socket
import time
from dataclasses import replace

import pytest
from peers.daemon import Daemon
from peers.freerdp import (
    DENIED,
    LOGON_FAILURE,
    NEGOTIATION_FAILURE,
    RDPLogin,
    Shadow,
    rdp_login,
)
from peers.light_rdp import connected, log_on
from peers.needed import answers, wait_until
from peers.two_desktops import XRDP_DESKTOP, View, secrets_left
from peers.xrdp import XRDP

from protocols.errors import TargetUnreachableError
from protocols.rdp.login import REFUSAL_S
from protocols.rdp.wire.x224 import ConnectionRequest, Security

pytestmark = pytest.mark.peers


@pytest.mark.parametrize(("security", "status"), [("nla", LOGON_FAILURE), ("tls", DENIED)])
def test_every_refusal_looks_the_same_and_dials_no_target(
    desktops: Daemon, xrdp_server: XRDP, view: View, security: str, status: int
) -> None:
    right = rdp_login(desktops, "xrdp")
    expired, revoked = rdp_login(desktops, "xrdp", ttl="1s"), rdp_login(desktops, "xrdp")
    desktops.cli("credential", "revoke", revoked.id)
    refused = {
        "wrong password": replace(right, password="N0t-The-Password-Of-Anybody"),
        "unknown user": replace(right, username="nobody-at-all"),
        "expired": expired,
        "revoked": revoked,
    }
    time.sleep(1)  # Then one of them has expired.
    before, sessions = xrdp_server.connections(), len(desktops.sessions())
    viewers = {why: view(login, f"/sec:{security}") for why, login in refused.items()}
    ends = {why: viewer.wait() for why, viewer in viewers.items()}
    assert ends == dict.fromkeys(refused, status)
    assert xrdp_server.connections() == before
    assert len(desktops.sessions()) == sessions


async def test_no_refusal_is_told_from_another_by_its_time(
    desktops: Daemon, xrdp_server: XRDP
) -> None:
    right, used = rdp_login(desktops, "xrdp"), rdp_login(desktops, "xrdp", uses=1)
    leg, before = await connected(desktops.rdp_port), xrdp_server.connections()
    await log_on(leg, used.username, used.password)
    await asyncio.to_thread(
        wait_until, lambda: xrdp_server.connections() > before, "no target was dialled"
    )
    before = xrdp_server.connections()
    refused = (replace(right, password="N0t-The-Password-Of-Anybody"), used)
    refused += (replace(right, username="nobody-at-all"),)
    times_s: list[list[float]] = [[], [], []]
    quickest_s = [0.0, 1.0]
    # The quickest of each: a machine that is busy makes some slower, and none quicker.
    while max(quickest_s) - min(quickest_s) >= 0.1 and len(times_s[0]) < 15:
        for login, kept in zip(refused, times_s, strict=True):
            kept.append(await refusal_s(login))
        quickest_s = [min(kept) for kept in times_s]
    assert min(quickest_s) >= REFUSAL_S
    assert max(quickest_s) - min(quickest_s) < 0.1
    assert xrdp_server.connections() == before
    leg.abort()


async def refusal_s(login: RDPLogin) -> float:
    """How long a refusal by NLA takes, from the connection on."""
    begun = time.monotonic()
    leg = await connected(login.daemon.rdp_port)
    with pytest.raises(TargetUnreachableError, match="refused the stored credential"):
        await log_on(leg, login.username, login.password)
    leg.abort()
    return time.monotonic() - begun


@pytest.mark.parametrize("security", ["nla", "tls"])
def test_a_pair_that_is_used_up_opens_nothing(
    desktops: Daemon, xrdp_server: XRDP, view: View, security: str
) -> None:
    login = rdp_login(desktops, "xrdp", uses=1)
    first = view(login, f"/sec:{security}")
    first.shows(XRDP_DESKTOP)
    before = xrdp_server.connections()
    assert view(login, f"/sec:{security}").wait() in {LOGON_FAILURE, DENIED}
    assert xrdp_server.connections() == before


def test_rdp_without_tls_and_logins_without_a_password_are_refused(
    desktops: Daemon, view: View
) -> None:
    login = rdp_login(desktops, "xrdp")
    assert view(login, "/sec:rdp").wait() == NEGOTIATION_FAILURE
    restricted = view(login, "/restricted-admin", "/sec:nla")
    assert restricted.wait() not in {0, None}


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x03\x00\xff\xff" + bytes(70_000),
        ConnectionRequest(protocols=Security.NLA).write() + b"\x16\x03\x01 no hello",
    ],
)
def test_noise_at_the_port_harms_nobody(desktops: Daemon, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", desktops.rdp_port), 5) as stranger:
        with contextlib.suppress(ConnectionError):
            stranger.sendall(noise)
        stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(30)
        with contextlib.suppress(ConnectionError):
            while stranger.recv(4096):
                pass
    log = desktops.log.read_text()
    assert "Traceback" not in log
    assert "session.failed" not in log
    assert answers(desktops.rdp_port)


def test_no_secret_is_left_by_who_was_refused(
    desktops: Daemon, xrdp_server: XRDP, shadow_server: Shadow
) -> None:
    assert desktops.issued
    assert not secrets_left(desktops, xrdp_server, shadow_server)
