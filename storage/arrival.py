"""What arrives at the store: whether it may be believed, and what is in it."""

import uuid
from collections.abc import Sequence

from msgspec import Struct

from recorder.chunk import Chunk, ChunkHeader, check_signed, decode
from recorder.chunker import Count
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError, RecordingKeyError
from recorder.errors import UntrustedChunkError as Untrusted
from recorder.events import Event, SessionEnded, SessionStarted
from recorder.ports import Clock
from recorder.session_info import SessionInfo
from recorder.signing import KnownSigners
from storage.database import Database
from storage.errors import (
    ChunkRefusedError,
    DamagedChunkError,
    StorageUnavailableError,
    UntrustedChunkError,
)
from storage.signers import SignersOfMany
from storage.tables import SessionRow


class Content:
    """What a chunk holds, counted here: an engine that died could not count it."""

    def __init__(self, header: ChunkHeader, events: list[Event]) -> None:
        self.count = Count(header.last_ms)
        self.count.add(events)
        self.info: SessionInfo | None = None
        """Who and what, in a session's first chunk."""
        match events:
            case [SessionStarted(info=info), *_] if info.session_id == header.session_id:
                self.info = info
        last = events[-1] if events else None
        self.end_reason = header.end_reason
        if header.end_reason is not None and isinstance(last, SessionEnded):
            self.end_reason = last.reason


class Arrival(Struct, frozen=True):
    """A chunk that may be stored, with what was found in it."""

    chunk: Chunk
    digest: bytes
    content: Content

    @property
    def key(self) -> tuple[uuid.UUID, int]:
        """Its session and its number."""
        return self.chunk.header.session_id, self.chunk.header.sequence


class Arrivals:
    """Judges chunks. Blocking; may be used from several threads."""

    def __init__(
        self, database: Database, clock: Clock, keys: RecordingKeys, signers: SignersOfMany
    ) -> None:
        self._database, self._clock = database, clock
        self._keys, self._signers = keys, signers

    def judge(self, chunks: Sequence[Chunk]) -> list[Arrival | ChunkRefusedError]:
        """Return what arrived with each, or why it belongs in quarantine.

        Raises `StorageUnavailableError` where they may be tried again.
        """
        signers = self._signers.among({chunk.header.engine_id for chunk in chunks})
        judged: list[Arrival | ChunkRefusedError] = []
        for chunk in chunks:
            try:
                judged.append(self._judge(chunk, signers))
            except ChunkRefusedError as error:
                judged.append(error)
        return judged

    def _judge(self, chunk: Chunk, signers: KnownSigners) -> Arrival:
        header = chunk.header
        where = f"chunk {header.sequence} of session {header.session_id} is in quarantine"
        try:
            return Arrival(chunk, chunk.digest, self._content(chunk, signers))
        except Untrusted as error:
            raise UntrustedChunkError(f"{where}, and not to be trusted: {error}") from error
        except CorruptChunkError as error:
            raise DamagedChunkError(f"{where}, for it is damaged: {error}") from error
        except RecordingKeyError as error:
            # No fault of the chunk's: it is kept where it is until the key is back.
            raise StorageUnavailableError(str(error)) from error

    def _content(self, chunk: Chunk, signers: KnownSigners) -> Content:
        header = chunk.header
        if decode(chunk.encoded).header != header:
            raise CorruptChunkError("the header is not the one in the bytes")
        if header.format != 1 or self._is_signed(header.session_id):
            check_signed(chunk, signers, self._clock.now())
        return Content(header, decode(chunk.encoded, self._data_key(header)).unpack())

    def _is_signed(self, session_id: uuid.UUID) -> bool:
        """Say whether its chunks must be signed: of all but those older than signatures."""
        with self._database.read() as session:
            row = session.get(SessionRow, session_id)
            return row is None or row.signed

    def _data_key(self, header: ChunkHeader) -> bytes:
        return b"" if header.key is None else self._keys.unwrap(header.session_id, header.key)
