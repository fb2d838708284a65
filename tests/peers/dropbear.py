"""Dropbear, the SSH of small machines: a client and a target."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from peers.needed import answers, free_port, program, wait_until
from peers.output import Output, run
from peers.userland import Account, Userland, stop


@dataclass(frozen=True)
class DropbearServer:
    """A dropbear and the one account on it."""

    port: int
    account: Account


Dbclient = Callable[..., Output]


@pytest.fixture(scope="session")
def dropbear_server() -> Iterator[DropbearServer]:
    userland = Userland()
    account = userland.add("small", "small-Tr0ub4dor-3")
    port, key = free_port(), userland.folder / "dropbear_key"
    run([program("dropbearkey"), "-t", "ed25519", "-f", key])
    argv = [program("dropbear"), "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", key]
    log = userland.folder / "dropbear.log"
    process = userland.spawn([*argv, "-P", userland.folder / "pid"], log)
    try:
        wait_until(lambda: answers(port), "dropbear does not listen")
        yield DropbearServer(port, account)
    finally:
        stop(process)
        userland.remove()


@pytest.fixture
def dbclient() -> Dbclient:
    binary = program("dbclient")

    def start(port: int, username: str, password: str, *command: str) -> Output:
        argv = [binary, "-y", "-y", "-T", "-p", str(port), f"{username}@127.0.0.1", *command]
        return run(argv, env={"DROPBEAR_PASSWORD": password})

    return start
