"""Who sealed a chunk: Ed25519 signatures (RFC 8032) of engines, and how they are checked.

An engine has one signing key at a time. The storage side knows the public halves of all
engines, past ones too: what was sealed before a key was revoked still verifies.
"""

import datetime as dt
from typing import Annotated, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from msgspec import Meta, Struct

from recorder.data_key import KEY_BYTES, key_id

SIGNATURE_BYTES: Final = 64


class ChunkSigner(Protocol):
    """What an engine signs with."""

    @property
    def engine_id(self) -> str:
        """The engine that signs."""
        ...

    @property
    def key_id(self) -> str:
        """Which of its keys: `recorder.data_key.key_id` of the public half."""
        ...

    @property
    def public(self) -> bytes:
        """The raw public half, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes. Called on the disk thread."""
        ...


class SignerKey(Struct, frozen=True, kw_only=True):
    """The public half of an engine's signing key, as the storage side knows it."""

    engine_id: str
    public: Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
    valid_until: dt.datetime | None = None
    """Nothing that arrived after this is from the engine: the key was revoked or replaced."""

    @property
    def key_id(self) -> str:
        """Which key it is."""
        return key_id(self.public)


class KnownSigners(Protocol):
    """The engines that are trusted to have recorded what they sign."""

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        """Return the engine's key with this id, or None where it never had it."""
        ...


class SigningKey:
    """A `ChunkSigner` whose private half is in memory. Printing it shows its id alone."""

    __slots__ = ("_private", "engine_id", "key_id", "public")

    def __init__(self, engine_id: str, private: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.engine_id = engine_id
        self.public = self._private.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    @staticmethod
    def generate() -> bytes:
        """Return the raw private half of a new key, 32 bytes."""
        return Ed25519PrivateKey.generate().private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.engine_id}, {self.key_id})"


def is_signed(message: bytes, signature: bytes, public: bytes) -> bool:
    """Say whether `signature` is that of `public` for `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
