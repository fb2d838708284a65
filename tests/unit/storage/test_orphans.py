from pathlib import Path

import pytest
from samples.chunks import KEYS, SESSION, Signers, three_chunks
from sqlalchemy.orm import Session

from recorder.clock import SystemClock
from storage.database import Database
from storage.file_blobs import FileBlobs
from storage.orphans import Orphans
from storage.writer import Writer

LOST = f"default/{SESSION}/00000009-0123456789abcdef"
UNFINISHED = f"default/{SESSION}/00000008-0123456789abcdef.17-7f00aa.new"


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


@pytest.fixture
def orphans(database: Database, blobs: FileBlobs) -> Orphans:
    writer = Writer(database, blobs, SystemClock(), KEYS, Signers())
    writer.store_all(three_chunks())
    blobs.put_ahead({LOST: b"x", UNFINISHED: b"x", "default/notes.txt": b"not ours"})
    return Orphans(database, blobs, SystemClock())


def test_only_what_is_ours_and_has_no_row_is_found(orphans: Orphans):
    assert sorted(orphans.find(0)) == [UNFINISHED, LOST]


def test_what_is_young_may_be_about_to_get_its_row(orphans: Orphans):
    assert list(orphans.find(1)) == []


def test_deleting_leaves_every_recording_and_what_is_not_ours(
    orphans: Orphans, blobs: FileBlobs, tmp_path: Path
):
    assert sorted(orphans.delete(0)) == [UNFINISHED, LOST]
    assert list(orphans.find(0)) == []
    assert blobs.get(Session(), "default/notes.txt") == b"not ours"
    assert len(list((tmp_path / "blobs/default" / str(SESSION)).iterdir())) == 3
