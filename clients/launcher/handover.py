"""Hands something secret to one program of the same user, once.

By a socket in a folder that nobody else may enter: neither argv nor environment show it, and
no disk holds it.
"""

import contextlib
import os
import shutil
import socket
import struct
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from clients.errors import ClientError

MAX_BYTES: Final = 128 * 1024
_ANSWER_S: Final = 10.0
_CREDENTIALS: Final = struct.Struct("3i")
_SOCKET_MODE: Final = 0o600


class Handover:
    """Answers the first program that asks; `taken` is set once one has been answered."""

    def __init__(self, secret: bytes, runtime: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxyd-launcher-", dir=runtime))
        """For whatever else is to go with it."""
        self.path = self.folder / "socket"
        self.taken = threading.Event()
        self._secret = secret
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="handover", daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._listener.bind(str(self.path))
        self.path.chmod(_SOCKET_MODE)
        self._listener.listen(1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Forget it, and the folder."""
        with contextlib.suppress(OSError):
            # Wakes whoever waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_ANSWER_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _serve(self) -> None:
        while not self.taken.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.closing(peer), contextlib.suppress(OSError):
                peer.settimeout(_ANSWER_S)
                if _user_of(peer) == os.getuid():
                    self.path.unlink(missing_ok=True)
                    peer.sendall(self._secret)
                    self._secret = b""
                    self.taken.set()


def fetch(path: str) -> bytes:
    """Return what is handed over at a socket; raise `ClientError` where nothing is any more."""
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(_ANSWER_S)
            peer.connect(path)
            while data := peer.recv(MAX_BYTES):
                received += data
                if len(received) > MAX_BYTES:
                    break
    except OSError as error:
        raise ClientError(f"nothing is handed over there ({error.strerror})") from error
    if not 0 < len(received) <= MAX_BYTES:
        raise ClientError("nothing is handed over there")
    return bytes(received)


def _user_of(peer: socket.socket) -> int:
    given = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user_id, _ = _CREDENTIALS.unpack(given)
    return int(user_id)
