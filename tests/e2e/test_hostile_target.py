"""Targets that attack: users get a plain answer, the daemon keeps memory and secret."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import asyncssh
import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import cpu_s, rss_bytes, wait_until
from peers.output import Output
from peers.raw_ssh import RawPeer, raw_client, raw_target
from samples.ssh_packets import CLIENT_NUMBER, confirmation, global_request, opening

from protocols.ssh.packets import Message, channel_data, string, uint32

pytestmark = pytest.mark.peers

MIB = 1024 * 1024
IGNORE = 2
SECRET = "canary-of-the-target-4b7e"
ESCAPES = b"bye \x1b]0;owned\x07\x1b[2J\r\nroot# \xe2\x80\xae" + b"A" * 30_000

SETTINGS = {
    "PROXYD_SSH__SOURCE_PENALTIES": "false",
    "PROXYD_SSH__RELAY": "packet",
    "PROXYD_LOG_LEVEL": "debug",
}

_names = (f"hostile-{number}" for number in count())


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    return make_daemon(**SETTINGS)


@pytest.fixture(scope="module")
def hurried(make_daemon: MakeDaemon) -> Daemon:
    """Waits for a greeting for a second."""
    return make_daemon(PROXYD_SSH__DIAL_TIMEOUT_S="1", **SETTINGS)


def login_to(daemon: Daemon, port: int, *key: str) -> Login:
    name = next(_names)
    where = ("--port", str(port), "--username", "bob", "--password-stdin")
    daemon.add_target(name, *where, *(key or ("--host-key-any",)), typed=f"{SECRET}\n")
    return daemon.login(name)


def plain(payload: bytes) -> bytes:
    """A binary packet before any key exchange."""
    padding = -(5 + len(payload)) % 8 + 8
    return uint32(1 + len(payload) + padding) + bytes((padding,)) + payload + bytes(padding)


VERSION = b"SSH-2.0-x\r\n"
GREETINGS = {
    "lines without end": b"".join([b"b" * 1000 + b"\r\n"] * 20_000),
    "noise": VERSION + bytes(range(256)) * 20,
    "a packet without end": VERSION + b"\xff" * 4 + b"z" * 5000,
    "empty packets": VERSION + bytes(5000),
    "an empty payload": VERSION + uint32(12) + b"\x0b" + bytes(11) + b"z" * 80,
    "names that are no text": VERSION + plain(b"\x14" + b"c" * 16 + string(b"\xff\xfe") * 3),
    "words with escapes": VERSION + plain(b"\x01" + uint32(2) + string(ESCAPES) + string(b"")),
    "another protocol": b"220 mail.example.org ESMTP\r\n" * 3,
    "nothing": b"",
    "a version and nothing more": VERSION,
}


@asynccontextmanager
async def saying(words: bytes) -> AsyncIterator[int]:
    """A port that says `words` to everybody, and then listens in silence."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(words)
            await writer.drain()
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def visit(login: Login) -> Output:
    return await asyncio.to_thread(login.run, "true")


@pytest.mark.parametrize("words", GREETINGS.values(), ids=GREETINGS)
async def test_a_broken_greeting_is_told_in_plain_words(hurried: Daemon, words: bytes):
    daemon = hurried
    async with saying(words) as port:
        login = await asyncio.to_thread(login_to, daemon, port)
        held, started = rss_bytes(daemon.pid), time.monotonic()
        done = await visit(login)
    assert done.status == 255
    assert f"127.0.0.1:{port}" in done.said
    assert "key cannot be read" not in done.said
    assert not [mark for mark in done.said if not mark.isprintable() and mark not in "\r\n"]
    assert len(done.said) < 700
    # Of this a second is the gateway's; without an end it would be a minute.
    assert time.monotonic() - started < 15
    assert rss_bytes(daemon.pid) - held < 4 * MIB
    assert b"\x1b" not in daemon.log.read_bytes()
    assert SECRET not in daemon.log.read_text()


