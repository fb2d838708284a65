"""Peers that do not read, and strangers that knock."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

import asyncssh
from peers.needed import environment, rss_bytes

from bench.figures import Figure
from bench.rig import Rig

MIB = 1024**2
STALL_S = 8
LIMIT_MIB = 4
KNOCKS = 300


def measure(rig: Rig) -> list[Figure]:
    """Measure what hostile peers get."""
    reading = "head -c 2147483648 /dev/zero"
    # What the first such session makes the process load and keep is not paid again.
    _stalled(rig, reading)
    return [
        Figure("client that does not read: memory", _stalled(rig, reading), "MiB", LIMIT_MIB),
        Figure(
            "target that does not read: memory", _stalled(rig, "sleep 60"), "MiB", LIMIT_MIB
        ),
        Figure("guesses on one connection", asyncio.run(_guesses(rig.daemon.port)), "", 6),
        Figure("idle pre-auth connections admitted", _admitted(rig.daemon.port), "", 100),
    ]


def _stalled(rig: Rig, command: str) -> float:
    way = rig.ways["proxyd"]
    rig.run(way, way.argv("head -c 100000000 /dev/zero"))
    before = rss_bytes(rig.daemon.pid)
    highest = before
    with (
        subprocess.Popen(["/usr/bin/head", "-c", "2G", "/dev/zero"], stdout=-1) as source,
        subprocess.Popen(
            way.argv(command),
            stdin=source.stdout,
            stdout=subprocess.PIPE,
            env=environment(**way.env),
        ) as client,
    ):
        end = time.monotonic() + STALL_S
        while time.monotonic() < end:
            highest = max(highest, rss_bytes(rig.daemon.pid))
            time.sleep(0.1)
        client.kill()
        source.kill()
    return (highest - before) / MIB


class _Guesser(asyncssh.SSHClient):
    guesses = 0

    def password_auth_requested(self) -> str:
        self.guesses += 1
        return f"guess{self.guesses:023d}"


async def _guesses(port: int) -> int:
    guesser = _Guesser()
    try:
        async with asyncio.timeout(60):
            await asyncssh.connect(
                "127.0.0.1",
                port,
                username="abcdefgh23456",
                client_factory=lambda: guesser,
                known_hosts=None,
                client_keys=None,
                agent_path=None,
                config=None,
                preferred_auth="password",
            )
    except (asyncssh.Error, OSError):
        pass
    return guesser.guesses


def _admitted(port: int) -> int:
    with ExitStack() as stack:
        knocks = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), 5)))
            for _ in range(KNOCKS)
        ]
        time.sleep(1)
        return _greeted(knocks)


def _greeted(knocks: Sequence[socket.socket]) -> int:
    greeted = 0
    for knock in knocks:
        knock.settimeout(0.1)
        try:
            greeted += knock.recv(4) == b"SSH-"
        except OSError:
            continue
    return greeted
