"""Finding the real programs, ports and switches that the tests need.

With `PROXYD_REQUIRE_PEERS` set, as `script/test` does, a missing program is a failure and
not a skip.
"""

import atexit
import itertools
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def program(name: str) -> str:
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        complain = pytest.fail if os.environ.get("PROXYD_REQUIRE_PEERS") else pytest.skip
        complain(f"{name} is not installed")
    return path


def wanted(name: str, default: int) -> int:
    """A number that the environment may raise, such as how often a test kills the daemon."""
    return int(os.environ.get(name, default))


def environment(**more: str) -> dict[str, str]:
    """What a child gets: ours without anything that could lead it to our own keys or agent."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "PROXYD_"))}
    return {**ours, "PATH": SEARCHED, "LC_ALL": "C.UTF-8", **more}


_PORTS: Final = range(10240, 32768)
"""Below those that the kernel gives to connections going out."""
_ports = itertools.cycle(_PORTS)
_claims = ExitStack()
atexit.register(_claims.close)


def free_port() -> int:
    """A port for a program that cannot be handed a socket.

    While this process lives no other run of the tests is given it.
    """
    for port in itertools.islice(_ports, len(_PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0proxyd-port-{port}")
            with closing(socket.socket()) as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.enter_context(claim)
        return port
    pytest.fail(f"no port is free from {_PORTS.start} to {_PORTS.stop}")


def files_under(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below `folder`, and what it holds; a running node removes some meanwhile."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                if path.is_file():
                    yield path, path.read_bytes()


def wait_until(
    holds: Callable[[], object], what: str, *, seconds: float = 30, every: float = 0.05
) -> None:
    """Wait until `holds()` is true, else fail the test with `what`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds} s: {what}")
        time.sleep(every)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def rss_bytes(pid: int) -> int:
    """Resident memory of one process."""
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(fields["VmRSS"].split()[0]) * 1024


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in stat[11:15]) / os.sysconf("SC_CLK_TCK")
