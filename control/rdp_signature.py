"""Signs `.rdp` files, so that mstsc shows who made them instead of a warning.

As `rdpsign.exe` does: the settings that decide where a session goes and what it takes along
are signed, in an order of Microsoft's, by a detached PKCS #7 signature. Whoever changes one
of them makes the file one of an unknown publisher again.
"""

import base64
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from config.errors import ConfigError
from config.secret import find_secret

_SCOPE: Final = (
    "Full Address",
    "Alternate Full Address",
    "Negotiate Security Layer",
    "EnableCredSspSupport",
    "AutoReconnection Enabled",
    "Prompt For Credentials",
    "Authentication Level",
    "AudioMode",
    "RedirectDrives",
    "RedirectPrinters",
    "RedirectCOMPorts",
    "RedirectSmartCards",
    "RedirectClipboard",
    "DrivesToRedirect",
)
"""What is signed, of what proxyd writes: mstsc takes no other settings into a signature."""
_KEY: Final = "rdp-signing-key"
_HEADER: Final = struct.Struct("<III")
"""Version, kind (PKCS #7), and the size of what follows."""
_VERSION: Final = 0x00010001
_LINE: Final = 64


class RDPSigner:
    """A certificate for signing, and its key."""

    def __init__(
        self,
        chain: Sequence[x509.Certificate],
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    ) -> None:
        self._chain, self._key = chain, key

    @classmethod
    def load(
        cls, certificate: Path | None, key: Path | None, credentials: Path | None = None
    ) -> "RDPSigner | None":
        """Return what the settings name; None where they name nothing.

        In `credentials`, systemd's folder, the key is called `rdp-signing-key`. Raises
        `ConfigError` where it cannot be used.
        """
        secret = find_secret(_KEY, key, credentials)
        if certificate is None and secret is None:
            return None
        if certificate is None or secret is None:
            raise ConfigError(
                "[rdp] signing_certificate_file and signing_key_file: set both or none"
            )
        unusable = ConfigError(
            f"[rdp] {certificate} and {key or _KEY} cannot sign: they are no certificate and "
            "its RSA or EC key in PEM, without a passphrase"
        )
        try:
            chain = x509.load_pem_x509_certificates(certificate.read_bytes())
            private = load_pem_private_key(secret.reveal().encode(), password=None)
        except (OSError, ValueError, TypeError):
            # What a parser says of a key may quote it.
            raise unusable from None
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise unusable
        if private.public_key() != chain[0].public_key():
            raise ConfigError(
                f"[rdp] {key or _KEY} is not the key of the certificate {certificate}"
            )
        return cls(chain, private)

    def signed(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of a file with those that sign it."""
        address = next(line for line in lines if line.startswith("full address:"))
        every = [*lines, f"alternate {address}"]
        by_name = {line.partition(":")[0].lower(): line for line in every}
        names = [name for name in _SCOPE if name.lower() in by_name]
        scope = f"signscope:s:{','.join(names)}"
        covered = [*(by_name[name.lower()] for name in names), scope]
        content = ("\r\n".join(covered) + "\r\n\0").encode("utf-16-le")
        builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
        builder = builder.add_signer(self._chain[0], self._key, hashes.SHA256())
        for issuer in self._chain[1:]:
            builder = builder.add_certificate(issuer)
        options = pkcs7.PKCS7Options
        signature = builder.sign(
            Encoding.DER,
            [options.DetachedSignature, options.Binary, options.NoAttributes],
        )
        packed = base64.b64encode(_HEADER.pack(_VERSION, 1, len(signature)) + signature)
        text = packed.decode()
        parts = (text[start : start + _LINE] for start in range(0, len(text), _LINE))
        return [*every, scope, "signature:s:" + "".join(f"{part}  " for part in parts)]
