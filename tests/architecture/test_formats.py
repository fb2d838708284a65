"""The pages for strangers say what the code does."""

import re
from pathlib import Path
from typing import get_args

import pytest
from samples.chunks import Signers

from bus import contract
from recorder.chunk import ChunkHeader, EndManifest, check_signed, decode, frame
from recorder.data_key import RecordingPrivateKey, WrappedKey
from recorder.events import ClientData, KnownEvent, TargetData, encode_burst
from recorder.signing import SignerKey, SigningKey
from recorder.tree_head import TreeHead

FORMATS = Path(__file__).parents[2] / "docs/formats"
CHUNK = (FORMATS / "chunk.md").read_text(encoding="utf-8")
BUS = (FORMATS / "bus.md").read_text(encoding="utf-8")
DUMP_LINE = re.compile(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)", re.MULTILINE)


def dumps() -> list[bytes]:
    """The hex dumps of the page; each begins at address 0."""
    found: list[bytes] = []
    for address, octets in DUMP_LINE.findall(CHUNK):
        if address == "0000":
            found.append(b"")
        found[-1] += bytes.fromhex(octets)
    return found


def test_the_example_is_a_chunk_and_holds_its_segment() -> None:
    segment, encoded = dumps()
    key = decode(encoded).header.key
    assert key is not None
    recording_key = RecordingPrivateKey(bytes(range(32)))
    data_key = recording_key.unwrap(decode(encoded).header.session_id, key)
    assert data_key == bytes(range(0x40, 0x60))
    chunk = decode(encoded, data_key)
    signer = SigningKey("engine-1", bytes(range(0x20, 0x40)))
    known = SignerKey(engine_id="engine-1", public=signer.public)
    assert check_signed(chunk, Signers(known), None) == known
    assert chunk.frames() == segment
    assert f"`{chunk.digest.hex()}`" in CHUNK
    assert chunk.unpack() == [
        TargetData(at_ms=1200, channel=0, data=b"$ "),
        ClientData(at_ms=1450, channel=0, data=b"ls\r"),
    ]
    assert segment == frame(encode_burst(chunk.unpack()))


STRUCTS = (ChunkHeader, EndManifest, WrappedKey, TreeHead)


@pytest.mark.parametrize("key", [key for one in STRUCTS for key in one.__struct_fields__])
def test_every_key_of_the_header_is_explained(key: str) -> None:
    assert f"`{key}`" in CHUNK


@pytest.mark.parametrize("kind", get_args(KnownEvent))
def test_every_kind_of_event_is_explained_with_its_fields_in_order(kind: type) -> None:
    tag = kind.__struct_config__.tag
    name = re.sub("(?=[A-Z])", " ", kind.__name__).strip().lower()
    row = re.search(rf"^\| {tag} \| {name} \|([^|]*)\|", CHUNK, re.MULTILINE)
    assert row, f"{tag} {name}"
    named = [cell.strip().split(" ")[0] for cell in row[1].split(",")]
    assert named == [field for field in kind.__struct_fields__ if field != "at_ms"]


MESSAGES = [
    message
    for union in (contract.Request, contract.Reply, contract.Command, contract.CommandResult)
    for message in get_args(union) or (union,)
]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_explained(message: type) -> None:
    assert f"`{message.__struct_config__.tag}`" in BUS
