"""A network of its own for a node: what it reaches of ours can be cut, thinned and reset.

Two programs on one loopback cannot be parted. Here a node lives in a network namespace at
the other end of a cable; the ports that listen on our loopback are reached through it by
the kernel's own address translation, so that nothing of ours stands in between and answers
where a real network would be silent.
"""

import itertools
import os
import subprocess
from typing import Final

import pytest
from peers.addresses import changing
from peers.needed import program

_TABLE: Final = "cut"
_numbers = itertools.count(1)
HOST: Final = "192.0.2.1"
"""Our loopback, as seen from inside any of them."""


class Namespace:
    """One network. `before` is put in front of what shall run in it."""

    def __init__(self) -> None:
        if os.geteuid():
            pytest.fail("a network namespace needs root: run the tests as root")
        number = next(_numbers)
        # Names and addresses of this process alone: others may run the same tests.
        self.name = f"proxyd-{os.getpid()}-{number}"
        self._cable = f"pxd{os.getpid() % 100_000}x{number}"
        third = os.getpid() % 256
        self._gateway = f"10.213.{third}.{4 * number + 1}"
        self.address = f"10.213.{third}.{4 * number + 2}"
        self.before = (program("ip"), "netns", "exec", self.name)
        with changing():
            self._make()

    def _make(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "cable")
        _ip("link", "set", "cable", "netns", self.name)
        _ip("addr", "add", f"{self._gateway}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", "cable")
        for device in ("cable", "lo"):
            _ip("-n", self.name, "link", "set", device, "up")
        _ip("-n", self.name, "route", "add", "default", "via", self._gateway)
        setting = f"/proc/sys/net/ipv4/conf/{self._cable}/route_localnet"
        with open(setting, "w", encoding="ascii") as file:  # noqa: PTH123 - it is no file
            file.write("1")
        self._nft_outside(
            f"add table ip {self._cable}",
            f"add chain ip {self._cable} in {{ type nat hook prerouting priority -100; }}",
            f"add rule ip {self._cable} in iifname {self._cable} dnat to 127.0.0.1",
        )

    def cut(self, port: int) -> None:
        """Let nothing pass to and from that port of ours: no answer, no refusal."""
        self._filter(f"tcp dport {port} drop", f"tcp sport {port} drop")

    def thin(self, port: int, percent: int) -> None:
        """Lose some of the packets, both ways."""
        some = f"numgen random mod 100 < {percent} drop"
        self._filter(f"tcp dport {port} {some}", f"tcp sport {port} {some}")

    def reset(self, port: int) -> None:
        """Answer whatever is sent to that port with a reset."""
        self._filter(f"tcp dport {port} reject with tcp reset")

    def slow(self, rate: str) -> None:
        """Let no more than `rate` out, as `1mbit`."""
        bucket = ("tbf", "rate", rate, "burst", "32kbit", "latency", "400ms")
        words = ("qdisc", "replace", "dev", "cable", "root", *bucket)
        _run(*self.before, program("tc"), *words)

    def heal(self) -> None:
        """Let everything pass again."""
        self._nft(f"add table inet {_TABLE}", f"delete table inet {_TABLE}")

    def remove(self) -> None:
        self._nft_outside(f"delete table ip {self._cable}")
        with changing():
            _ip("link", "delete", self._cable)
        _ip("netns", "delete", self.name)

    def _filter(self, *rules: str) -> None:
        self.heal()
        chains = {"sent": "output", "got": "input"}
        self._nft(
            f"add table inet {_TABLE}",
            *(
                f"add chain inet {_TABLE} {chain} {{ type filter hook {hook} priority 0; }}"
                for chain, hook in chains.items()
            ),
            *(
                f"add rule inet {_TABLE} {'got' if 'sport' in rule else 'sent'} {rule}"
                for rule in rules
            ),
        )

    def _nft(self, *commands: str) -> None:
        _run(*self.before, program("nft"), "; ".join(commands))

    def _nft_outside(self, *commands: str) -> None:
        _run(program("nft"), "; ".join(commands))


def _ip(*words: str) -> None:
    _run(program("ip"), *words)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
