import os
import resource
from multiprocessing.connection import Connection

import pytest

from storage import confined
from storage.errors import ChildUnavailableError


def tell_limits(pipe: Connection, name: str) -> None:
    memory = resource.getrlimit(resource.RLIMIT_AS)
    cores = resource.getrlimit(resource.RLIMIT_CORE)
    pipe.send_bytes(f"{name} {memory[0] < 2**32} {cores[0]} {os.nice(0) > 0}".encode())
    pipe.recv_bytes()


def die(_pipe: Connection, _argument: str) -> None:
    os._exit(3)


def test_it_has_little_memory_leaves_no_core_and_steps_back():
    process, pipe = confined.start(tell_limits, "hello", "trying")
    try:
        assert pipe.recv_bytes() == b"hello True 0 True"
    finally:
        confined.stop(process, pipe)
    assert not process.is_alive()


def test_one_that_died_is_noticed_at_its_pipe():
    process, pipe = confined.start(die, "", "trying")
    with pytest.raises((EOFError, ConnectionResetError)):
        pipe.recv_bytes()
    confined.stop(process, pipe)


def test_one_that_cannot_be_made_is_unavailable():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))
    try:
        with pytest.raises(ChildUnavailableError, match="Too many open files"):
            confined.start(die, "", "trying")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
