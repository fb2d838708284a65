"""The log of sessions: what an entry is, and the signed head that stands for all of them."""

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from recorder.chunk import Digest
from recorder.errors import CorruptChunkError
from recorder.merkle import leaf_hash, root_by_path
from recorder.signing import is_signed

_HEAD: Final = b"proxyd tree head 1\x00"
_BUNDLE: Final = b"proxyd bundle 1\x00"
_ENTRY: Final = b"proxyd session 1\x00"


class TreeHead(Struct, frozen=True, kw_only=True):
    """What the log was at a moment, signed by the storage side."""

    size: Annotated[int, Meta(ge=0)]
    """How many sessions were in it."""
    root: Digest
    signed_at: dt.datetime
    public: bytes
    """The raw Ed25519 key that signed it."""
    signature: bytes = b""

    @property
    def text(self) -> bytes:
        """What is signed."""
        moment_us = int(self.signed_at.timestamp() * 1_000_000)
        return _HEAD + self.size.to_bytes(8, "big") + self.root + moment_us.to_bytes(8, "big")

    @property
    def holds(self) -> bool:
        """Whether its own signature is right; whose key it is, the reader must know."""
        return is_signed(self.text, self.signature, self.public)


class LogProof(Struct, frozen=True, kw_only=True):
    """That a session is in the log."""

    index: int
    path: tuple[bytes, ...]
    head: TreeHead

    def proves(self, session_id: UUID, last_digest: Digest) -> bool:
        """Say whether it holds for the session whose last chunk has this digest."""
        leaf = session_leaf(session_id, last_digest)
        root = root_by_path(leaf, self.index, self.head.size, self.path)
        return root == self.head.root and self.head.holds


def session_leaf(session_id: UUID, last_digest: Digest) -> bytes:
    """Return the log's entry for a session, hashed.

    The digest of the last chunk stands for every chunk before it and for the end manifest.
    """
    return leaf_hash(_ENTRY + session_id.bytes + last_digest)


def bundle_text(manifest_sha256: bytes) -> bytes:
    """Return what is signed of a bundle: the digest of its manifest."""
    return _BUNDLE + manifest_sha256


def encode_head(head: TreeHead) -> bytes:
    """Return `head` as a line of JSON, digests in base64."""
    return msgspec.json.encode(head) + b"\n"


def decode_head(line: bytes) -> TreeHead:
    """Return the head in a line of JSON; raise `CorruptChunkError` where it is none."""
    try:
        return _heads.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptChunkError(f"not a tree head: {error}") from error


_heads = msgspec.json.Decoder(TreeHead)
