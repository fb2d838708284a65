"""Who may use the state directory, and where its running node is reached.

One process at a time holds `control.lock`: a running node, or a command line that found
none running. SQLite never has two writers.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import ConfigError
from control.errors import ConflictError
from control.private_files import give_to_owner

SOCKET_NAME = "control.sock"
LOCK_NAME = "control.lock"
_PID_BYTES = 32


class StateDirHeldError(ConflictError):
    """Another process uses the state directory."""


@contextmanager
def hold(state_dir: Path) -> Iterator[None]:
    """Hold the state directory; raise `StateDirHeldError` naming the process that does.

    The kernel lets go when the process ends, however it ends. Raises `ConfigError` where
    there is no such directory.
    """
    try:
        descriptor = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"the state directory {state_dir} cannot be used: {error.strerror}; "
            "run `proxyd init`, as the user that proxyd runs as"
        ) from error
    try:
        give_to_owner(state_dir / LOCK_NAME)
        _lock(descriptor, state_dir)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, state_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip()
        raise StateDirHeldError(
            f"process {holder or 'unknown'} uses the state directory {state_dir}: wait for it "
            "to end, or stop it"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


@contextmanager
def socket_address(state_dir: Path) -> Iterator[str]:
    """Yield an address of the socket that is short enough however deep the directory lies.

    `sun_path` holds 108 bytes; a path through an open directory needs about thirty.
    """
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)
