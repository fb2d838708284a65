"""The files that crossed in a session, in a zip file: what was recorded of their contents."""

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from protocols.ssh.kept_files import kept_files
from recorder.events import FileTouched, KnownEvent

LIST: Final = "files.json"
"""In it: every file that crossed, and which member has its contents, if one has."""
_PIECE_BYTES: Final = 1024 * 1024
_SPOOLED_BYTES: Final = 64 * 1024 * 1024
_CROSSES: Final = frozenset({"upload", "download"})
_Key = tuple[int, str, str, bytes]


def file_pieces(events: Iterable[KnownEvent]) -> Iterator[bytes]:
    """Yield the zip file, piece by piece."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _write(events, archive)
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _write(events: Iterable[KnownEvent], archive: zipfile.ZipFile) -> None:
    crossed: list[FileTouched] = []
    members: dict[_Key, str] = {}

    def noted() -> Iterator[KnownEvent]:
        for event in events:
            if isinstance(event, FileTouched) and event.operation in _CROSSES:
                crossed.append(event)
            yield event

    for touched, contents in kept_files(noted()):
        members[_key(touched)] = name = _member(len(members), touched)
        archive.writestr(name, contents)
    rows = [_row(touched, members.get(_key(touched))) for touched in crossed]
    archive.writestr(LIST, msgspec.json.format(msgspec.json.encode(rows)) + b"\n")


def _key(touched: FileTouched) -> _Key:
    return touched.channel, touched.operation, touched.path, touched.sha256


def _member(number: int, touched: FileTouched) -> str:
    """Return a name that leads nowhere, whatever the file was called."""
    last = touched.path.rpartition("/")[2]
    plain = "".join(mark if mark.isalnum() or mark in "._-" else "_" for mark in last)
    return f"{number + 1:04}-{plain[-100:]}"


def _row(touched: FileTouched, member: str | None) -> dict[str, object]:
    row = msgspec.structs.asdict(touched)
    return {**row, "sha256": touched.sha256.hex(), "contents": member}
