"""Certificates that proxyd makes itself, for what strangers knock at."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from config.errors import ConfigError
from control.private_files import give_to_owner, write_private

_SKEW: Final = dt.timedelta(days=1)
"""Clients whose clocks are behind take it, too."""


class CertificateFiles(Struct, frozen=True):
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


def make_self_signed(
    files: CertificateFiles,
    private: CertificateIssuerPrivateKeyTypes,
    hosts: Sequence[str],
    now: dt.datetime,
    valid: dt.timedelta,
) -> None:
    """Write a certificate for `hosts`, names or addresses, the first of which is its subject.

    Raises `ConfigError` where it cannot be written.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    names = x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys(hosts)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + valid)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, SHA256())
    )
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        files.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        give_to_owner(files.certificate)
        write_private(files.key, key)
    except OSError as error:
        raise ConfigError(
            f"{files.certificate} cannot be written: {error.strerror}; run as the user that "
            "owns the state directory"
        ) from error


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
