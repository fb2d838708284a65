"""Whether a private key can be used to log on to a target, and if not, why."""

from typing import Final

import asyncssh

from protocols.errors import ProtocolsError

_PUTTY: Final = b"PuTTY-User-Key-File"
_PUBLIC: Final = (b"ssh-", b"ecdsa-", b"sk-", b"---- BEGIN SSH2 PUBLIC KEY")


class UnusableKeyError(ProtocolsError):
    """A private key cannot be used. The message goes behind the key's name."""


def check_private_key(data: bytes, passphrase: str | None) -> None:
    """Raise `UnusableKeyError` unless `data` is a private key that `passphrase` opens."""
    try:
        asyncssh.import_private_key(data, passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        # No cause: the texts of the library below may quote what it was given.
        raise UnusableKeyError(_complaint(data, passphrase, str(error))) from None


def _complaint(data: bytes, passphrase: str | None, said: str) -> str:
    start = data.lstrip()
    if start.startswith(_PUTTY):
        return "is in PuTTY's format: `puttygen FILE -O private-openssh -o NEW` converts it"
    if start.startswith(_PUBLIC):
        return "is a public key: name the private one beside it"
    if passphrase is not None:
        return "cannot be read: the passphrase is wrong, or this is no OpenSSH or PEM key"
    if "passphrase" in said.lower():
        return "is encrypted: give its passphrase with --passphrase-stdin"
    return "holds no private key: name one in OpenSSH or PEM format"
