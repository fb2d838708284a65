"""Seals a target credential to one engine, for one session: to two keys of that engine.

HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The
engine makes a key pair for each login and forgets it with the session, so what crossed
the bus yesterday cannot be opened with what is stolen today. The session id is bound in
as `info`: a sealed credential opens for its own session and no other.

What is sealed to that key is sealed once more to the key that the engine was enrolled with,
so that whoever has stolen its signing key, and asks in its name with an ephemeral key of his
own, is answered with what he cannot open.
"""

from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from bus.errors import BusError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PURPOSE = b"proxyd target credential"
_NTLM_PURPOSE = b"proxyd NTLM session key"
_ENGINE_PURPOSE = b"proxyd credential for an engine"


class SealError(BusError):
    """A key is no X25519 key, or what was sealed is not for this key and session."""


def credential_info(session_id: UUID) -> bytes:
    """Return the `info` under which a target credential is sealed for a session."""
    return _PURPOSE + session_id.bytes


def ntlm_info(server_challenge: bytes) -> bytes:
    """Return the `info` under which the session key of one NTLM challenge is sealed."""
    return _NTLM_PURPOSE + server_challenge


def engine_info(session_id: UUID) -> bytes:
    """Return the `info` under which that is sealed again, to the key of the engine itself."""
    return _ENGINE_PURPOSE + session_id.bytes


def seal(public_key: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Return `plaintext` sealed to the raw X25519 `public_key`; raise `SealError`."""
    try:
        recipient = X25519PublicKey.from_public_bytes(public_key)
        return _SUITE.encrypt(plaintext, recipient, info)
    except (ValueError, InvalidTag) as error:
        raise SealError("the key to seal to is not an X25519 public key") from error


def public_half(private_key: bytes) -> bytes:
    """Return the raw X25519 public key of a raw private one."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def open_with(private_key: bytes, sealed: bytes, info: bytes) -> bytes:
    """Return what was sealed to a key that is kept; raise `SealError`."""
    try:
        private = X25519PrivateKey.from_private_bytes(private_key)
        return _SUITE.decrypt(sealed, private, info)
    except (ValueError, InvalidTag) as error:
        raise SealError("what was sealed is not for this key and purpose") from error


class Opener:
    """An ephemeral key pair that opens one sealed message, once."""

    __slots__ = ("_private", "public")

    def __init__(self) -> None:
        self._private: X25519PrivateKey | None = X25519PrivateKey.generate()
        self.public: bytes = self._private.public_key().public_bytes_raw()
        """The raw public key, 32 bytes, to send along."""

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed and forget the key; raise `SealError`."""
        private, self._private = self._private, None
        if private is None:
            raise SealError("this key has opened its message already")
        try:
            return _SUITE.decrypt(sealed, private, info)
        except (ValueError, InvalidTag) as error:
            raise SealError("the sealed credential is not for this key and session") from error
