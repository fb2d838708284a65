import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from protocols.listening import OpenPorts


class Leg(asyncio.Protocol):
    def __init__(self, arrived: "asyncio.Queue[Leg]") -> None:
        self._arrived = arrived
        self.heard = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._arrived.put_nowait(self)

    def data_received(self, data: bytes) -> None:
        self.heard.set()


class Gateway:
    def __init__(self) -> None:
        self.ports = OpenPorts()
        self.arrived: asyncio.Queue[Leg] = asyncio.Queue(8)

    async def listen(self, *addresses: str) -> list[tuple[str, int]]:
        await self.ports.open(addresses, lambda: Leg(self.arrived))
        return self.ports.addresses

    async def next_leg(self) -> Leg:
        async with asyncio.timeout(10):
            return await self.arrived.get()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.ports.close()


async def test_every_address_is_listened_on_at_a_real_port(gateway: Gateway):
    addresses = await gateway.listen("127.0.0.1:0", "127.0.0.2:0")
    assert [host for host, _ in addresses] == ["127.0.0.1", "127.0.0.2"]
    for address in addresses:
        with socket.create_connection(address, timeout=10) as client:
            leg = await gateway.next_leg()
            assert leg.transport.get_extra_info("peername") == client.getsockname()
            leg.transport.close()


async def test_each_who_connects_gets_a_leg_of_his_own(gateway: Gateway):
    [address] = await gateway.listen("127.0.0.1:0")
    with socket.create_connection(address, 10), socket.create_connection(address, 10):
        legs = {await gateway.next_leg() for _ in range(2)}
        assert len(legs) == 2
        for leg in legs:
            leg.transport.close()


async def test_once_closed_nobody_new_comes_in_and_who_is_there_stays(gateway: Gateway):
    [address] = await gateway.listen("127.0.0.1:0")
    with socket.create_connection(address, timeout=10) as client:
        leg = await gateway.next_leg()
        gateway.ports.close()
        assert gateway.ports.addresses == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)
        client.sendall(b"still here")
        async with asyncio.timeout(10):
            await leg.heard.wait()
        leg.transport.close()


async def test_where_an_address_is_taken_the_ports_before_it_can_be_closed(gateway: Gateway):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match="in use"):
            await gateway.listen("127.0.0.1:0", taken)
        [address] = gateway.ports.addresses
        gateway.ports.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)
