"""Reads chunks and keyframes back."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

from msgspec import Struct
from sqlalchemy import and_, select

from recorder.chunk import decode
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError, RecordingKeyError
from storage.blobs import BlobStore
from storage.database import Database
from storage.tables import ChunkRow, KeyframeRow, OutlineRow


class StoredBytes(Struct, frozen=True, kw_only=True):
    """A chunk as the blob store holds it, beside the digest noted when it arrived."""

    sequence: int
    digest: bytes
    encoded: bytes
    """Empty where the blob store has lost it."""
    stored_at: dt.datetime


class Keyframe(Struct, frozen=True, kw_only=True):
    """The state of a session's terminals as a chunk opens."""

    sequence: int
    state: bytes
    """What `recorder.replay.comprehend` takes."""


class StoredOutline(Struct, frozen=True, kw_only=True):
    """What is known of a chunk without reading it."""

    sequence: int
    first_ms: int
    last_ms: int
    has_keyframe: bool
    outline: bytes | None
    """None where none was made yet."""


class Reader:
    """Answers questions about what is stored; every method raises `StorageUnavailableError`."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    def chunks(self, session_id: UUID, from_sequence: int = 0) -> Iterator[StoredBytes]:
        """Yield the stored chunks in order; a missing number is simply not there.

        Each is read on its own, so that a slow consumer holds no transaction open.
        """
        after = from_sequence - 1
        while (stored := self._chunk_after(session_id, after)) is not None:
            yield stored
            after = stored.sequence

    def keyframe(self, session_id: UUID, sequence: int) -> Keyframe | None:
        """Return the keyframe at the chunk numbered `sequence` or the nearest before it."""
        query = (
            select(KeyframeRow)
            .where(KeyframeRow.session_id == session_id, KeyframeRow.sequence <= sequence)
            .order_by(KeyframeRow.sequence.desc())
            .limit(1)
        )
        with self._database.read() as session:
            row = session.scalar(query)
            if row is None:
                return None
            return Keyframe(sequence=row.sequence, state=row.state)

    def outlines(self, session_id: UUID) -> list[StoredOutline]:
        """Return the outline of each stored chunk, in order."""
        query = (
            select(ChunkRow.sequence, ChunkRow.first_ms, ChunkRow.last_ms, OutlineRow.outline)
            .outerjoin(
                OutlineRow,
                and_(
                    OutlineRow.session_id == ChunkRow.session_id,
                    OutlineRow.sequence == ChunkRow.sequence,
                ),
            )
            .where(ChunkRow.session_id == session_id)
            .order_by(ChunkRow.sequence)
        )
        framed = select(KeyframeRow.sequence).where(KeyframeRow.session_id == session_id)
        with self._database.read() as session:
            with_keyframe = set(session.scalars(framed))
            return [
                StoredOutline(
                    sequence=sequence,
                    first_ms=first_ms,
                    last_ms=last_ms,
                    has_keyframe=sequence in with_keyframe,
                    outline=outline,
                )
                for sequence, first_ms, last_ms, outline in session.execute(query)
            ]

    def _chunk_after(self, session_id: UUID, sequence: int) -> StoredBytes | None:
        query = (
            select(ChunkRow)
            .where(ChunkRow.session_id == session_id, ChunkRow.sequence > sequence)
            .order_by(ChunkRow.sequence)
            .limit(1)
        )
        with self._database.read() as session:
            row = session.scalar(query)
            if row is None:
                return None
            encoded = self._blobs.get(session, row.blob) or b""
            return StoredBytes(
                sequence=row.sequence,
                digest=row.digest,
                encoded=encoded,
                stored_at=row.stored_at,
            )


def data_key_of(encoded: bytes, keys: RecordingKeys) -> bytes:
    """Return the data key of a stored chunk; empty where there is none to be had."""
    try:
        header = decode(encoded).header
        return b"" if header.key is None else keys.unwrap(header.session_id, header.key)
    except (CorruptChunkError, RecordingKeyError):
        return b""  # What is wrong is told where the chunk is read without it.
