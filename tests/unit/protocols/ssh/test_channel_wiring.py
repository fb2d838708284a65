import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncssh
import pytest
from samples.ssh_packets import string

from protocols.admission import Admitted, Departure
from protocols.errors import AccessDeniedError
from protocols.ssh.auth import Redeemed
from protocols.ssh.channel_wiring import GREETING_BYTES, ChannelUser, ChannelWiring

VERSION = b"SSH-2.0-stranger\r\n"
IGNORE = 2
MIB = 1024 * 1024


class OpenDoor:
    """Lets everybody in who gives the password, and remembers who came and how they left."""

    def __init__(self) -> None:
        self.departures: asyncio.Queue[Departure] = asyncio.Queue()
        self.inside: list[Redeemed] = []

    def arrived(self, leg: ChannelUser) -> Admitted:
        return Admitted(source=leg.peer_address)

    def failed(self, _ticket: Admitted) -> bool:
        return True

    def left(self, _ticket: Admitted, how: Departure) -> None:
        self.departures.put_nowait(how)

    async def redeem(self, _leg, _name, password: str, _opener) -> str:
        if password != "right":
            raise AccessDeniedError("unknown")
        return "a grant"

    def completed(self, _leg, _ticket, redeemed: Redeemed) -> None:
        self.inside.append(redeemed)

    def account(self, _leg) -> None:
        return None

    def greeting(self) -> str:
        return ""

    def abandoned(self, _grant: str) -> None:
        pass


@pytest.fixture
async def door() -> OpenDoor:
    return OpenDoor()


@pytest.fixture
async def port(door: OpenDoor) -> AsyncIterator[int]:
    """A server of the channel relay."""
    wiring = ChannelWiring()
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: wiring.new_login(door),
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        config=None,
        gss_host=None,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: wiring.new_leg(options), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def ignored(size_bytes: int) -> bytes:
    """A packet without encryption that says nothing, at length."""
    payload = bytes([IGNORE]) + string(bytes(size_bytes))
    padding = 4 + -(len(payload) + 9) % 8
    return (
        (len(payload) + 1 + padding).to_bytes(4, "big")
        + bytes([padding])
        + payload
        + bytes(padding)
    )


async def test_a_stranger_that_talks_without_end_is_cut(port: int, door: OpenDoor):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        writer.write(VERSION)
        with contextlib.suppress(ConnectionError):
            for _ in range(4 * MIB // 30_000):
                writer.write(ignored(30_000))
                await writer.drain()
            await reader.read(-1)
        assert await door.departures.get() is Departure.NO_AUTH
    writer.close()


async def test_who_has_logged_on_may_send_more(port: int, door: OpenDoor):
    async with asyncssh.connect(
        "127.0.0.1",
        port,
        username="anaanaanaanaa",
        password="right",
        known_hosts=None,
        client_keys=None,
        config=None,
    ) as connection:
        for _ in range(2 * GREETING_BYTES // 30_000 + 1):
            connection.send_packet(IGNORE, string(bytes(30_000)))
        assert len(door.inside) == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.wait_closed()
