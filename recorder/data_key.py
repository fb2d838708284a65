"""The key that a session's recording is encrypted with, from its first byte on disk.

The engine makes a data key (AES-256) for each session, keeps it in memory alone, and
writes it down only wrapped to the *recording key*: HPKE (RFC 9180), base mode,
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Whoever takes the engine's disk, and
the engine itself in its next life, has bytes that only the storage side can read.

    frame     number u32 | AES-256-GCM of the body; nonce 00 | segment 7 bytes | number
    payload   nonce 12 bytes | AES-256-GCM; nonce 01 | 11 random bytes; AAD the header

INVARIANT: no nonce is used twice under one data key: a frame's number is never given
again, not even to a frame that takes the place of one that could not be written.
"""

import hashlib
import secrets
from typing import Annotated, Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta, Struct

from recorder.errors import CorruptChunkError, RecordingKeyError

KEY_BYTES: Final = 32
FRAME_OVERHEAD_BYTES: Final = 20
"""What encryption adds to a body: its number and the tag."""
_NUMBER_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_OF_FRAME, _OF_PAYLOAD = b"\x00", b"\x01"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PURPOSE: Final = b"proxyd recording data key"


class WrappedKey(Struct, frozen=True, kw_only=True):
    """A data key that only the storage side can take out."""

    recording_key: str
    """Which key it is wrapped to."""
    sealed: Annotated[bytes, Meta(max_length=256)]
    """HPKE: the encapsulated key, then the ciphertext; `info` names the session."""


class DataKey:
    """Encrypts and decrypts what belongs to one session. May be used from any thread."""

    __slots__ = ("_aead", "_bound", "_secret", "wrapped")

    def __init__(self, session_id: UUID, secret: bytes, wrapped: WrappedKey) -> None:
        self._secret = secret
        self._aead = AESGCM(secret)
        self._bound = session_id.bytes
        self.wrapped = wrapped

    def encrypt_frame(self, segment: int, number: int, body: bytes) -> tuple[bytes, bytes]:
        """Return what stands for `body` in a segment, in two pieces: number and ciphertext.

        A keystroke waits for this, and a picture is not copied once more.
        """
        counted = number.to_bytes(_NUMBER_BYTES, "big")
        nonce = _OF_FRAME + segment.to_bytes(7, "big") + counted
        return counted, self._aead.encrypt(nonce, body, self._bound)

    def decrypt_frame(self, segment: int, sealed: bytes) -> bytes:
        """Return the body; raise `CorruptChunkError` where it is not of this place."""
        nonce = _OF_FRAME + segment.to_bytes(7, "big") + sealed[:_NUMBER_BYTES]
        return self._decrypt(nonce, memoryview(sealed)[_NUMBER_BYTES:], self._bound)

    def encrypt_payload(self, payload: bytes, header: bytes) -> bytes:
        """Return what stands for `payload` in a chunk with this header."""
        nonce = _OF_PAYLOAD + secrets.token_bytes(_NONCE_BYTES - 1)
        return nonce + self._aead.encrypt(nonce, payload, header)

    def decrypt_payload(self, sealed: memoryview, header: bytes) -> bytes:
        """Return the payload; raise `CorruptChunkError` where it or the header differs."""
        return self._decrypt(bytes(sealed[:_NONCE_BYTES]), sealed[_NONCE_BYTES:], header)

    def derive(self, info: bytes, salt: bytes) -> bytes:
        """Return another key, for what `info` names: see `derived`."""
        return derived(self._secret, info, salt)

    def _decrypt(self, nonce: bytes, sealed: memoryview, bound: bytes) -> bytes:
        if len(nonce) != _NONCE_BYTES or len(sealed) < _TAG_BYTES:
            raise CorruptChunkError("too short to be encrypted")
        try:
            return self._aead.decrypt(nonce, sealed, bound)
        except InvalidTag as error:
            raise CorruptChunkError("the session's key does not decrypt it") from error


class RecordingPublicKey(Struct, frozen=True, kw_only=True):
    """What an engine has of the recording key."""

    public: Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]

    @property
    def id(self) -> str:
        """Says which key wrapped a data key."""
        return key_id(self.public)

    def new_data_key(self, session_id: UUID) -> DataKey:
        """Return a fresh key for a session; raise `RecordingKeyError`. 0.1 ms."""
        secret = secrets.token_bytes(KEY_BYTES)
        try:
            recipient = X25519PublicKey.from_public_bytes(self.public)
            sealed = _SUITE.encrypt(secret, recipient, _info(session_id))
        except (ValueError, InvalidTag) as error:
            raise RecordingKeyError("the recording key is not an X25519 public key") from error
        return DataKey(session_id, secret, WrappedKey(recording_key=self.id, sealed=sealed))


class RecordingPrivateKey:
    """What the storage side has of it. Printing it shows its id alone."""

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public = RecordingPublicKey(public=self._private.public_key().public_bytes_raw())

    @staticmethod
    def generate() -> bytes:
        """Return the raw private half of a new key, 32 bytes."""
        return X25519PrivateKey.generate().private_bytes_raw()

    def unwrap(self, session_id: UUID, wrapped: WrappedKey) -> bytes:
        """Return the data key; raise `CorruptChunkError` where it is of another session."""
        try:
            return _SUITE.decrypt(wrapped.sealed, self._private, _info(session_id))
        except (ValueError, InvalidTag) as error:
            raise CorruptChunkError("its data key is not of this session") from error

    def __repr__(self) -> str:
        return f"RecordingPrivateKey({self.public.id})"


class RecordingKeys(Protocol):
    """Every recording key there ever was, where recordings are stored."""

    def unwrap(self, session_id: UUID, wrapped: WrappedKey) -> bytes:
        """Return the data key of a session.

        Raises `CorruptChunkError` where it was altered, `RecordingKeyError` where the
        recording key is not here.
        """
        ...


def derived(data_key: bytes, info: bytes, salt: bytes) -> bytes:
    """Return a key that whoever has the data key can make: HKDF-SHA256 (RFC 5869), 32 bytes.

    It gives away nothing of the data key, nor of a key with another `info` or `salt`.
    """
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(data_key)


def key_id(public: bytes) -> str:
    """Return the short name of a public key: the front of its SHA-256, in hex."""
    return hashlib.sha256(public).hexdigest()[:16]


def _info(session_id: UUID) -> bytes:
    return _PURPOSE + session_id.bytes
