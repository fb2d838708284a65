"""Recordings as operators fetch them."""

from collections.abc import Iterator
from uuid import UUID

from control.requests import StoredChunk
from storage.reader import Reader


class StoredChunks:
    """`control.ports.ChunkReader` over the store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[StoredChunk]:
        """Yield the stored chunks in order; one whose bytes are lost comes empty."""
        for stored in self._reader.chunks(session_id, from_sequence):
            yield StoredChunk(
                sequence=stored.sequence, digest=stored.digest, encoded=stored.encoded
            )
