"""What an operator can ask about proof, and the keys that it rests on."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from control.request import Request
from recorder.signing import SignerKey
from recorder.tree_head import LogProof


class FetchProof(Request, frozen=True, kw_only=True):
    """Return what speaks for a session: a `SessionProof`."""

    id: UUID


class SessionProof(Struct, frozen=True, kw_only=True):
    """Whose signatures count, and where the session is in the log."""

    signed: bool
    """Whether its chunks must be signed; not so of one older than signatures."""
    signers: tuple[SignerKey, ...]
    """Every key of its engine."""
    log: LogProof | None
    last_digest: bytes | None
    """Of the chunk that ended it, as the log has it."""
    problems: tuple[str, ...]
    """What is wrong with the log."""
    storage_key: bytes
    """The raw Ed25519 key that signs heads and bundles."""


class SignBundle(Request, frozen=True, kw_only=True):
    """Have the storage side vouch for an exported bundle."""

    id: UUID
    manifest_sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]


class BundleSignature(Struct, frozen=True, kw_only=True):
    """The storage side's signature, Ed25519."""

    signature: bytes


class CheckLog(Request, frozen=True, kw_only=True):
    """Check the log of sessions, and every session against it."""


class LogChecked(Struct, frozen=True, kw_only=True):
    """What was found."""

    size: int
    """Sessions in the log."""
    heads: int
    """Exported heads that it was compared with."""
    problems: tuple[str, ...]


class AskTreeHead(Request, frozen=True, kw_only=True):
    """Return the log's head, signed: a `TreeHead`."""


class RotateRecordingKey(Request, frozen=True, kw_only=True):
    """Make a new recording key for the sessions to come."""


ProofRequest = FetchProof | SignBundle | CheckLog | AskTreeHead | RotateRecordingKey
