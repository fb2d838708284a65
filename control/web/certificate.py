"""The page's certificate: given in the settings, or made at the first start.

The one that is made is good for a year and is made anew before it expires. Browsers ask anew
then, and who has pinned it for launch links pins the new one.
"""

import datetime as dt
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from config.errors import ConfigError
from control.gateway_certificate import fingerprint
from control.self_signed import CertificateFiles, make_self_signed

SELF_SIGNED: Final = "self-signed"
_CERTIFICATE: Final = "page_certificate.pem"
_KEY: Final = "page_key.pem"
_VALID: Final = dt.timedelta(days=397)
"""Browsers refuse what is good for longer."""
_MADE_ANEW: Final = dt.timedelta(days=30)


class PageCertificate:
    """Certificate and key on disk, and the TLS context that shows them."""

    def __init__(self, state_dir: Path, tls: str, host: str) -> None:
        self._state_dir, self._tls, self._host = state_dir, tls, host
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])

    def load(self, now: dt.datetime) -> None:
        """Read the files, making them where they are ours to make; raise `ConfigError`.

        Called again it reads them again: connections that come later see the new ones.
        """
        certificate, key = self._paths(now)
        try:
            self.context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"control.tls: {certificate} and {key} cannot be used: {error}; name a "
                "certificate and the key that belongs to it, as PEM"
            ) from error

    def fingerprint(self) -> str:
        """Return the SHA-256, in hexadecimal digits, of what proxyd has made; else "".

        A certificate that was given has somebody who vouches for it.
        """
        if self._tls != SELF_SIGNED:
            return ""
        return fingerprint(self._state_dir / _CERTIFICATE)

    def _paths(self, now: dt.datetime) -> tuple[Path, Path]:
        if self._tls != SELF_SIGNED:
            return _given(self._tls)
        certificate, key = self._state_dir / _CERTIFICATE, self._state_dir / _KEY
        if not key.exists() or _is_old(certificate, now):
            private = ec.generate_private_key(ec.SECP256R1())
            hosts = (self._host, "localhost", "127.0.0.1", "::1")
            files = CertificateFiles(certificate, key)
            make_self_signed(files, private, hosts, now, _VALID)
        return certificate, key


def _given(tls: str) -> tuple[Path, Path]:
    names = [name.strip() for name in tls.split(",")]
    if len(names) != 2 or not all(names):  # noqa: PLR2004 - a certificate and a key
        raise ConfigError(
            'control.tls: write "self-signed", or "/path/certificate.pem, /path/key.pem"'
        )
    certificate, key = (Path(name) for name in names)
    if key.exists() and key.stat().st_mode & 0o007:
        raise ConfigError(f"{key} is open to everybody: `chmod o= {key}`")
    return certificate, key


def _is_old(certificate: Path, now: dt.datetime) -> bool:
    try:
        made = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return True
    return made.not_valid_after_utc - now < _MADE_ANEW
