"""Dials a target: TCP, TLS, its certificate, then whatever `Connector` asks for."""

import asyncio
import socket
import ssl
from typing import Final, Protocol

from config.model import RDPSettings
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.certificates import TargetCertificates, subject_public_key
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.steps import Ready, Send, StartTLS, Step
from recorder.session_info import Target

_GONE_IN_TLS: Final = "TLS: it ended the connection"
_OF_OLD_TLS: Final = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", _GONE_IN_TLS)
"""What comes of it where one side wants TLS that the other one does not speak."""


class Handshake(Protocol):
    """A sans-io machine that a target is dialled for."""

    def start(self) -> list[Step]:
        """Begin."""
        ...

    def tls_started(self, public_key: bytes) -> list[Step]:
        """Go on under TLS, with a target whose certificate was accepted."""
        ...

    def receive(self, data: bytes) -> list[Step]:
        """Take what the target sent."""
        ...


async def dial(
    target: Target,
    handshake: Handshake,
    certificates: TargetCertificates,
    settings: RDPSettings,
) -> Leg:
    """Return the leg to a target that took the login.

    Raises `TargetUnreachableError` with words for the user, and `BusError` where the
    target's certificate could not be pinned.
    """
    where = f"{target.host}:{target.port}"
    leg: Leg | None = None
    try:
        async with asyncio.timeout(settings.dial_timeout_s):
            leg = await _connected(target)
            leg.keep_alive(settings.target_alive_interval_s, settings.target_alive_count)
            context = certificates.context(settings.ca_file)
            await _shake_hands(leg, handshake, certificates, (context, target.host))
    except TimeoutError:
        text = (
            f"{where} did not answer within {settings.dial_timeout_s:g} s; check host, port "
            "and firewall"
        )
        raise TargetUnreachableError(text) from None
    except RemoteProtocolError as error:
        text = f"{where} does not speak RDP as expected: {error}"
        if any(reason in str(error) for reason in _OF_OLD_TLS):
            text += "; if its TLS is that old, add `old-tls` to the secret's --channels"
        raise TargetUnreachableError(text) from error
    except LegClosedError as error:
        raise TargetUnreachableError(
            f"{where} ended the connection during the handshake ({error}): does it take the "
            "stored credential?"
        ) from error
    except TargetUnreachableError as error:
        raise type(error)(f"{where}: {error}") from error
    else:
        kept, leg = leg, None
        return kept
    finally:
        if leg is not None:
            leg.abort()


async def _connected(target: Target) -> Leg:
    try:
        loop = asyncio.get_running_loop()
        _, leg = await loop.create_connection(Leg, target.host, target.port)
    except socket.gaierror as error:
        raise TargetUnreachableError("its name is not known; check it and DNS") from error
    except ConnectionRefusedError as error:
        raise TargetUnreachableError("it refused the connection; check its port") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise TargetUnreachableError(
            f"it cannot be reached: {why}; check the network between it and proxyd"
        ) from error
    return leg


async def _shake_hands(
    leg: Leg,
    handshake: Handshake,
    certificates: TargetCertificates,
    tls: tuple[ssl.SSLContext, str],
) -> None:
    steps = handshake.start()
    while True:
        following: list[Step] = []
        for step in steps:
            match step:
                case Send(data):
                    leg.write(data)
                case StartTLS():
                    await _start_tls(leg, *tls)
                    await certificates.check(leg.certificate)
                    following = handshake.tls_started(subject_public_key(leg.certificate))
                case Ready():
                    return
        steps = following or handshake.receive(await leg.read())


async def _start_tls(leg: Leg, context: ssl.SSLContext, name: str) -> None:
    try:
        await leg.start_tls(context, name)
    except LegClosedError as error:
        # Not a word about the credential: nothing of it was used yet.
        raise RemoteProtocolError(_GONE_IN_TLS) from error