class Asking(asyncssh.SSHServer):
    """Asks by keyboard-interactive, in a way of its own."""

    def __init__(self, challenge: object, answers: list[list[str]]) -> None:
        self._challenge, self._answers = challenge, answers

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, *_about: str) -> object:
        return self._challenge

    def validate_kbdint_response(self, _name: str, responses: list[str]) -> object:
        self._answers.append(list(responses))
        return self._challenge


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([(f"P{each}", False) for each in range(1000)], 0),
        ([("Password: ", True)], 0),
        ([], 0),
        ([("Password: ", False)], 2),
    ],
    ids=["a thousand prompts", "an open prompt", "no prompt for ever", "the prompt for ever"],
)
async def test_a_target_that_asks_on_learns_little(
    daemon: Daemon, prompts: list[tuple[str, bool]], told: int
):
    answers: list[list[str]] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Asking(("n\x1b[2J", "i", "", prompts), answers),
        server_host_keys=[key],
    ) as acceptor:
        login = await asyncio.to_thread(login_to, daemon, acceptor.get_port())
        spent_s = cpu_s(daemon.pid)
        assert (await visit(login)).status == 255
    assert sum(SECRET in answer for answer in answers) <= told
    assert len(answers) <= 16
    assert cpu_s(daemon.pid) - spent_s < 0.5


async def test_another_host_key_gets_no_credential(daemon: Daemon):
    tried: list[str] = []

    class Curious(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            tried.append(username)
            return True

    first, second = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    pinned = " ".join(first.export_public_key().decode().split()[:2])
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=Curious, server_host_keys=[second]
    ) as acceptor:
        port = acceptor.get_port()
        login = await asyncio.to_thread(login_to, daemon, port, "--host-key", pinned)
        done = await visit(login)
    assert done.status == 255
    assert second.get_fingerprint() in done.said
    assert not tried


# --- afterwards


@asynccontextmanager
async def relayed(daemon: Daemon) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    async with raw_target() as target:
        login = await asyncio.to_thread(
            login_to, daemon, target.port, "--host-key", target.host_key
        )
        client = await raw_client(daemon.port, login.username, login.password)
        peer = await target.met()
        try:
            client.send(opening("session"))
            await peer.next(Message.CHANNEL_OPEN)
            peer.send(confirmation())
            await client.next(Message.CHANNEL_OPEN_CONFIRMATION)
            yield client, peer
        finally:
            client.hang_up()
            peer.hang_up()


BROKEN = {
    "confirms twice": [confirmation()],
    "confirms what nobody opened": [confirmation(1000, 1001)],
    "answers what nobody asked": [bytes((Message.REQUEST_SUCCESS,))],
    "an unknown channel": [channel_data(0xFFFFFFFF, b"x")],
    "another message": [b"\xc8"],
    "words with escapes": [b"\x01" + uint32(11) + string(ESCAPES) + string(b"")],
}


@pytest.mark.parametrize("packets", BROKEN.values(), ids=BROKEN)
async def test_a_target_that_breaks_the_protocol_ends_its_own_session(
    daemon: Daemon, packets: list[bytes]
):
    async with relayed(daemon) as (client, target):
        target.send(*packets)
        await client.gone()
        shown = b"".join(client.came)
    assert b"\x1b" not in shown
    assert "Traceback" not in daemon.log.read_text()


REFUSED = {
    "host keys": [global_request("hostkeys-prove-00@openssh.com")] * 500,
    "x11": [opening("x11", each, 1, string(b"h") + uint32(1)) for each in range(500)],
    "agent": [opening("auth-agent@openssh.com", each) for each in range(500)],
    "a shell of ours": [opening("session", each) for each in range(500)],
}


@pytest.mark.parametrize("packets", REFUSED.values(), ids=REFUSED)
async def test_what_a_target_may_not_ask_never_reaches_the_client(
    daemon: Daemon, packets: list[bytes]
):
    async with relayed(daemon) as (client, target):
        held = rss_bytes(daemon.pid)
        target.send(*packets, channel_data(CLIENT_NUMBER, os.urandom(8)))
        await client.next(Message.CHANNEL_DATA)
        assert not client.came
        # Sessions of tests before may still be stored: what that takes is given back.
        await asyncio.to_thread(
            wait_until, lambda: rss_bytes(daemon.pid) - held < 4 * MIB, "memory is kept"
        )


# --- what OpenSSH's server may send, and no other packet may


async def test_an_ignored_packet_may_be_as_large_as_a_window(relaying: Daemon):
    """A terminal that does not echo answers a paste with one (ADR 9)."""

    class Welcoming(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return username != "bob"

    def hide_an_echo(process: asyncssh.SSHServerProcess[str]) -> None:
        process.channel.get_connection().send_packet(IGNORE, string(bytes(2 * MIB)))
        process.stdout.write("whole\n")
        process.exit(0)

    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Welcoming,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=hide_an_echo,
    ) as acceptor:
        login = await asyncio.to_thread(login_to, relaying, acceptor.get_port())
        done = await visit(login)
    assert (done.text, done.status) == ("whole", 0)
