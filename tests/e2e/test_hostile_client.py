"""Clients that attack: before they are authenticated, and with every packet afterwards."""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import cpu_s, rss_bytes, wait_until
from peers.openssh import OpenSSHServer
from peers.raw_ssh import RawPeer, RawTarget, Stranger, raw_client, raw_target, stranger
from samples.ssh_packets import (
    CLIENT_NUMBER,
    TARGET_NUMBER,
    close,
    confirmation,
    global_request,
    opening,
    pty,
    success,
)

from protocols.ssh.packets import (
    Message,
    body_of,
    channel_data,
    string,
    window_adjust,
)

pytestmark = pytest.mark.peers

MIB = 1024 * 1024
FAILURE, SUCCESS = 51, 52
USER = "abcdefgh23456"
CANARY = "canary-of-the-target-9d1c"


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer) -> Daemon:
    daemon = make_daemon(
        forked=False,
        PROXYD_SSH__SOURCE_PENALTIES="false",
        PROXYD_SSH__RELAY="packet",
        PROXYD_LOG_LEVEL="debug",
    )
    daemon.add_secret("web", openssh_server)
    return daemon


@pytest.fixture
def login(daemon: Daemon) -> Login:
    return daemon.login("web")


@asynccontextmanager
async def relayed(daemon: Daemon) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A raw client and a raw target with a session channel between them."""
    async with pairs(daemon) as (target, login):
        client = await raw_client(daemon.port, login.username, login.password)
        peer = await target.met()
        try:
            client.send(opening("session", window=64 * MIB))
            await peer.next(Message.CHANNEL_OPEN)
            peer.send(confirmation())
            await client.next(Message.CHANNEL_OPEN_CONFIRMATION)
            yield client, peer
        finally:
            client.hang_up()
            peer.hang_up()


@asynccontextmanager
async def pairs(daemon: Daemon) -> AsyncIterator[tuple[RawTarget, Login]]:
    async with raw_target() as target:
        name = f"raw-{target.port}"
        where = ("--port", str(target.port), "--username", "bob", "--password-stdin")
        key = ("--host-key", target.host_key)
        await asyncio.to_thread(daemon.add_target, name, *where, *key, typed=f"{CANARY}\n")
        yield target, await asyncio.to_thread(daemon.login, name)


async def seconds_to_be_greeted(port: int, source: str = "127.0.0.2") -> float:
    """How long somebody else waits for the gateway's version."""

    def connect() -> float:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 30, (source, 0)) as other:
            other.settimeout(30)
            assert other.recv(4) == b"SSH-"
        return time.monotonic() - started

    return await asyncio.to_thread(connect)


# --- before authentication


async def test_a_guess_that_is_given_up_for_another_one_counts(daemon: Daemon, login: Login):
    guesser, guesses = await stranger(daemon.port), 0
    while guesses < 50 and not guesser.lost.is_set():
        guesser.guess(login.username, f"guess {guesses}")
        guesses += 1
        await asyncio.sleep(0.02)
        # It takes them one by one: none is counted before it has been read.
        await asyncio.to_thread(wait_until, lambda: is_read(guesser), "nobody reads")
    assert await guesser.is_cut()
    assert guesses <= 8
    assert SUCCESS not in guesser.heard


def is_read(peer: Stranger) -> bool:
    """Say whether what it sent was taken out of the gateway's socket, or that is closed."""
    if peer.lost.is_set():
        return True
    near, far = (peer.get_extra_info(name)[1] for name in ("sockname", "peername"))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ports = [int(address.partition(":")[2], 16) for address in (local, remote)]
        if ports == [far, near]:
            return int(queues.partition(":")[2], 16) == 0
    return True


@pytest.mark.parametrize("method", ["none", "publickey", "hostbased", "gssapi-with-mic"])
async def test_every_method_counts_as_a_try(daemon: Daemon, method: str):
    knocking = await stranger(daemon.port)
    for _ in range(20):
        knocking.ask(USER, method, b"\0" + string(b"ssh-ed25519") + string(b"k" * 30))
        await asyncio.sleep(0.01)
    assert await knocking.is_cut()
    assert knocking.heard.count(FAILURE) <= 6


async def test_who_is_authenticated_is_who_proved_it(daemon: Daemon, login: Login):
    both = await stranger(daemon.port)
    both.guess(login.username, login.password)
    both.guess("somebody-else", "wrong")
    await asyncio.sleep(1)
    assert SUCCESS not in both.heard
    both.abort()


