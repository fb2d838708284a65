"""Where an export goes: a file that appears whole or not at all, or standard output."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from proxyd.cli.errors import CommandFailedError

STANDARD_OUTPUT = "-"


def write_all(pieces: Iterable[bytes], out: str) -> int:
    """Write `pieces` to the file `out` names; return how many bytes that were.

    A file that is already there stays as it was until the new one is whole. Raises
    `CommandFailedError` where the file cannot be written.
    """
    if out == STANDARD_OUTPUT:
        return _copy(pieces, sys.stdout.buffer)
    path = Path(out).resolve()
    try:
        with _opened(path) as file:
            return _copy(pieces, file)
    except OSError as error:
        raise CommandFailedError(
            f"{path} cannot be written: {error.strerror}; name another file with --out"
        ) from error


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    is_device = path.exists() and not path.is_file()
    return path.open("wb") if is_device else _replacing(path)


def _copy(pieces: Iterable[bytes], file: BinaryIO) -> int:
    size_bytes = 0
    for piece in pieces:
        file.write(piece)
        size_bytes += len(piece)
    file.flush()
    return size_bytes


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    # A recording may hold anything: the file is its owner's alone (mode 0600).
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            os.fsync(descriptor)
        Path(name).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
