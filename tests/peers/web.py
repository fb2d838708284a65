"""Something small to reach through a forward."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

GREETING: Final = b"hello from behind\n"


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with closing(peer):
            peer.sendall(GREETING)


@contextmanager
def greeter(path: Path | None = None) -> Iterator[int]:
    """Greets everybody who connects to a port of 127.0.0.1, or to a unix socket."""
    family = socket.AF_INET if path is None else socket.AF_UNIX
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0) if path is None else str(path))
    listener.listen(16)
    thread = threading.Thread(target=_serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield 0 if path is not None else listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def greeted(address: int | Path, *, through_socks: int | None = None) -> bytes:
    """What is said at a port or a unix socket; nothing where nobody lets us in."""
    is_path = isinstance(address, Path)
    family = socket.AF_UNIX if is_path else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as client:
        client.settimeout(20)
        try:
            if is_path:
                client.connect(str(address))
            elif through_socks is None:
                client.connect(("127.0.0.1", address))
            else:
                client.connect(("127.0.0.1", through_socks))
                client.sendall(b"\x05\x01\x00")
                client.recv(2)
                port = int(address).to_bytes(2, "big")
                client.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port)
                if client.recv(10)[1:2] != b"\x00":
                    return b""
            return client.recv(100)
        except OSError:
            return b""
