import msgspec
import pytest
from samples.chunks import SESSION, STARTED
from samples.operator import STORAGE

from recorder.errors import CorruptChunkError
from recorder.merkle import root_of
from recorder.tree_head import LogProof, TreeHead, decode_head, encode_head, session_leaf

DIGEST = bytes(range(32))


def signed(size: int, root: bytes) -> TreeHead:
    head = TreeHead(size=size, root=root, signed_at=STARTED, public=STORAGE.public)
    return msgspec.structs.replace(head, signature=STORAGE.sign(head.text))


HEAD = signed(1, root_of([session_leaf(SESSION, DIGEST)]))


@pytest.mark.parametrize(
    "other", [{"size": 2}, {"root": bytes(32)}, {"signature": b""}, {"public": bytes(32)}]
)
def test_a_head_holds_as_it_was_signed_and_not_otherwise(other: dict[str, object]):
    assert HEAD.holds
    assert not msgspec.structs.replace(HEAD, **other).holds


def test_a_head_survives_its_file():
    assert decode_head(encode_head(HEAD)) == HEAD


@pytest.mark.parametrize("line", [b"", b"{}", b"[" * 5000, b"\xff", b'{"size":-1}'])
def test_what_is_no_head_is_refused(line: bytes):
    with pytest.raises(CorruptChunkError, match="not a tree head"):
        decode_head(line)


def test_a_proof_is_for_one_session_and_its_last_chunk():
    proof = LogProof(index=0, path=(), head=HEAD)
    assert proof.proves(SESSION, DIGEST)
    assert not proof.proves(SESSION, bytes(32))
    assert not msgspec.structs.replace(proof, index=1).proves(SESSION, DIGEST)
    unsigned = msgspec.structs.replace(HEAD, signature=bytes(64))
    assert not msgspec.structs.replace(proof, head=unsigned).proves(SESSION, DIGEST)