async def test_a_client_that_leaves_during_login_leaves_no_live_session(
    daemon: Daemon, login: Login
):
    for tenths_ms in range(0, 60, 6):
        leaving = await stranger(daemon.port)
        leaving.guess(login.username, login.password)
        await asyncio.sleep(tenths_ms / 10_000)
        leaving.abort()
    await asyncio.to_thread(
        wait_until,
        lambda: all(row["state"] != "live" for row in daemon.sessions()),
        "a session of nobody is live",
    )


async def costs_little(daemon: Daemon, held: int) -> None:
    """Sessions of tests before may still be stored: what that takes is given back."""
    little = 4 * MIB
    await asyncio.to_thread(
        wait_until, lambda: rss_bytes(daemon.pid) - held < little, "memory is kept"
    )


def long_password(guest: Stranger) -> None:
    guest.guess(USER, "p" * 250_000)


def ignored(guest: Stranger) -> None:
    for _ in range(20_000):
        guest.send_packet(2, string(b""))


def unheard_of(guest: Stranger) -> None:
    for _ in range(20_000):
        guest.send_packet(9)


@pytest.mark.parametrize("attack", [long_password, ignored, unheard_of])
async def test_a_stranger_cannot_make_others_wait(daemon: Daemon, attack):
    guest = await stranger(daemon.port)
    spent_s, held = cpu_s(daemon.pid), rss_bytes(daemon.pid)
    attack(guest)
    waited_s = await seconds_to_be_greeted(daemon.port)
    assert await guest.is_cut()
    for _ in range(9):
        # Another program may have had the processor then, but not each time.
        if waited_s < 0.25:
            break
        guest = await stranger(daemon.port)
        spent_s = cpu_s(daemon.pid)
        attack(guest)
        waited_s = await seconds_to_be_greeted(daemon.port)
        assert await guest.is_cut()
    assert waited_s < 0.25
    assert cpu_s(daemon.pid) - spent_s < 0.3
    await costs_little(daemon, held)


def test_a_flood_from_one_source_keeps_no_other_out(daemon: Daemon, login: Login):
    with ExitStack() as stack:
        for _ in range(300):
            idle = socket.create_connection(("127.0.0.1", daemon.port), 30)
            stack.enter_context(closing(idle))
        for _ in range(5):
            done = login.run("echo in", options=("-b", "127.0.0.2"), seconds=30)
            assert done.text == "in"


@pytest.fixture
def trickling(daemon: Daemon) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", daemon.port), 30) as slow:
        yield slow


