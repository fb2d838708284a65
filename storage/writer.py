"""Stores one chunk: the row, the bytes and the session's counters in one transaction.

INVARIANT: a chunk is stored only if an engine signed it that is known here, and if its
data key opens it.
INVARIANT: a chunk is stored once. The same bytes again are acknowledged, other bytes
under the same number go to quarantine, and nothing that arrives is thrown away.
"""

import datetime as dt
import uuid

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recorder.chunk import GENESIS, Chunk, ChunkHeader, check_signed, decode
from recorder.chunker import Count
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError, RecordingKeyError
from recorder.errors import UntrustedChunkError as Untrusted
from recorder.events import EndReason, Event, SessionEnded, SessionStarted
from recorder.ports import Clock, StorageReceipt
from recorder.session_info import SessionInfo
from recorder.signing import KnownSigners
from storage import session_log
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import (
    ChunkConflictError,
    DamagedChunkError,
    StorageUnavailableError,
    UntrustedChunkError,
)
from storage.tables import ChunkRow, QuarantinedRow, SessionRow

UNKNOWN = "?"
"""Stands in a session's row for a name that never arrived; no name may be spelt so."""

_INTERRUPTIONS = (EndReason.ENGINE_CRASHED, EndReason.RECORDING_LOST)

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class _Content:
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


class Writer:
    """Puts chunks into the store. Blocking; may be called from several threads."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        keys: RecordingKeys,
        signers: KnownSigners,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._keys = keys
        self._signers = signers

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit; storing a chunk twice is harmless.

        Raises `ChunkConflictError`, `DamagedChunkError` and `UntrustedChunkError` for a chunk
        that went to quarantine, `StorageUnavailableError` where it may be tried again.
        """
        content = self._checked(chunk)
        header, digest = chunk.header, chunk.digest
        with self._database.transaction() as session:
            stored = session.get(ChunkRow, (header.session_id, header.sequence))
            if stored is None:
                self._insert(session, chunk, digest, content)
            elif stored.digest != digest:
                self._quarantine(session, chunk, "another chunk holds this number")
        if stored is not None and stored.digest != digest:
            raise ChunkConflictError(
                f"chunk {header.sequence} of session {header.session_id} is stored with other "
                "bytes; this one is in quarantine: find out who sent it"
            )
        return StorageReceipt(
            session_id=header.session_id, sequence=header.sequence, digest=digest
        )

    def _checked(self, chunk: Chunk) -> _Content:
        header = chunk.header
        where = f"chunk {header.sequence} of session {header.session_id} is in quarantine"
        try:
            return self._content(chunk)
        except Untrusted as error:
            self._put_aside(chunk, str(error))
            raise UntrustedChunkError(f"{where}, and not to be trusted: {error}") from error
        except CorruptChunkError as error:
            self._put_aside(chunk, str(error))
            raise DamagedChunkError(f"{where}, for it is damaged: {error}") from error
        except RecordingKeyError as error:
            # No fault of the chunk's: it is kept where it is until the key is back.
            raise StorageUnavailableError(str(error)) from error

    def _content(self, chunk: Chunk) -> _Content:
        header = chunk.header
        if decode(chunk.encoded).header != header:
            raise CorruptChunkError("the header is not the one in the bytes")
        if header.format != 1 or self._is_signed(header.session_id):
            check_signed(chunk, self._signers, self._clock.now())
        return _Content(header, decode(chunk.encoded, self._data_key(header)).unpack())

    def _put_aside(self, chunk: Chunk, reason: str) -> None:
        with self._database.transaction() as session:
            self._quarantine(session, chunk, reason)

    def _is_signed(self, session_id: uuid.UUID) -> bool:
        """Say whether its chunks must be signed: of all but those older than signatures."""
        with self._database.read() as session:
            row = session.get(SessionRow, session_id)
            return row is None or row.signed

    def _data_key(self, header: ChunkHeader) -> bytes:
        return b"" if header.key is None else self._keys.unwrap(header.session_id, header.key)

    def _insert(self, session: Session, chunk: Chunk, digest: bytes, content: _Content) -> None:
        header, now = chunk.header, self._clock.now()
        row = session.get(SessionRow, header.session_id) or _new_session(session, header)
        if content.info is not None and row.user == UNKNOWN:
            _name(row, content.info)
        if not _fits(session, header, digest, row):
            row.chain_broken = True
            _log.error(
                "chunk.chain_broken", session=str(header.session_id), sequence=header.sequence
            )
        if _count(row, header, content):
            session_log.append(session, header.session_id, digest, now)
        key = f"{header.session_id}/{header.sequence:08d}-{digest.hex()[:16]}"
        self._blobs.put(session, key, chunk.encoded)
        session.add(_chunk_row(chunk, digest, key, now, content))

    def _quarantine(self, session: Session, chunk: Chunk, reason: str) -> None:
        header = chunk.header
        session.add(
            QuarantinedRow(
                id=uuid.uuid4(),
                session_id=header.session_id,
                sequence=header.sequence,
                reason=reason,
                data=chunk.encoded,
                arrived_at=self._clock.now(),
            )
        )
        _log.error(
            "chunk.quarantined",
            session=str(header.session_id),
            sequence=header.sequence,
            reason=reason,
        )


