"""A target that sends its client to another one: a broker, as in a farm of session hosts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.display import Display
from peers.freerdp import RDPLogin, rdp_login
from peers.lending import LendingTarget
from peers.light_rdp import connected, log_on
from peers.rdp_target import OddTarget
from samples.rdp import active, redirection, share

from protocols.rdp.leg import LegClosedError
from protocols.rdp.wire import slowpath
from protocols.rdp.wire.framing import Splitter

TOKEN = b"Cookie: msts=3640205228.15629.0000"
BROKER, HOST = "127.0.0.1", "127.0.0.2"
DEMAND = active([(1, bytes(20))], confirm=False)
DEMANDED = b"RDP\0"
"""It holds this, and nothing else here does."""


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """A daemon whose secrets the tests add: each is for a target of its own."""
    return make_daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false")


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[tuple[OddTarget, OddTarget, int]]:
    """A broker that sends everybody to one host, at the same port of another address."""
    to = b"\0\0" + redirection(address=HOST, session_id=7, password="Real-S3cret")
    broker = OddTarget(tmp_path, "broker", share(slowpath.Share.SERVER_REDIRECT, to))
    host = OddTarget(tmp_path, "host", DEMAND)
    async with broker.listening(BROKER) as port, host.listening(HOST, port):
        yield broker, host, port


async def login_to(daemon: Daemon, name: str, port: int, *words: str) -> RDPLogin:
    """Add a secret, and issue a login for it."""
    where = ("--port", str(port), "--username", "alice", "--password-stdin", *words)
    await asyncio.to_thread(
        daemon.add_target, name, *where, typed="Real-S3cret\n", protocol="rdp"
    )
    return await asyncio.to_thread(rdp_login, daemon, name)


async def seen(daemon: Daemon, name: str, port: int, *words: str) -> bytes:
    """Log in to a new secret, and return what the client is sent: up to a Demand Active."""
    login = await login_to(daemon, name, port, *words)
    leg, splitter = await connected(daemon.rdp_port), Splitter()
    await log_on(leg, login.username, login.password)
    sent: list[bytes] = []
    try:
        async with asyncio.timeout(45):
            while not any(DEMANDED in packet for packet in sent[-1:]):
                sent += splitter.feed(await leg.read())
    except LegClosedError:
        pass
    finally:
        leg.abort()
    return b"".join(sent)


async def test_a_session_goes_on_where_the_target_sends_it(
    daemon: Daemon, farm: tuple[OddTarget, OddTarget, int]
) -> None:
    broker, host, port = farm
    allowed = ("--certificate-any", "--channels", "clipboard,redirection")
    sent = await seen(daemon, "farm", port, *allowed)
    assert DEMANDED in sent
    assert HOST.encode("utf-16-le") not in sent
    assert "Real-S3cret".encode("utf-16-le") not in sent
    [asked] = host.sessions
    assert (asked.info.username, asked.info.password) == ("alice", "Real-S3cret")
    assert asked.redirected_session == 7
    assert len(broker.sessions) == 1
    recording = await asyncio.to_thread(daemon.recorded)
    [followed] = recording.events("forward_granted")
    assert (followed["request"], followed["detail"]) == ("redirection", HOST)
    assert recording.verify() == 0


async def test_a_balancer_is_asked_again_with_its_token(
    daemon: Daemon, farm: tuple[OddTarget, OddTarget, int]
) -> None:
    broker, host, port = farm
    to = redirection(address=HOST, session_id=9, token=TOKEN)
    broker.says, broker.says_then = b"\x00\x04\0\0" + to, DEMAND
    sent = await seen(
        daemon, "balanced", port, "--certificate-any", "--channels", "redirection"
    )
    assert DEMANDED in sent
    assert TOKEN + b"\r\n" in broker.sessions[1].heard[0]
    assert not host.sessions
    await asyncio.to_thread(daemon.recorded)


async def test_the_other_host_is_told_nothing_unless_its_certificate_is_accepted(
    daemon: Daemon, farm: tuple[OddTarget, OddTarget, int]
) -> None:
    broker, host, port = farm
    pinned = ("--certificate-fingerprint", broker.fingerprint)
    await seen(daemon, "pinned", port, *pinned, "--channels", "redirection")
    recording = await asyncio.to_thread(daemon.recorded)
    assert recording.row["end_reason"] == "target_unreachable"
    [last] = recording.events("session_ended")
    assert f"{HOST}:{port}" in last["detail"]
    assert "No credential was sent" in last["detail"]
    assert [len(one.heard) for one in host.sessions] == [1]


async def test_out_of_a_running_session_freerdp_is_sent_nowhere_and_told_why_it_ends(
    daemon: Daemon, desk: Display, tmp_path: Path
) -> None:
    broker, host = LendingTarget(tmp_path, "late"), OddTarget(tmp_path, "host", DEMAND)
    async with broker.listening(BROKER) as port, host.listening(HOST, port):
        allowed = ("--certificate-any", "--channels", "clipboard,redirection")
        login = await login_to(daemon, "late", port, *allowed)
        viewer = await asyncio.to_thread(login.view, desk)
        lent = await broker.borrower()
        lent.redirect(redirection(address=HOST, session_id=7, password="Real-S3cret"))
        await asyncio.to_thread(viewer.wait)
    assert not host.sessions
    assert "0x00010400" in viewer.said
    recording = await asyncio.to_thread(daemon.recorded)
    [last] = recording.events("session_ended")
    assert "out of a session that was on the screen already" in last["detail"]
    rows = recording.events("target_data")
    shown = b"".join(base64.b64decode(row["data_base64"]) for row in rows)
    assert DEMANDED in shown
    for kept_back in (HOST, "Real-S3cret"):
        assert kept_back.encode("utf-16-le") not in shown


async def test_where_the_secret_does_not_say_so_nobody_is_followed(
    daemon: Daemon, farm: tuple[OddTarget, OddTarget, int]
) -> None:
    _, host, port = farm
    sent = await seen(daemon, "closed", port, "--certificate-any")
    assert HOST.encode("utf-16-le") not in sent
    recording = await asyncio.to_thread(daemon.recorded)
    [last] = recording.events("session_ended")
    assert "add `redirection`" in last["detail"]
    assert not host.sessions
