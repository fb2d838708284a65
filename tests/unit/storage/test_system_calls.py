import os
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from storage import confined


def try_everything(pipe: Connection, there: str) -> None:
    """Say what of this a confined process is refused."""
    path = Path(there)
    attempts = {
        "network": socket.socket,
        "program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
        "process": os.fork,
        "write": lambda: path.write_text("x"),
        "remove": path.unlink,
        "signal": lambda: os.kill(os.getppid(), 0),
    }
    refused = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            refused.append(name)
    pipe.send_bytes(" ".join(refused).encode())
    pipe.recv_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "there"
    path.write_text("before")
    yield path
    assert path.read_text() == "before"


def test_a_confined_process_has_no_network_and_starts_and_changes_nothing(file: Path):
    process, pipe = confined.start(try_everything, str(file), "trying")
    try:
        assert pipe.recv_bytes() == b"network program process write remove signal"
    finally:
        confined.stop(process, pipe)
