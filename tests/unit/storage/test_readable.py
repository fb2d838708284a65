"""A confined process reads its own program, and no key that lies about."""

import importlib
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from storage import confined, readable


def read(pipe: Connection, there: str) -> None:
    """Say what can be read: a file of somebody's, its folder, and modules not loaded yet."""
    attempts = {
        "file": Path(there).read_bytes,
        "folder": lambda: list(Path(there).parent.iterdir()),
        "python": lambda: importlib.import_module("xml.dom.minidom"),
        "library": lambda: importlib.import_module("av.video.reformatter"),
        "ours": lambda: importlib.import_module("storage.video"),
    }
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        done.append(name)
    pipe.send_bytes(" ".join(done).encode())
    pipe.recv_bytes()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "recording.key"
    path.write_bytes(bytes(32))
    return path


def test_it_reads_its_program_and_nothing_else(key: Path):
    process, pipe = confined.start(read, str(key), "trying")
    try:
        can = pipe.recv_bytes().decode().split()
    finally:
        confined.stop(process, pipe)
    others = [] if readable.is_known() else ["file", "folder"]
    assert can == [*others, "python", "library", "ours"]


def test_where_the_kernel_cannot_tell_files_apart_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(readable, "_call", lambda *_asked: -1)
    assert not readable.leave_own_files()
    assert not readable.is_known()
