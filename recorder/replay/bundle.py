"""A recording that proves itself: what an exported bundle holds, and how it is checked.

    manifest.json        what is in it, with digests; canonical, so that each byte counts
    manifest.sig         the storage side's signature on that
    chunks/000000.chunk  the chunks as the engine sealed and signed them
    keys/                public keys in PEM, for other programs
    tree-head.json       the signed head of the log of sessions that this session is in
    session.cast  transcript.txt  player.html  README.txt    for people

The data key of the session is in the manifest: whoever has the bundle has the recording
anyway, as text. Sans-io: a reader of members is handed in.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from recorder.chunk import Digest
from recorder.data_key import key_id
from recorder.errors import CorruptChunkError
from recorder.replay.verify import Facts, Finding, Kept, Problem, verify
from recorder.signing import SignerKey, is_signed
from recorder.tree_head import LogProof, bundle_text, encode_head

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
TREE_HEAD: Final = "tree-head.json"
_UNLISTED: Final = frozenset({MANIFEST, SIGNATURE})


class ListedChunk(Struct, frozen=True, kw_only=True):
    """A chunk in a bundle."""

    sequence: int
    digest: Digest
    """Noted by the store when it arrived."""
    stored_at: dt.datetime | None


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle says of itself, under the storage side's signature."""

    format: Literal[1] = 1
    session_id: UUID
    exported_at: dt.datetime
    live: bool
    """Whether the session was still going on."""
    signed: bool
    data_key: bytes
    chunks: tuple[ListedChunk, ...]
    signers: tuple[SignerKey, ...]
    log: LogProof | None
    storage_key: bytes
    members: dict[str, str]
    """SHA-256 of every other member, in hex."""


class _Known:
    """The signers that a manifest names."""

    def __init__(self, keys: Sequence[SignerKey]) -> None:
        self._keys = keys

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        named = (engine_id, signing_key)
        return next((key for key in self._keys if (key.engine_id, key.key_id) == named), None)


Read = Callable[[str], bytes]


def chunk_name(sequence: int) -> str:
    """Return the member that a chunk is."""
    return f"chunks/{sequence:06d}.chunk"


def key_members(manifest: Manifest) -> dict[str, bytes]:
    """Return the members that repeat keys and head of the manifest, for other programs."""
    members = {"keys/storage.pem": _pem(manifest.storage_key)}
    for signer in manifest.signers:
        members[f"keys/{signer.engine_id}-{signer.key_id}.pem"] = _pem(signer.public)
    if manifest.log is not None:
        members[TREE_HEAD] = encode_head(manifest.log.head)
    return members


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the one way to write this manifest down."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic")) + b"\n"


def decode_manifest(encoded: bytes) -> Manifest:
    """Return the manifest; raise `CorruptChunkError` where it is none, or written otherwise."""
    try:
        manifest = _manifests.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptChunkError(f"not a manifest: {error}") from error
    if encode_manifest(manifest) != encoded:
        raise CorruptChunkError("the manifest is not written as proxyd writes it")
    return manifest


def encode_signature(signature: bytes) -> bytes:
    """Return what the signature's member holds: one line of base64."""
    return base64.b64encode(signature) + b"\n"


def check(
    names: Sequence[str], read: Read, storage_key: str | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with a bundle whose members are `names`.

    `storage_key` is the key that is trusted to have exported it, or its id. None: the
    bundle's own word is taken for it, and the caller must show whose it is.
    """
    try:
        encoded, signature = _read(names, read, MANIFEST), _read(names, read, SIGNATURE)
        manifest = decode_manifest(encoded)
    except CorruptChunkError as error:
        yield _whole(Problem.DAMAGED, str(error))
        return
    if not _vouched(encoded, signature, manifest.storage_key):
        yield _whole(Problem.FORGED, "the manifest is not signed by the key that it names")
    if storage_key not in {None, key_id(manifest.storage_key), manifest.storage_key.hex()}:
        yield _whole(
            Problem.FORGED,
            f"the bundle was exported under key {key_id(manifest.storage_key)}, not "
            f"{storage_key}",
        )
    yield from _members(manifest, names, read)
    yield from _repeated(manifest)
    yield from verify(_chunks(manifest, names, read), _facts(manifest))
    yield from _log(manifest)


def _vouched(encoded: bytes, signature: bytes, public: bytes) -> bool:
    digest = hashlib.sha256(encoded).digest()
    try:
        raw = base64.b64decode(signature, validate=False)
    except ValueError:
        return False
    return signature == encode_signature(raw) and is_signed(bundle_text(digest), raw, public)


def _members(manifest: Manifest, names: Sequence[str], read: Read) -> Iterator[Finding]:
    if len(set(names)) != len(names):
        yield _whole(Problem.DUPLICATED, "a member is there twice")
    for name in sorted(set(names) - set(manifest.members) - _UNLISTED):
        yield _whole(Problem.ALTERED, f"{name!r} is not of this bundle")
    for name, sha256 in manifest.members.items():
        if name not in names:
            yield _whole(Problem.MISSING, f"{name} is missing")
        elif hashlib.sha256(read(name)).hexdigest() != sha256:
            yield _whole(Problem.ALTERED, f"{name} is not as it was exported")


def _repeated(manifest: Manifest) -> Iterator[Finding]:
    try:
        for name, content in key_members(manifest).items():
            if hashlib.sha256(content).hexdigest() != manifest.members.get(name):
                yield _whole(Problem.ALTERED, f"{name} is not what the manifest says")
    except ValueError:
        yield _whole(Problem.DAMAGED, "the manifest names a key that is none")


def _chunks(manifest: Manifest, names: Sequence[str], read: Read) -> Iterator[Kept]:
    for listed in manifest.chunks:
        name = chunk_name(listed.sequence)
        if name in names:
            yield Kept(
                sequence=listed.sequence,
                digest=listed.digest,
                encoded=read(name),
                data_key=manifest.data_key,
                stored_at=listed.stored_at,
            )


def _facts(manifest: Manifest) -> Facts:
    return Facts(
        session_id=manifest.session_id,
        live=manifest.live,
        chunks=len(manifest.chunks),
        signers=_Known(manifest.signers),
        signed=manifest.signed,
    )


def _log(manifest: Manifest) -> Iterator[Finding]:
    if manifest.log is None:
        if manifest.signed and not manifest.live:
            yield _whole(Problem.LOG_DIFFERS, "the session is not in the log of sessions")
        return
    last = manifest.chunks[-1].digest if manifest.chunks else b""
    ours = manifest.log.head.public == manifest.storage_key
    if not ours or not manifest.log.proves(manifest.session_id, last):
        yield _whole(
            Problem.LOG_DIFFERS,
            "the log of sessions does not hold this session, as it ends here",
        )


def _read(names: Sequence[str], read: Read, name: str) -> bytes:
    if name not in names:
        raise CorruptChunkError(f"{name} is missing")
    return read(name)


def _pem(public: bytes) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _whole(problem: Problem, text: str) -> Finding:
    return Finding(problem=problem, sequence=None, text=text)


_manifests = msgspec.json.Decoder(Manifest)
