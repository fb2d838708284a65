"""Where a gateway listens: an open port for each of its addresses."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from protocols.addresses import split_address

_BACKLOG: Final = 1024


class OpenPorts:
    """The ports of one gateway."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []

    async def open(
        self, addresses: Iterable[str], new_leg: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        """Listen on every address; each connection gets a leg of its own.

        Raises `OSError` where it cannot. The ports before that stay open until `close`.
        """
        loop = asyncio.get_running_loop()
        for address in addresses:
            host, port = split_address(address)
            server = await loop.create_server(new_leg, host, port, backlog=_BACKLOG)
            self._servers.append(server)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, with the real ports; nowhere once closed."""
        return [
            socket.getsockname()[:2] for server in self._servers for socket in server.sockets
        ]

    def close(self) -> None:
        """Accept nobody new; who is connected stays."""
        for server in self._servers:
            server.close()
