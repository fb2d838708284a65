"""RDP targets that attack, or are not there: users are told, memory and secret are kept."""

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from peers.certificates import Authority
from peers.daemon import Daemon, MakeDaemon
from peers.freerdp import RDPLogin, rdp_login
from peers.needed import free_port, rss_bytes, wait_until
from peers.raw_rdp import (
    TARGET_CLIPBOARD,
    RawPeer,
    RawTarget,
    from_target,
    painted,
    raw_client,
)
from peers.recording import Recording
from samples.rdp import ScriptedTarget, active, challenge, redirection, share

from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.framing import data_packet
from protocols.rdp.wire.ntlm import OFFERED
from protocols.rdp.wire.ts_request import TSRequest
from protocols.rdp.wire.x224 import ConnectionConfirm, ConnectionRefusal, Security

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("hung_up")]

MIB = 1024 * 1024
DIAL_S = 1
SECRET = "canary-of-the-target-6e2d"
UNREACHABLE = slowpath.set_error_info(ErrorInfo.TARGET_UNREACHABLE)
_names = (f"odd-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    settings = {
        "PROXYD_RDP__DIAL_TIMEOUT_S": str(DIAL_S),
        "PROXYD_RDP__SOURCE_PENALTIES": "false",
    }
    return make_daemon(rdp=True, forked=False, PROXYD_LOG_LEVEL="debug", **settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    signed = Authority(tmp_path_factory.mktemp("odd"), "odd").sign("odd")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    return context


async def login_to(daemon: Daemon, port: int, *words: str) -> RDPLogin:
    """Issue a login for a new secret."""
    name = next(_names)
    where = ("--port", str(port), "--username", "bob", "--password-stdin")
    how = words or ("--certificate-any",)
    await asyncio.to_thread(
        daemon.add_target, name, *where, *how, typed=f"{SECRET}\n", protocol="rdp"
    )
    return await asyncio.to_thread(rdp_login, daemon, name)


async def visit(login: RDPLogin) -> RawPeer:
    """Log on, and read until it is over."""
    client = await raw_client(login.daemon.rdp_port, login.username, login.password)
    with contextlib.suppress(LegClosedError):
        await client.until(mcs.disconnect())
    client.hang_up()
    return client


async def told(login: RDPLogin) -> tuple[Recording, str]:
    """What the operator reads of a visit whose user was told that nobody is there."""
    client = await visit(login)
    assert UNREACHABLE in client.came
    assert SECRET.encode() not in client.came
    assert SECRET.encode("utf-16-le") not in client.came
    recording = await asyncio.to_thread(login.daemon.recorded)
    assert recording.row["end_reason"] == "target_unreachable"
    [last] = recording.events("session_ended")
    return recording, str(last["detail"])


# --- who is not there


async def test_a_port_where_nobody_listens_is_told_as_one(daemon: Daemon):
    port = free_port()
    _, detail = await told(await login_to(daemon, port))
    assert detail == f"127.0.0.1:{port}: it refused the connection; check its port"


async def test_a_network_that_drops_what_is_sent_is_told_as_one(daemon: Daemon):
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        began = time.monotonic()
        _, detail = await told(await login_to(daemon, full.getsockname()[1]))
    assert "did not answer within 1 s; check host, port and firewall" in detail
    assert time.monotonic() - began < DIAL_S + 10


# --- who breaks off, or speaks something else

Say = Callable[[Leg, ssl.SSLContext], Awaitable[None]]
TLS = ConnectionConfirm(selected=Security.TLS).write()
NLA = ConnectionConfirm(selected=Security.NLA).write()


def saying(*words: bytes) -> Say:
    """Say these, each upon something, and then listen in silence."""

    async def say(leg: Leg, _: ssl.SSLContext) -> None:
        for each in words:
            await leg.read()
            leg.write(each)
        while True:
            await leg.read()

    return say


def hanging_up(*words: bytes) -> Say:
    async def say(leg: Leg, _: ssl.SSLContext) -> None:
        for each in words:
            await leg.read()
            leg.write(each)
        await leg.read()
        leg.abort()

    return say


def under_tls(answer: bytes, say: Say) -> Say:
    """Say it once TLS is there."""

    async def begin(leg: Leg, context: ssl.SSLContext) -> None:
        await leg.read()
        leg.write(answer)
        await leg.start_tls(context)
        await say(leg, context)

    return begin


async def half_a_handshake(leg: Leg, _: ssl.SSLContext) -> None:
    """Everything but the answers to joins."""
    scripted = ScriptedTarget()
    while True:
        data = await leg.read()
        joins = mcs.join(scripted.user, scripted.user)
        answer = b"" if joins in data else scripted.answer(data)
        leg.write(answer)


CHALLENGE = challenge().write(OFFERED)
ODD: dict[str, tuple[Say, str]] = {
    "nothing": (saying(), "did not answer within 1 s"),
    "hangs up": (hanging_up(), "ended the connection during the handshake"),
    "another protocol": (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak RDP as expected"),
    "noise": (saying(b"\x03\x00\x00\x0b" + os.urandom(7)), "does not speak RDP as expected"),
    "says no": (saying(ConnectionRefusal(3).write()), "neither TLS nor NLA"),
    "an older security": (
        saying(ConnectionConfirm(selected=Security(0)).write()),
        "RDP's own security only",
    ),
    "words in front of TLS": (saying(TLS + TLS), "before TLS"),
    "no TLS": (saying(TLS), "did not answer within 1 s"),
    "noise for TLS": (saying(TLS, b"HTTP/1.1 400 Bad Request\r\n\r\n"), "TLS"),
    "TLS that breaks off": (hanging_up(TLS), "TLS: it ended the connection; if its"),
    "silence under TLS": (under_tls(TLS, saying()), "did not answer within 1 s"),
    "hangs up under TLS": (
        under_tls(TLS, hanging_up()),
        "does it take the stored credential?",
    ),
    "noise under TLS": (under_tls(TLS, saying(bytes(99))), "does not speak RDP as expected"),
    "a conference of noise": (
        under_tls(TLS, saying(data_packet(b"\x7f\x66" + b"\xff" * 80))),
        "does not speak RDP as expected",
    ),
    "packets without end": (
        under_tls(TLS, saying(data_packet(bytes(60_000)) * 100)),
        "does not speak RDP as expected",
    ),
    "half a handshake": (under_tls(TLS, half_a_handshake), "did not answer within 1 s"),
    "silence for NLA": (under_tls(NLA, saying()), "did not answer within 1 s"),
    "noise for NLA": (under_tls(NLA, saying(b"\x30\x03abc")), "does not speak RDP as expected"),
    "a token without end": (
        under_tls(NLA, saying(b"\x30\x84\xff\xff\xff\xff" + bytes(500_000))),
        "does not speak RDP as expected",
    ),
    "a token of noise": (
        under_tls(NLA, saying(TSRequest(token=b"NTLMSSP\0\2").write())),
        "does not speak RDP as expected: NTLM",
    ),
    "another key": (
        under_tls(
            NLA,
            saying(
                TSRequest(token=CHALLENGE).write(),
                TSRequest(public_key_auth=bytes(64)).write(),
            ),
        ),
        "does not speak RDP as expected: NTLM",
    ),
    "refuses the credential": (
        under_tls(NLA, saying(TSRequest(error_code=0xC000006D).write())),
        "refused the stored credential: wrong user name or password",
    ),
}


@asynccontextmanager
async def listening(say: Say, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port at which everybody is served like that."""
    legs: list[Leg] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(leg: Leg) -> None:
        with contextlib.suppress(Exception):
            await say(leg, context)

    def accepted(leg: Leg) -> None:
        legs.append(leg)
        tasks.add(loop.create_task(serve(leg)))

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Leg(accepted), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for leg in legs:
            leg.abort()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("say", "words"), ODD.values(), ids=ODD)
async def test_a_broken_handshake_is_told_in_plain_words(
    daemon: Daemon, certificate: ssl.SSLContext, say: Say, words: str
):
    async with listening(say, certificate) as port:
        login = await login_to(daemon, port)
        held, began = rss_bytes(daemon.pid), time.monotonic()
        _, detail = await told(login)
    assert detail.startswith(f"127.0.0.1:{port}")
    assert words in detail
    assert detail.isprintable()
    assert SECRET not in detail
    assert time.monotonic() - began < DIAL_S + 10
    await costs_little(daemon, held)
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert "session.failed" not in log
    assert SECRET not in log


async def costs_little(daemon: Daemon, held: int) -> None:
    """What is stored meanwhile takes memory, and is given back."""
    await asyncio.to_thread(
        wait_until, lambda: rss_bytes(daemon.pid) - held < 22 * MIB, "memory is kept"
    )


async def test_a_target_with_another_certificate_hears_no_word_under_tls(
    daemon: Daemon, tmp_path: Path
):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = RawTarget(tmp_path / "first"), RawTarget(tmp_path / "second")
    async with first.listening():
        login = await login_to(daemon, first.port, "--certificate-tofu")
        client = await raw_client(daemon.rdp_port, login.username, login.password)
        peer = await first.met()
        peer.hang_up()
        await client.gone()
        await asyncio.to_thread(daemon.recorded)
    second.port = first.port
    async with second.listening():
        _, detail = await told(login)
    assert second.heard == [b""]
    assert f"expected {first.fingerprint}; came {second.fingerprint}" in detail
    assert "No credential was sent" in detail
    assert f"proxyd secret edit {login_name(detail)} --certificate-fingerprint" in detail


def login_name(detail: str) -> str:
    """The secret that the operator is to edit."""
    return detail.partition("secret edit ")[2].split(" ")[0]


# --- afterwards


@asynccontextmanager
async def relayed(daemon: Daemon, folder: Path) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A raw client and a raw target with a session between them."""
    target = RawTarget(folder)
    async with target.listening():
        login = await login_to(daemon, target.port)
        client = await raw_client(daemon.rdp_port, login.username, login.password)
        peer = await target.met()
        yield client, peer
        client.hang_up()
        peer.hang_up()


def piece(data: bytes, whole_bytes: int, flags: int) -> bytes:
    header = whole_bytes.to_bytes(4, "little") + flags.to_bytes(4, "little")
    return from_target(header + data, TARGET_CLIPBOARD)


DEMAND = active([(1, bytes(20))], confirm=False)
BROKEN = {
    "a channel that nobody joined": [from_target(b"x", 1099)],
    "a PDU of a client": [mcs.send_request(1010, 1003, share(7, bytes(12)))],
    "another attach": [mcs.attach_user_confirm(1010)],
    "no packet": [b"\x01\x02\x03"],
    "encryption of RDP's own": [from_target(b"\x08\0\0\0" + bytes(30))],
    "an auto-detect request": [from_target(b"\x00\x10\0\0" + bytes(30))],
    "capabilities of nothing": [from_target(share(1, b""))],
    "capabilities without end": [from_target(share(1, b"\xff" * 900))],
    "a redirection of noise": [from_target(b"\x00\x04" + b"\xff" * 90)],
    "a redirection without end": [from_target(share(10, b"\0\0\xff\xff" + b"\xff" * 90))],
    "a piece in the middle": [piece(b"x" * 100, 1000, 0)],
    "a list of formats without end": [
        piece(b"\x02\0\0\0\xff\xff\xff\x7f" + bytes(1500), 0x7FFF_FFFF, 1),
        *[piece(bytes(1600), 0x7FFF_FFFF, 0)] * 2000,
    ],
}


@pytest.mark.parametrize("packets", BROKEN.values(), ids=BROKEN)
async def test_a_target_that_breaks_the_protocol_ends_its_own_session(
    daemon: Daemon, tmp_path: Path, packets: list[bytes]
):
    held = rss_bytes(daemon.pid)
    async with relayed(daemon, tmp_path) as (client, peer):
        peer.leg.write(b"".join(packets))
        await client.until(slowpath.set_error_info(ErrorInfo.DENIED))
        client.hang_up()
        await peer.gone()
    recording = await asyncio.to_thread(daemon.recorded)
    [last] = recording.events("session_ended")
    assert last["reason"] == "protocol_error"
    assert str(last["detail"]).startswith("the target: ")
    assert "Traceback" not in daemon.log.read_text()
    await costs_little(daemon, held)


WITHOUT_END = {
    "deactivated and activated": from_target(share(6, bytes(5))) + from_target(DEMAND),
    "licences": from_target(b"\x80\0\0\0\xff\x03\x10\0\x07\0\0\0\x02\0\0\0\x04\0\0\0"),
    "redirections for information": from_target(
        share(10, b"\0\0" + redirection(session_id=1, flags=0x80))
    ),
    "logons": from_target(share(7, bytes(8) + b"\x26\0\0\0" + bytes(600))),
    "fragments of a picture that never ends": painted(16_000, b"\x20"),
    "a piece of a text that nobody asked for": piece(
        b"\x05\0\x01\0\xff\xff\xff\x7f" + bytes(1592), 1600, 3
    ),
}


@pytest.mark.parametrize("said", WITHOUT_END.values(), ids=WITHOUT_END)
async def test_what_a_target_says_on_and_on_costs_no_memory(
    daemon: Daemon, tmp_path: Path, said: bytes
):
    """It may say it, and whoever watches may be bored; the user can leave at any time."""
    async with relayed(daemon, tmp_path) as (client, peer):
        held, times = rss_bytes(daemon.pid), min(24 * MIB // len(said), 40_000)
        for _ in range(4):
            peer.leg.write(said * (times // 4))
            with contextlib.suppress(TimeoutError):
                while True:
                    await client.read(0.2)
        assert not peer.leg._gone
        await costs_little(daemon, held)
        client.hang_up()
        await peer.gone(5)
    await asyncio.to_thread(daemon.recorded)
    assert "Traceback" not in daemon.log.read_text()
