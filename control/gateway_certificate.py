"""The certificate that RDP clients see: given in the settings, or made at the first start.

The one that is made is RSA, which every client takes. It never changes by itself, because
clients pin it.
"""

import datetime as dt
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from config.errors import ConfigError
from config.model import RDPSettings, Settings
from config.secret import check_private
from control.self_signed import CertificateFiles, make_self_signed

_CERTIFICATE: Final = "rdp_certificate.pem"
_KEY: Final = "rdp_key.pem"
_RSA_BITS: Final = 2048
_VALID: Final = dt.timedelta(days=3650)


def usable_certificate(settings: Settings, now: dt.datetime) -> tuple[Path, Path]:
    """Return certificate and key for RDP clients, making them where none were ever given.

    Raises `ConfigError` where the settings name one of the two only, or where one is missing.
    """
    return given_certificate(settings.rdp) or _kept(settings, now)


def given_certificate(settings: RDPSettings) -> tuple[Path, Path] | None:
    """Return what the settings name, None where they name nothing; raise `ConfigError`."""
    match settings.certificate_file, settings.key_file:
        case (Path() as certificate, Path() as key):
            return _existing(certificate), _private(key)
        case (None, None):
            return None
    raise ConfigError("rdp.certificate_file and rdp.key_file belong together: give both")


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 of what clients are shown, in hexadecimal digits.

    Raises `ConfigError` where the file holds no certificate.
    """
    try:
        shown = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{certificate} holds no certificate in PEM: {error}") from error
    return shown.fingerprint(SHA256()).hex()


def _kept(settings: Settings, now: dt.datetime) -> tuple[Path, Path]:
    certificate, key = settings.state_dir / _CERTIFICATE, settings.state_dir / _KEY
    if not certificate.exists() and not key.exists():
        private = generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        files = CertificateFiles(certificate, key)
        make_self_signed(files, private, [settings.public_host], now, _VALID)
    return _existing(certificate), _private(key)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ConfigError(f"{path} is missing: restore it, or correct the settings in [rdp]")
    return path


def _private(path: Path) -> Path:
    check_private("rdp.key_file", _existing(path))
    return path
