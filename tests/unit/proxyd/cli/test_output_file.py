import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.errors import UnreachableError
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.output_file import write_all


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert write_all([b"one", b"", b"two"], str(out)) == 6
    assert out.read_bytes() == b"onetwo"


def test_what_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise UnreachableError("the node went away")

    out = tmp_path / "out"
    out.write_bytes(b"older")
    with pytest.raises(UnreachableError, match="went away"):
        write_all(pieces(), str(out))
    assert out.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_named_with_its_file() -> None:
    with pytest.raises(CommandFailedError, match="/dev/full cannot be written: No space left"):
        write_all([b"one"], "/dev/full")


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"older")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    write_all([b"new"], str(link))
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_all([b"through"], str(pipe))
    reader.join(10)
    assert read == [b"through"]


def test_standard_output_is_a_dash(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert write_all([b"\x00\xff"], "-") == 2
    assert capfdbinary.readouterr().out == b"\x00\xff"
