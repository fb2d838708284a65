"""The desktop of `proxyd demo`: a small RDP target for whoever has none at hand.

`python -m protocols.rdp.demo_desktop` listens on a free loopback port with a new certificate
and a new password, prints them as one JSON line, asks for NLA, and shows a page on which
typing appears. It runs nothing and reads no file. It ends with its parent.
"""

import asyncio
import ctypes
import datetime as dt
import hmac
import json
import os
import secrets
import signal
import ssl
import sys
import traceback
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import Acceptor, Offer, login_name
from protocols.rdp.certificates import fingerprint, subject_public_key
from protocols.rdp.demo.session import DemoSession
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.ntlm import Attempt
from protocols.rdp.ntlm_proof import nt_hash, response_key, session_base_key
from protocols.rdp.steps import LoginWanted, ProofWanted, Refused, Send, StartTLS, Step
from protocols.rdp.wire.ntlm import Challenge, file_time

USERNAME: Final = "demo"
HOST: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 8
"""A demo has one user; who comes while so many are here is hung up on."""
LOGIN_S: Final = 30.0
"""From the first byte to the first picture."""
STALL_S: Final = 30.0
"""How long a client may take nothing of what it is sent."""
_PASSWORD_BYTES: Final = 24
_NAME: Final = "demo-desktop"
_VALID: Final = dt.timedelta(days=365)
_PR_SET_PDEATHSIG: Final = 1


class Certificate(Struct, frozen=True, kw_only=True):
    """What the desktop shows of itself: made at the start, and in memory only."""

    context: ssl.SSLContext
    der: bytes


class _RefusedError(Exception):
    """The client was told that it may not log on."""


class DemoDesktop:
    """Serves the page to whoever knows the password."""

    def __init__(
        self,
        password: str,
        certificate: Certificate,
        *,
        login_s: float = LOGIN_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._hash = nt_hash(password)
        self._certificate = certificate
        self._public_key = subject_public_key(certificate.der)
        self._login_s, self._stall_s = login_s, stall_s
        self._tasks = asyncio.TaskGroup()
        self._connections = 0

    async def serve(self, listening: "asyncio.Future[int]") -> None:
        """Serve until cancelled; tell `listening` the port."""
        loop = asyncio.get_running_loop()
        async with self._tasks:
            acceptor = await loop.create_server(lambda: Leg(self._accepted), HOST, 0)
            async with acceptor:
                listening.set_result(acceptor.sockets[0].getsockname()[1])
                await acceptor.serve_forever()

    def _accepted(self, leg: Leg) -> None:
        if self._connections >= MAX_CONNECTIONS:
            leg.abort()
            return
        self._connections += 1
        self._tasks.create_task(self._connection(leg))

    async def _connection(self, leg: Leg) -> None:
        """Serve one connection; whatever it dies of ends here."""
        try:
            await self._serve(leg)
            await leg.close()
        except (LegClosedError, RemoteProtocolError, TimeoutError):
            pass  # It left, or never was a client.
        except _RefusedError:
            await leg.close()
        except Exception:  # noqa: BLE001 - one connection never takes another with it
            # To standard error: nobody reads the other one behind its first line.
            traceback.print_exc()
        finally:
            leg.abort()
            self._connections -= 1

    async def _serve(self, leg: Leg) -> None:
        async with asyncio.timeout(self._login_s):
            session, early = await self._logged_on(leg)
            session.start()
            session.receive(early)
            while not session.active and not session.over:
                await self._send(leg, session)
                session.receive(await leg.read())
        while not session.over:
            await self._send(leg, session)
            session.receive(await leg.read())
        await self._send(leg, session)

    async def _send(self, leg: Leg, session: DemoSession) -> None:
        leg.write(session.take())
        async with asyncio.timeout(self._stall_s):
            await leg.drain()

    # --- the login

    async def _logged_on(self, leg: Leg) -> tuple[DemoSession, bytes]:
        """Return the session of a client that proved itself, and what it sent behind that."""
        challenge = Challenge(
            server_challenge=secrets.token_bytes(8),
            name=_NAME,
            file_time=file_time(dt.datetime.now(dt.UTC)),
        )
        acceptor = Acceptor(Offer(nla=True, tls=False), self._public_key, challenge)
        steps: list[Step] = []
        while True:
            doing, steps = steps or acceptor.receive(await leg.read()), []
            for step in doing:
                steps += await self._carried_out(step, acceptor, leg)
                # Under NLA alone nobody comes so far who has not proved the password.
                if isinstance(step, LoginWanted) and acceptor.client is not None:
                    return DemoSession(acceptor.client), acceptor.take_rest()
            await leg.drain()

    async def _carried_out(self, step: Step, acceptor: Acceptor, leg: Leg) -> list[Step]:
        """Do a step; return those that follow."""
        match step:
            case Send(data):
                leg.write(data)
            case StartTLS():
                await leg.start_tls(self._certificate.context)
                return acceptor.tls_started()
            case ProofWanted(attempt):
                base_key = self._proved(attempt)
                return acceptor.unproved() if base_key is None else acceptor.proved(base_key)
            case Refused(reason):
                raise _RefusedError(reason)
        return []

    def _proved(self, attempt: Attempt) -> bytes | None:
        """Return the key of the session; None where the client knows no password."""
        name = login_name(attempt.username).encode()
        named = hmac.compare_digest(name, USERNAME.encode())
        key = response_key(self._hash, attempt.username, attempt.domain)
        base_key = session_base_key(key, attempt.server_challenge, attempt.response)
        return base_key if named else None


def make_certificate() -> Certificate:
    """Make a certificate for this machine alone. P-256 takes no time to make."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .sign(private, SHA256())
    )
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads keys from files only, and this one is to lie on no disk.
    with os.fdopen(os.memfd_create(_NAME), "wb") as file:
        file.write(made.public_bytes(Encoding.PEM) + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return Certificate(context=context, der=made.public_bytes(Encoding.DER))


async def serve() -> None:
    """Listen, say where, and serve until cancelled."""
    password, certificate = secrets.token_urlsafe(_PASSWORD_BYTES), make_certificate()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(DemoDesktop(password, certificate).serve(listening))
        place = {
            "host": HOST,
            "port": await listening,
            "username": USERNAME,
            "password": password,
            "certificate": fingerprint(certificate.der),
        }
        sys.stdout.write(json.dumps(place) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until the parent ends or ends us."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
