"""A target that remembers what it was told, and misbehaves on request."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import asyncssh


@dataclass
class Told:
    """What reached the target."""

    port: int = 0
    host_key: str = ""
    connections: int = 0
    attempts: list[tuple[str, str]] = field(default_factory=list)
    """Every login that was tried: (user, password)."""
    connected: list[asyncssh.SSHServerConnection] = field(default_factory=list)


class _Server(asyncssh.SSHServer):
    def __init__(self, told: Told) -> None:
        self._told = told
        told.connections += 1

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._told.connected.append(conn)

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._told.attempts.append((username, password))
        return password == "right"


async def _serve(told: Told, port: int, ready: threading.Event, done: threading.Event) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    told.host_key = " ".join(key.export_public_key().decode().split()[:2])

    async def echo(process: asyncssh.SSHServerProcess[str]) -> None:
        process.stdout.write("from the fake\n")
        process.exit(0)

    async with asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: _Server(told),
        server_host_keys=[key],
        process_factory=echo,
    ) as acceptor:
        told.port = acceptor.get_port()
        ready.set()
        await asyncio.to_thread(done.wait)
        for connection in told.connected:
            connection.abort()
            await connection.wait_closed()
    # Sockets close in a later turn of the loop.
    await asyncio.sleep(0.05)


@contextmanager
def fake_target(port: int = 0) -> Iterator[Told]:
    """An SSH server that takes the password `right` and no other."""
    told, ready, done = Told(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(told, port, ready, done)))
    thread.start()
    assert ready.wait(30)
    try:
        yield told
    finally:
        done.set()
        thread.join(30)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]
