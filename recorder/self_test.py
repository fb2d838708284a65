"""Proves at the start that signing and encryption do what they are for.

A library that accepts any signature, or a key that fits nothing, would go unnoticed until
a recording is needed as evidence. So a flipped bit must be refused, here and now.
"""

import datetime as dt
from uuid import UUID

from recorder.chunk import Chunk, SealReason, check_signed, decode, frame
from recorder.chunker import Chunker
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError, SelfTestError, UntrustedChunkError
from recorder.events import TargetData, encode_burst
from recorder.ports import SealingKeys
from recorder.signing import KnownSigners, SignerKey

_NOBODY = UUID(int=0)
_MARK = b"proxyd self-test: if you can read this on a disk, nothing was encrypted"


class _OnlyOurs:
    """Knows the key under test as the engine itself does."""

    def __init__(self, key: SignerKey) -> None:
        self._key = key

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        ours = (self._key.engine_id, self._key.key_id)
        return self._key if (engine_id, signing_key) == ours else None


def self_test(
    keys: SealingKeys, now: dt.datetime, signers: KnownSigners | None = None,
    recording_keys: RecordingKeys | None = None,
) -> None:  # fmt: skip
    """Seal a chunk and look at it as the storage side will; raise `SelfTestError`.

    `signers` and `recording_keys` are the storage side's own, where it is in this process:
    then what it would refuse is noticed before a session is.
    """
    signer = keys.signer
    data_key = keys.recording_key.new_data_key(_NOBODY)
    body = encode_burst([TargetData(at_ms=0, channel=0, data=_MARK)])
    _test_frames(b"".join(data_key.encrypt_frame(0, 0, body)), body)
    chunk = Chunker(_NOBODY, data_key, signer).seal(frame(body), SealReason.SIZE, first_at=now)
    _test_signature(chunk, signers or _OnlyOurs(_key_of(signer.engine_id, signer.public)), now)
    if _MARK in chunk.encoded:
        raise SelfTestError("a sealed chunk holds clear text: nothing may be recorded")
    if recording_keys is not None and chunk.header.key is not None:
        opened = decode(chunk.encoded, recording_keys.unwrap(_NOBODY, chunk.header.key))
        if opened.frames() != frame(body):
            raise SelfTestError("a sealed chunk is not read back as it was recorded")


def _key_of(engine_id: str, public: bytes) -> SignerKey:
    return SignerKey(engine_id=engine_id, public=public)


def _test_frames(sealed: bytes, body: bytes) -> None:
    if _MARK in sealed or len(sealed) <= len(body):
        raise SelfTestError("a frame is written in clear: nothing may be recorded")


def _test_signature(chunk: Chunk, signers: KnownSigners, now: dt.datetime) -> None:
    try:
        check_signed(chunk, signers, now)
    except UntrustedChunkError as error:
        raise SelfTestError(
            f"what this engine signs would be refused by storage: {error}; see that its "
            "signing key is the one that was enrolled"
        ) from error
    for bit in (12, 8 * chunk.payload_offset + 3, 8 * len(chunk.encoded) - 100):
        altered = bytearray(chunk.encoded)
        altered[bit // 8] ^= 1 << bit % 8
        # Past the checksum, as somebody would come who means it.
        forged = Chunk(
            header=chunk.header, pieces=(bytes(altered),), payload_offset=chunk.payload_offset
        )
        if _is_believed(forged, signers, now):
            raise SelfTestError(
                "a signature verifies for what was not signed: the cryptography library is "
                "broken or replaced; reinstall proxyd"
            )


def _is_believed(chunk: Chunk, signers: KnownSigners, now: dt.datetime) -> bool:
    try:
        check_signed(chunk, signers, now)
    except (UntrustedChunkError, CorruptChunkError):
        return False
    return True