@pytest.mark.parametrize(
    "begin", [b"x" * 70_000, b"\0" * 9000, b"SSH-1.5-old\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_greeting_is_cut(trickling: socket.socket, begin: bytes):
    trickling.settimeout(30)
    with contextlib.suppress(OSError):
        trickling.sendall(begin)
        while trickling.recv(4096):
            pass


# --- afterwards


BROKEN = {
    "a channel that nobody opened": [channel_data(99, b"x")],
    "the last channel number": [channel_data(0xFFFFFFFF, b"x")],
    "data before its confirmation": [opening("session", number=9), channel_data(9, b"x")],
    "an answer that nobody asked for": [success(TARGET_NUMBER)],
    "a confirmation of nothing": [confirmation(1000, 1001)],
    "requests without end": [pty()] * 2000,
    "global requests without end": [global_request("keepalive@openssh.com")] * 2000,
    "authentication again": [
        b"\x32" + string(b"root") + string(b"ssh-connection") + string(b"none")
    ],
    "a service again": [b"\x05" + string(b"ssh-userauth")],
    "keys out of turn": [b"\x15"],
    "an exchange out of turn": [b"\x1e" + string(b"x" * 32)],
    "half an exchange": [b"\x14"],
    "a message of no layer": [b"\xc8"],
    "a name without end": [opening("x" * 200_000)],
}


@pytest.mark.parametrize("packets", BROKEN.values(), ids=BROKEN)
async def test_a_client_that_breaks_the_protocol_ends_its_own_session(
    daemon: Daemon, packets: list[bytes]
):
    async with relayed(daemon) as (client, target):
        client.send(*packets)
        await client.gone()
        await target.gone()
        assert not any(payload[0] == Message.CHANNEL_DATA for payload in target.came)
    assert "Traceback" not in daemon.log.read_text()


ODD = {
    "a thousand opens": [opening("session", number=100 + each) for each in range(1000)],
    "windows without end": [window_adjust(TARGET_NUMBER, 0xFFFFFFFF)] * 500,
    "closing twice": [close(TARGET_NUMBER)] * 2,
    "noise": [b"\x02" + string(b"n" * 9000), b"\x04\1" + string(b"\x1b[2J") + string(b"")] * 50,
}


@pytest.mark.parametrize("packets", ODD.values(), ids=ODD)
async def test_a_client_that_is_merely_odd_costs_little(daemon: Daemon, packets: list[bytes]):
    async with relayed(daemon) as (client, target):
        held = rss_bytes(daemon.pid)
        client.send(*packets)
        target.send(channel_data(CLIENT_NUMBER, b"still here"))
        assert await client.next(Message.CHANNEL_DATA)
        assert sum(each[0] == Message.CHANNEL_OPEN for each in target.came) < 10
        await costs_little(daemon, held)


async def test_who_asks_and_does_not_listen_is_heard_no_more(daemon: Daemon):
    async with relayed(daemon) as (client, _target):
        held = rss_bytes(daemon.pid)
        client.leg.pause("deaf")
        refused = body_of(opening("no-such-kind", number=1))
        for _ in range(100):
            client.leg.send_bodies([refused] * 1000)
            await asyncio.sleep(0)
        await asyncio.sleep(2)
        assert rss_bytes(daemon.pid) - held < 16 * MIB


async def test_channels_rest_while_keys_are_exchanged(daemon: Daemon):
    async with relayed(daemon) as (client, _target):
        leg = client.leg
        cipher = leg._send_encryption
        leg._send_kexinit()
        sealed, _ = cipher.seal_burst([body_of(opening("no-such-kind"))] * 100)
        leg._transport.write(sealed)
        await client.gone()


FLOOD_BYTES = 16 * MIB
"""At the height of it: the first 16 MiB are recorded whole, so there is what the disk has not
synced yet, and segments being sealed and stored. It is given back."""


async def flood(sender: RawPeer, receiver: RawPeer, number: int, daemon: Daemon) -> int:
    """Send 64 MiB at who does not read; return by how much the daemon grew."""
    receiver.leg.pause("deaf")
    held, burst = rss_bytes(daemon.pid), [body_of(channel_data(number, bytes(32_000)))] * 32
    most = 0
    for _ in range(64):
        sender.leg.send_bodies(burst)
        await asyncio.sleep(0.02)
        most = max(most, rss_bytes(daemon.pid) - held)
    return most


async def test_a_target_that_does_not_read_costs_no_memory(daemon: Daemon):
    async with relayed(daemon) as (client, target):
        assert await flood(client, target, TARGET_NUMBER, daemon) < FLOOD_BYTES


async def test_a_client_that_does_not_read_costs_no_memory(daemon: Daemon):
    async with relayed(daemon) as (client, target):
        assert await flood(target, client, CLIENT_NUMBER, daemon) < FLOOD_BYTES


# --- what is left behind


@pytest.mark.timeout(300)
async def test_two_hundred_sessions_leave_no_open_file(daemon: Daemon):
    async with pairs(daemon) as (target, login):
        before = daemon.open_files()
        for number in range(200):
            client = await raw_client(daemon.port, login.username, login.password)
            peer = await target.met()
            (client if number % 2 else peer).hang_up()
            await (peer if number % 2 else client).gone()
    await asyncio.to_thread(
        wait_until, lambda: daemon.open_files() <= before + 4, "files stay open", seconds=20
    )


async def test_no_secret_is_written_down_in_the_clear(daemon: Daemon, login: Login):
    mistyped = await stranger(daemon.port)
    mistyped.guess("password-typed-as-name-77", "wrong")
    mistyped.guess("password-typed-as-name-77", "\x00\x1b]0;t\x07")
    await asyncio.sleep(0.7)
    mistyped.abort()
    async with relayed(daemon) as (client, _target):
        client.send(channel_data(99, b"x"))
        await client.gone()
    assert login.run("true").status == 0
    words = [CANARY, login.password, "password-typed-as-name-77"]
    for path, held in daemon.bytes_of_state():
        assert not [word for word in words if word.encode() in held], path
    seen = in_proc(daemon, "cmdline") + in_proc(daemon, "environ")
    seen += daemon.cli("config", "show").stdout
    assert not [word for word in words if word.encode() in seen]
    assert b"\x1b" not in daemon.log.read_bytes()
    assert re.search(rb"core file size +0 +0 ", in_proc(daemon, "limits"))


def in_proc(daemon: Daemon, name: str) -> bytes:
    return Path(f"/proc/{daemon.pid}/{name}").read_bytes()
