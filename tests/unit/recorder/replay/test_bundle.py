import hashlib

import msgspec
import pytest
from samples.chunks import SESSION, STARTED, Signers, three_chunks
from samples.operator import STORAGE

from recorder.errors import CorruptChunkError
from recorder.replay.bundle import (
    MANIFEST,
    SIGNATURE,
    ListedChunk,
    Manifest,
    check,
    chunk_name,
    decode_manifest,
    encode_manifest,
    encode_signature,
    key_members,
)
from recorder.replay.verify import Problem
from recorder.signing import SigningKey
from recorder.tree_head import LogProof, TreeHead, bundle_text, session_leaf

CHUNKS = three_chunks()
STRANGER = SigningKey("storage", bytes(32))


def log() -> LogProof:
    root = session_leaf(SESSION, CHUNKS[-1].digest)
    head = TreeHead(size=1, root=root, signed_at=STARTED, public=STORAGE.public)
    head = msgspec.structs.replace(head, signature=STORAGE.sign(head.text))
    return LogProof(index=0, path=(), head=head)


def sealed(manifest: Manifest, members: dict[str, bytes], by: SigningKey = STORAGE):
    """The members of a bundle, the manifest last."""
    members = members | key_members(manifest)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    encoded = encode_manifest(msgspec.structs.replace(manifest, members=digests))
    signature = by.sign(bundle_text(hashlib.sha256(encoded).digest()))
    return members | {MANIFEST: encoded, SIGNATURE: encode_signature(signature)}


CONTENT = {chunk_name(one.header.sequence): one.encoded for one in CHUNKS}
ABOUT = Manifest(
    session_id=SESSION,
    exported_at=STARTED,
    live=False,
    signed=True,
    data_key=CHUNKS[0].data_key,
    chunks=tuple(
        ListedChunk(sequence=one.header.sequence, digest=one.digest, stored_at=STARTED)
        for one in CHUNKS
    ),
    signers=tuple(Signers().keys),
    log=log(),
    storage_key=STORAGE.public,
    members={},
)
WHOLE = sealed(ABOUT, CONTENT)


def problems(members: dict[str, bytes], storage_key: str | None = None) -> list[Problem]:
    return [found.problem for found in check(list(members), members.__getitem__, storage_key)]


def test_a_bundle_proves_itself():
    assert problems(WHOLE) == []
    assert problems(WHOLE, STORAGE.key_id) == []


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_member_that_is_gone_is_found(name: str):
    assert problems({other: WHOLE[other] for other in WHOLE if other != name})


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_any_altered_byte_of_a_member_is_found(name: str):
    for place in range(0, len(WHOLE[name]), max(1, len(WHOLE[name]) // 60)):
        altered = bytearray(WHOLE[name])
        altered[place] ^= 1
        assert problems(WHOLE | {name: bytes(altered)}), place


def test_a_member_that_was_added_is_found():
    assert problems(WHOLE | {"chunks/000003.chunk": b""}) == [Problem.ALTERED]


def test_a_member_that_is_there_twice_is_found():
    names = [*WHOLE, chunk_name(0)]
    assert [one.problem for one in check(names, WHOLE.__getitem__)] == [Problem.DUPLICATED]


def test_a_bundle_made_anew_under_another_key_is_not_from_whom_it_should_be():
    anew = sealed(
        msgspec.structs.replace(ABOUT, storage_key=STRANGER.public), CONTENT, STRANGER
    )
    assert problems(anew) == [Problem.LOG_DIFFERS]
    assert problems(anew, STORAGE.key_id)[0] is Problem.FORGED


def test_a_signature_of_another_key_is_found():
    assert problems(sealed(ABOUT, CONTENT, STRANGER)) == [Problem.FORGED]


def test_an_ended_session_must_be_in_the_log():
    unlogged = msgspec.structs.replace(ABOUT, log=None)
    assert problems(sealed(unlogged, CONTENT)) == [Problem.LOG_DIFFERS]
    live = msgspec.structs.replace(unlogged, live=True)
    assert problems(sealed(live, CONTENT)) == []


def test_an_end_that_was_rolled_back_is_found_though_all_is_signed():
    cut = msgspec.structs.replace(ABOUT, chunks=ABOUT.chunks[:2])
    found = problems(sealed(cut, {chunk_name(n): CONTENT[chunk_name(n)] for n in range(2)}))
    assert found == [Problem.TRUNCATED, Problem.LOG_DIFFERS]


def test_a_manifest_is_written_in_one_way_only():
    encoded = WHOLE[MANIFEST]
    assert encode_manifest(decode_manifest(encoded)) == encoded
    with pytest.raises(CorruptChunkError, match="not written as"):
        decode_manifest(encoded + b" ")


@pytest.mark.parametrize("noise", [b"", b"{}", b"[" * 5000, b"\xff"])
def test_noise_is_no_manifest(noise: bytes):
    with pytest.raises(CorruptChunkError):
        decode_manifest(noise)


def test_a_key_that_is_none_is_found():
    broken = encode_manifest(msgspec.structs.replace(ABOUT, log=None)).replace(
        msgspec.json.encode(STORAGE.public), b'"AA=="'
    )
    assert Problem.FORGED in problems(WHOLE | {MANIFEST: broken})
