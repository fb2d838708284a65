"""The certificate that RDP clients see: given in the settings, or made at the first start.

The one that is made is RSA, which every client takes. It never changes by itself, because
clients pin it.
"""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.errors import ConfigError
from config.model import Settings
from control.private_files import give_to_owner, write_private

_CERTIFICATE: Final = "rdp_certificate.pem"
_KEY: Final = "rdp_key.pem"
_RSA_BITS: Final = 2048
_VALID: Final = dt.timedelta(days=3650)
_SKEW: Final = dt.timedelta(days=1)
"""Clients whose clocks are behind take it, too."""


def usable_certificate(settings: Settings, now: dt.datetime) -> tuple[Path, Path]:
    """Return certificate and key for RDP clients, making them where none were ever given.

    Raises `ConfigError` where the settings name one of the two only, or where one is missing.
    """
    given = settings.rdp.certificate_file, settings.rdp.key_file
    match given:
        case (Path() as certificate, Path() as key):
            return _existing(certificate), _private(_existing(key))
        case (None, None):
            return _kept(settings, now)
    raise ConfigError("rdp.certificate_file and rdp.key_file belong together: give both")


def _kept(settings: Settings, now: dt.datetime) -> tuple[Path, Path]:
    certificate, key = settings.state_dir / _CERTIFICATE, settings.state_dir / _KEY
    if not certificate.exists() and not key.exists():
        _make(settings.public_host, certificate, key, now)
    return _existing(certificate), _private(_existing(key))


def _make(host: str, certificate: Path, key: Path, now: dt.datetime) -> None:
    private = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, SHA256())
    )
    try:
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        give_to_owner(certificate)
        write_private(
            key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    except OSError as error:
        raise ConfigError(
            f"{certificate} cannot be written: {error.strerror}; run as the user that owns "
            "the state directory"
        ) from error


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(f"{path} is missing: restore it, or correct the settings in [rdp]")
    return path


def _private(path: Path) -> Path:
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} is open to others: `chmod 600 {path}`")
    return path
