"""Addresses of this machine come and go while no browser is at work, and only then.

A browser gives up what it is loading when one does (`net::ERR_NETWORK_CHANGED`), on loopback
too. Tests that run beside each other share the machine's addresses: whoever changes them
waits for the tests with browsers that have begun, and those that have not wait for him.
"""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from peers.needed import ROOT

_GATE, _ROOM = "addresses.gate", "addresses.room"


@contextmanager
def _locked(name: str, kind: int) -> Iterator[None]:
    descriptor = os.open(ROOT / "var" / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _unchanged() -> Iterator[None]:
    # Through the gate first, or many short stays would keep out whoever wants the room alone.
    with ExitStack() as room:
        with _locked(_GATE, fcntl.LOCK_EX):
            room.enter_context(_locked(_ROOM, fcntl.LOCK_SH))
        yield


@contextmanager
def changing() -> Iterator[None]:
    """Wait until no browser is at work, and keep them waiting."""
    with _locked(_GATE, fcntl.LOCK_EX), _locked(_ROOM, fcntl.LOCK_EX):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let no address change while a test with a browser runs."""
    if "chromium" not in getattr(item, "fixturenames", ()):
        return (yield)
    with _unchanged():
        return (yield)
