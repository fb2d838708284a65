"""Recordings as operators fetch and search them."""

import time
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from control.requests import SearchHit, StoredChunk
from recorder.chunk import digest_of
from recorder.data_key import RecordingKeys
from storage.reader import Reader, data_key_of
from storage.search import Search

_CATCH_UP_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.05


class StoredChunks:
    """`control.ports.ChunkReader` over the store."""

    def __init__(self, reader: Reader, keys: RecordingKeys) -> None:
        self._reader = reader
        self._keys = keys

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[StoredChunk]:
        """Yield the stored chunks in order; one whose bytes are lost comes empty."""
        expected, lacks = from_sequence, False
        for stored in self._reader.chunks(session_id, from_sequence):
            lacks |= stored.sequence != expected
            state = self._state_at(session_id, stored.sequence) if lacks else b""
            is_whole = digest_of(stored.encoded) == stored.digest
            expected, lacks = stored.sequence + 1, (lacks and not state) or not is_whole
            yield StoredChunk(
                sequence=stored.sequence,
                digest=stored.digest,
                encoded=stored.encoded,
                data_key=data_key_of(stored.encoded, self._keys),
                stored_at=stored.stored_at,
                state=state,
            )

    def keyframe(self, session_id: UUID, sequence: int) -> tuple[int, bytes | None]:
        """Return the nearest chunk that can be begun with, and the state as it opens."""
        keyframe = self._reader.keyframe(session_id, sequence)
        return (0, None) if keyframe is None else (keyframe.sequence, keyframe.state)

    def _state_at(self, session_id: UUID, sequence: int) -> bytes:
        kept_at, state = self.keyframe(session_id, sequence)
        return state if state is not None and kept_at == sequence else b""


class IndexSearch:
    """`control.ports.SessionSearch` over the index."""

    def __init__(self, search: Search, unindexed: Callable[[], int] = lambda: 0) -> None:
        """`unindexed` says how many stored chunks the index does not have yet."""
        self._search, self._unindexed = search, unindexed

    def search(self, text: str, kinds: tuple[str, ...], limit: int) -> list[SearchHit]:
        """Return the lines that hold `text`, newest session first; no kinds: all.

        What was stored a moment ago is waited for, a little: who has just left a session
        expects to find it.
        """
        until_s = time.monotonic() + _CATCH_UP_S
        while self._unindexed() and time.monotonic() < until_s:
            time.sleep(_LOOK_AGAIN_S)
        return [
            SearchHit(
                session=hit.session,
                at_ms=hit.at_ms,
                kind=hit.kind,
                text=hit.text,
                channel=hit.channel,
            )
            for hit in self._search.search(text, kinds, limit)
        ]
