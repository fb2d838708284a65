"""What the launcher makes of servers that are not as they should be; by TLS, on loopback."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from peers.certificates import Authority, Signed

from clients.errors import ClientError, DeniedError, IntegrityError, UnreachableError
from clients.launcher.exchange import MAX_ANSWER_BYTES, PATH, Limits, redeem
from clients.launcher.link import Address, Link
from clients.launcher.registry import Server, server_of

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"
QUICK = Limits(step_s=5, whole_s=0.4)


class Answering:
    """A server that says one thing to everybody, and keeps what it was asked."""

    def __init__(self, signed: Signed, say: Callable[[ssl.SSLSocket], None]) -> None:
        self._say, self.asked = say, bytearray()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(signed.certificate, signed.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            plain, _ = self._listener.accept()
            with closing(plain), self._context.wrap_socket(plain, server_side=True) as peer:
                while b'"}' not in self.asked:
                    if not (data := peer.recv(65536)):
                        return
                    self.asked += data
                self._say(peer)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def serve(authority) -> Iterator[Callable[..., Answering]]:
    there: list[Answering] = []

    def serve(said: bytes | Callable[[ssl.SSLSocket], None]) -> Answering:
        say = said if callable(said) else lambda peer: peer.sendall(said)
        there.append(Answering(authority.sign("gate"), say))
        return there[-1]

    yield serve
    for one in there:
        one.close()


@pytest.fixture
def trusting(authority) -> Server:
    return server_of(str(authority.file), None)


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_the_token_goes_in_the_body_and_nowhere_else(serve, trusting):
    server = serve(answer("200 OK", b'{"kind": "ssh"}'))
    assert redeem(Link(server.address, TOKEN), trusting) == b'{"kind": "ssh"}'
    head, _, body = bytes(server.asked).partition(b"\r\n\r\n")
    assert head.startswith(f"POST {PATH} HTTP/1.1\r\n".encode())
    assert TOKEN.encode() not in head
    assert json.loads(body) == {"token": TOKEN}


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (answer("410 Gone"), DeniedError, "make another on the page"),
        (answer("429 Too Many", b"", "Retry-After: 8"), DeniedError, "wait 8 seconds"),
        (answer("429 Too Many", b"", "Retry-After: \x1b"), DeniedError, "wait a while"),
        (answer("404 Not Found"), UnreachableError, "is it a page of proxyd"),
        (answer("503 Busy"), UnreachableError, "status 503"),
        (answer("302 Found", b"", "Location: https://evil/"), UnreachableError, "status 302"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", UnreachableError, "does not answer as a page"),
        (b"", UnreachableError, "does not answer as a page"),
        (answer("200 OK", b"x" * (MAX_ANSWER_BYTES + 1)), UnreachableError, "too much"),
    ],
)
def test_what_went_wrong_is_said_with_what_to_do_next(said, kind, words, serve, trusting):
    server = serve(said)
    with pytest.raises(kind, match=words) as refused:
        redeem(Link(server.address, TOKEN), trusting)
    assert TOKEN not in str(refused.value)


def test_whoever_sends_a_byte_now_and_then_is_not_waited_for(serve, trusting):
    def drip(peer: ssl.SSLSocket) -> None:
        while True:
            peer.sendall(b"H")
            time.sleep(0.05)

    server = serve(drip)
    with pytest.raises(UnreachableError):
        redeem(Link(server.address, TOKEN), trusting, QUICK)


@pytest.mark.parametrize("server_is", [Server(), Server(fingerprint="ab" * 32)])
def test_whoever_is_not_known_is_sent_nothing(server_is, serve):
    server = serve(answer("200 OK"))
    with pytest.raises(IntegrityError, match="fingerprint"):
        redeem(Link(server.address, TOKEN), server_is)
    server.close()
    assert server.asked == b""


def test_a_name_that_is_not_in_the_certificate_is_not_believed(serve, trusting):
    server = serve(answer("200 OK"))
    by_name = Address("localhost", server.address.port)
    with pytest.raises(IntegrityError, match="not trusted"):
        redeem(Link(by_name, TOKEN), trusting)


def test_a_server_that_is_not_there_is_unreachable(trusting):
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError, match="does not answer"):
        redeem(Link(Address("127.0.0.1", port), TOKEN), trusting)


def test_a_file_of_authorities_that_went_bad_is_said(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    bad = server_of(str(tmp_path / "ca.pem"), None)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        address = Address("127.0.0.1", listening.getsockname()[1])
        with pytest.raises(ClientError, match="register the page again"):
            redeem(Link(address, TOKEN), bad)
