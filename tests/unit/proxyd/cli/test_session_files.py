"""The zip file of what crossed."""

import hashlib
import io
import json
import zipfile

from proxyd.cli.session_files import file_pieces
from recorder.events import ChannelRequested, ClientData, FileTouched, TargetData

DATA = b"what crossed"


def touched(path: str, data: bytes = DATA, operation: str = "download") -> FileTouched:
    digest = hashlib.sha256(data).digest()
    return FileTouched(
        at_ms=0, channel=0, operation=operation, path=path, size_bytes=len(data), sha256=digest
    )


def test_each_file_is_listed_and_what_was_kept_is_there_by_a_harmless_name():
    path = "/srv/../a b\\..c"
    events = [
        ChannelRequested(
            at_ms=0, channel=0, request="exec", detail=f"scp -f '{path}'".encode()
        ),
        touched(path),
        touched("/srv/missing", b"gone"),
        touched("/srv/removed", operation="remove"),
        ClientData(at_ms=0, channel=0, data=b"\0"),
        TargetData(at_ms=0, channel=0, data=f"C0644 {len(DATA)} a b\\..c\n".encode()),
        ClientData(at_ms=0, channel=0, data=b"\0"),
        TargetData(at_ms=0, channel=0, data=DATA + b"\0"),
        ClientData(at_ms=0, channel=0, data=b"\0"),
    ]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(file_pieces(events))))
    rows = json.loads(archive.read("files.json"))
    assert [(row["path"], row["contents"]) for row in rows] == [
        (path, "0001-a_b_..c"),
        ("/srv/missing", None),
    ]
    assert archive.read("0001-a_b_..c") == DATA
