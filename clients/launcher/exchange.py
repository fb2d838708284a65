"""Asks the server what a link starts: one request over HTTPS, within limits.

INVARIANT: nothing is sent before the server has shown the certificate that it must have.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clients.errors import ClientError, DeniedError, IntegrityError, UnreachableError
from clients.launcher.link import Address, Link
from clients.launcher.registry import Server

PATH: Final = "/api/v1/launches/redeem"
MAX_ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """How long is waited."""

    step_s: float = 10.0
    """For a connection, and for each piece of an answer."""
    whole_s: float = 30.0


def redeem(link: Link, server: Server, limits: Limits = Limits()) -> bytes:
    """Use the link up and return the answer; raise `ClientError`, which says why not."""
    where = link.server
    try:
        with _connected(where, server, limits) as connection:
            body = json.dumps({"token": link.token})
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            received = answer.read(MAX_ANSWER_BYTES + 1)
            _check(answer, where)
    except ssl.SSLCertVerificationError as error:
        raise IntegrityError(
            f"the certificate of {where} is not trusted here ({error.verify_message}): ask its "
            "operator for the fingerprint, and register it with --fingerprint or --ca"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise UnreachableError(
            f"{where} does not answer as a page does ({why}): see whether your browser "
            "reaches it, and try again"
        ) from error
    if len(received) > MAX_ANSWER_BYTES:
        raise UnreachableError(f"{where} answers with too much: is it a page of proxyd?")
    return received


@contextlib.contextmanager
def _connected(
    where: Address, server: Server, limits: Limits
) -> Iterator[http.client.HTTPConnection]:
    plain = socket.create_connection((where.host, where.port), limits.step_s)
    with contextlib.closing(plain):
        # Whoever sends a byte now and then is not waited for either.
        line = plain.dup()
        clock = threading.Timer(limits.whole_s, _hang_up, (line,))
        clock.daemon = True
        clock.start()
        try:
            with _context(server).wrap_socket(plain, server_hostname=where.host) as secured:
                _check_pinned(secured, where, server)
                connection = http.client.HTTPConnection(where.host, where.port)
                connection.sock = secured
                yield connection
        finally:
            clock.cancel()
            line.close()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=server.ca)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(
            f"{server.ca} cannot be used ({error}): register the page again"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.fingerprint is not None:
        # One certificate is trusted, by itself, whoever signed it and whatever it is called.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check_pinned(secured: ssl.SSLSocket, where: Address, server: Server) -> None:
    if server.fingerprint is None:
        return
    shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(shown, server.fingerprint):
        raise IntegrityError(
            f"{where} shows another certificate than the registered one: its fingerprint is "
            f"{shown}; if its operator confirms that, register the page again with it"
        )


def _check(answer: http.client.HTTPResponse, where: Address) -> None:
    match answer.status:
        case 200:
            return
        case 410:
            raise DeniedError(
                f"the link starts nothing (any more) at {where}: links are good once, for a "
                "minute, while you are logged in; make another on the page"
            )
        case 429:
            wait = answer.headers.get("Retry-After", "")
            text = f"{wait} seconds" if wait.isdecimal() else "a while"
            raise DeniedError(f"{where} was asked too often from here: wait {text}")
        case 404:
            raise UnreachableError(f"{where} knows no launch links: is it a page of proxyd?")
        case status:
            raise UnreachableError(f"{where} answers with status {status}: try again")
