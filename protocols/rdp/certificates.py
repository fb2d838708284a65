"""Certificates as RDP uses them: ours to bind a login to, the target's to be accepted."""

import hashlib
import ssl
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bus.contract import HostKeyPolicy
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.wire import ber
from protocols.rdp.wire.cursor import Reader

Pin = Callable[[str], Awaitable[tuple[str, ...]]]
"""Offers the fingerprint seen on first use; returns those that hold from now on."""
_BIT_STRING = b"\x03"


def subject_public_key(certificate: bytes) -> bytes:
    """Return what CredSSP binds to: the contents of SubjectPublicKey ([MS-CSSP] 3.1.5).

    That is PKCS#1 for RSA and the point for EC. Raises `RemoteProtocolError`.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as error:
        raise RemoteProtocolError("the certificate cannot be read") from error
    reader = Reader(ber.read_as(Reader(info), ber.SEQUENCE, "public key"))
    ber.read_as(reader, ber.SEQUENCE, "algorithm")
    return ber.read_as(reader, _BIT_STRING, "subject public key")[1:]


def fingerprint(certificate: bytes) -> str:
    """Return SHA-256 of a DER certificate, in hex as `secret add` takes it."""
    return hashlib.sha256(certificate).hexdigest()


def _allow_old(context: ssl.SSLContext) -> None:
    """Let TLS 1.0 and 1.1 do, whose signatures OpenSSL 3 takes at its lowest level alone."""
    with warnings.catch_warnings():
        # Python advises against it; the operator has read that.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")


class TargetCertificates:
    """The certificates of one target: which are accepted, which one came."""

    def __init__(
        self,
        policy: HostKeyPolicy,
        accepted: tuple[str, ...],
        pin: Pin,
        *,
        secret_name: str,
        old_tls: bool = False,
    ) -> None:
        """Judge by `policy`; `old_tls` says whether TLS before 1.2 will do."""
        self._policy, self._accepted, self._pin = policy, accepted, pin
        self._secret_name, self._old_tls = secret_name, old_tls
        self.came: str | None = None
        """The fingerprint of the one that was shown."""

    def context(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return how to do TLS with the target; where a pin decides, any certificate goes.

        Raises `TargetUnreachableError` where `ca_file` cannot be used.
        """
        if self._policy is HostKeyPolicy.CA:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except (OSError, ssl.SSLError) as error:
                raise TargetUnreachableError(
                    f"[rdp] ca_file {ca_file} cannot be used: {error}"
                ) from error
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # Said, for how Python was built decides what is its default.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._old_tls:
            _allow_old(context)
        return context

    async def check(self, certificate: bytes) -> None:
        """Return where `certificate` may go on to the login; pin it on first use.

        What an authority must vouch for, TLS has refused before where none does.

        Raises `TargetUnreachableError`, and `BusError` where it could not be pinned.
        """
        came = self.came = fingerprint(certificate)
        judged = self._policy in {HostKeyPolicy.ANY, HostKeyPolicy.CA}
        if judged or came in self._accepted:
            return
        if self._policy is HostKeyPolicy.TOFU and not self._accepted:
            self._accepted = await self._pin(came)
            if came in self._accepted:
                return
        expected = ", ".join(self._accepted) or "a given one"
        raise TargetUnreachableError(
            f"the target's certificate is not the expected one: expected {expected}; came "
            f"{came}. No credential was sent. If it was changed on purpose, an operator "
            f"accepts it with `proxyd secret edit {self._secret_name} "
            "--certificate-fingerprint ...`"
        )
