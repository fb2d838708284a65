import base64
import gzip
import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from samples.chunks import INFO, SESSION, chunk, three_chunks
from samples.desktops import desktop_chunks
from samples.operator import NodeInMemory, summary
from samples.segmented import complaints

from proxyd.cli.bundle import BundleFile, bundle_pieces
from proxyd.cli.stored import find
from recorder.chunk import Chunk
from recorder.errors import CorruptChunkError
from recorder.events import (
    ChannelOpened,
    EndReason,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
)
from recorder.replay.bundle import check, decode_manifest
from recorder.session_info import TargetProtocol

ASSETS = Path(__file__).parents[4] / "proxyd/assets"
HOSTILE = b"</script><script>alert(1)</script>"


def shown() -> list[Chunk]:
    """A terminal that showed what would take over a page."""
    first = chunk(
        [
            SessionStarted(at_ms=0, info=INFO),
            ChannelOpened(at_ms=1, channel=0, kind="session"),
            TerminalRequested(at_ms=2, channel=0, terminal="xterm", columns=80, rows=24),
            TargetData(at_ms=3, channel=0, data=HOSTILE),
        ]
    )
    return [first, chunk([SessionEnded(at_ms=9, reason=EndReason.TARGET_LEFT)], first)]


def written(tmp_path: Path, chunks: list[Chunk], **about: object) -> Path:
    node = NodeInMemory()
    node.store(summary(chunks=len(chunks), **about), chunks)
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"".join(bundle_pieces(find(node, str(SESSION)))))
    return path


def test_a_bundle_holds_the_proof_and_what_people_look_at(tmp_path: Path):
    with BundleFile(written(tmp_path, shown())) as bundle:
        assert {
            "README.txt",
            "chunks/000000.chunk",
            "chunks/000001.chunk",
            "keys/storage.pem",
            "manifest.json",
            "manifest.sig",
            "player.html",
            "session.cast",
            "transcript.txt",
            "tree-head.json",
        } <= set(bundle.names)
        assert list(check(bundle.names, bundle.read)) == []
        assert HOSTILE in bundle.read("transcript.txt")


def test_the_player_needs_nothing_from_elsewhere_and_runs_nothing_of_the_targets(
    tmp_path: Path,
):
    with BundleFile(written(tmp_path, shown(), user="<b>ana</b>")) as bundle:
        page = bundle.read("player.html").decode()
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="application/octet-stream" id="recording">',
        "<script>",
        "<script>",
        "<script>",
        '<script type="module">',
    ]
    assert page.count("</script>") == 5
    assert "alert(1)" not in page
    assert "<b>ana" not in page
    assert not re.search(r"<(script|link|img|iframe)[^>]* (src|href)=", page)
    assert "default-src 'none'" in page


def recording_in(page: str) -> dict[str, Any]:
    packed = re.search(r'id="recording">([^<]*)<', page)
    assert packed is not None
    recording: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return recording


def test_of_a_desktop_with_a_hole_it_has_all_that_is_left(tmp_path: Path):
    chunks = desktop_chunks("plain", 60)
    del chunks[2]
    with BundleFile(written(tmp_path, chunks, protocol=TargetProtocol.RDP)) as bundle:
        page = bundle.read("player.html").decode()
        assert b"events are missing since" in bundle.read("transcript.txt")
        assert bundle.read("session.mp4")
    texts = [line["text"] for line in recording_in(page)["lines"]]
    assert texts == [
        "[Click 200,200]",
        "ech[…]eq 60",
        "(proxyd: events are missing here: behind chunk 1: expected chunk 2, got 3)",
    ]


def test_the_player_has_what_it_would_ask_a_server_for(tmp_path: Path):
    with BundleFile(written(tmp_path, shown())) as bundle:
        page = bundle.read("player.html").decode()
    recording = recording_in(page)
    [played] = recording["channels"]
    assert complaints(played["index"], played["segments"]) == []
    assert [text for _, _, text in played["segments"][0]["events"] if text] == [
        HOSTILE.decode()
    ]
    assert [line["text"] for line in recording["lines"]] == [HOSTILE.decode()]
    assert [round(one["duration"], 3) for one in played["overviews"]] == [0.01, 0.01]


def test_a_session_that_showed_nothing_is_proven_all_the_same(tmp_path: Path):
    with BundleFile(written(tmp_path, three_chunks())) as bundle:
        assert "player.html" not in bundle.names
        assert list(check(bundle.names, bundle.read)) == []


def test_a_live_session_may_be_exported_as_far_as_it_is(tmp_path: Path):
    with BundleFile(written(tmp_path, three_chunks()[:2], state="live")) as bundle:
        assert decode_manifest(bundle.read("manifest.json")).live
        assert list(check(bundle.names, bundle.read)) == []


def test_what_is_no_zip_file_is_refused(tmp_path: Path):
    (tmp_path / "noise").write_bytes(b"noise" * 100)
    with pytest.raises(CorruptChunkError, match="is no bundle"):
        BundleFile(tmp_path / "noise")


def test_a_member_that_cannot_be_unpacked_is_found(tmp_path: Path):
    path = written(tmp_path, shown())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("chunks/000000.chunk")
    content[info.header_offset + 200] ^= 1
    path.write_bytes(content)
    with BundleFile(path) as bundle:
        assert list(check(bundle.names, bundle.read))


@pytest.mark.parametrize("name", ["asciinema-player.min.js", "asciinema-player.css", "LICENSE"])
def test_an_asset_of_others_is_the_one_that_is_named(name: str):
    content = (ASSETS / "asciinema-player" / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert f"| `{name}` | `{digest}` |" in (ASSETS / "README.md").read_text()