def is_complete(row: SessionRow) -> bool:
    """Return whether every chunk from 0 to the end has arrived and the chain holds."""
    return (
        row.last_sequence is not None
        and row.chunks == row.last_sequence + 1
        and not row.chain_broken
    )


def _new_session(session: Session, header: ChunkHeader) -> SessionRow:
    """Control knows nothing of the session, yet its recording is kept."""
    row = SessionRow(
        id=header.session_id,
        protocol=UNKNOWN,
        state="live",
        user=UNKNOWN,
        secret=UNKNOWN,
        target=UNKNOWN,
        site=UNKNOWN,
        engine=UNKNOWN,
        client_address=UNKNOWN,
        credential_id=None,
        started_at=header.first_at - dt.timedelta(milliseconds=header.first_ms),
        ready_at=None,
        ended_at=None,
        end_reason=None,
        last_sequence=None,
        chunks=0,
        input_bytes=0,
        output_bytes=0,
        chain_broken=False,
    )
    session.add(row)
    session.flush()
    return row


def _name(row: SessionRow, info: SessionInfo) -> None:
    row.protocol = info.target.protocol.value
    row.user = info.user
    row.secret = info.secret_name
    row.target = f"{info.target.host}:{info.target.port}"
    row.site = info.site
    row.engine = info.engine_id
    row.client_address = info.client_address
    row.started_at = info.started_at


def _fits(session: Session, header: ChunkHeader, digest: bytes, row: SessionRow) -> bool:
    """Whether the chunk joins its stored neighbours, and lies before the end."""
    stored = select(ChunkRow).where(ChunkRow.session_id == header.session_id)
    before = session.scalar(stored.where(ChunkRow.sequence == header.sequence - 1))
    after = session.scalar(stored.where(ChunkRow.sequence == header.sequence + 1))
    if header.sequence == 0 and header.previous_digest != GENESIS:
        return False
    if before is not None and before.digest != header.previous_digest:
        return False
    if after is not None and after.previous_digest != digest:
        return False
    if header.end_reason is None:
        return row.last_sequence is None or header.sequence < row.last_sequence
    newest = session.scalar(
        select(func.max(ChunkRow.sequence)).where(ChunkRow.session_id == header.session_id)
    )
    return row.last_sequence is None and (newest is None or newest < header.sequence)


def _count(row: SessionRow, header: ChunkHeader, content: _Content) -> bool:
    """Add a chunk to its session; say whether it is the one that ends it."""
    count = content.count
    row.chunks += 1
    row.input_bytes += count.input_bytes
    row.output_bytes += count.output_bytes
    if content.end_reason is None or row.last_sequence is not None:
        return False
    row.last_sequence = header.sequence
    row.ended_at = header.first_at + dt.timedelta(milliseconds=count.last_ms - header.first_ms)
    row.end_reason = content.end_reason.value
    cut_short = content.end_reason in _INTERRUPTIONS or header.cut_bytes > 0
    row.state = "interrupted" if cut_short else "finished"
    return True


def _chunk_row(
    chunk: Chunk, digest: bytes, key: str, now: dt.datetime, content: _Content
) -> ChunkRow:
    header = chunk.header
    return ChunkRow(
        session_id=header.session_id,
        sequence=header.sequence,
        digest=digest,
        previous_digest=header.previous_digest,
        sealed=header.sealed.value,
        first_ms=content.count.first_ms,
        last_ms=content.count.last_ms,
        first_at=header.first_at,
        size_bytes=len(chunk.encoded),
        blob=key,
        indexed=0,
        stored_at=now,
    )
