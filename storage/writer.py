"""Stores one chunk: the row, the bytes and the session's counters in one transaction.

INVARIANT: a chunk is stored once. The same bytes again are acknowledged, other bytes
under the same number go to quarantine, and nothing that arrives is thrown away.
"""

import datetime as dt
import uuid

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recorder.chunk import GENESIS, Chunk, ChunkHeader, decode
from recorder.errors import CorruptChunkError
from recorder.events import EndReason, Event, SessionStarted
from recorder.ports import Clock, StorageReceipt
from recorder.session_info import SessionInfo
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import ChunkConflictError, DamagedChunkError
from storage.tables import ChunkRow, QuarantinedRow, SessionRow

UNKNOWN = "?"
"""Stands in a session's row for a name that never arrived; no name may be spelt so."""

_INTERRUPTIONS = (EndReason.ENGINE_CRASHED, EndReason.RECORDING_LOST)

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Writer:
    """Puts chunks into the store. Blocking; may be called from several threads."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit; storing a chunk twice is harmless.

        Raises `ChunkConflictError` and `DamagedChunkError` for a chunk that went to
        quarantine, `StorageUnavailableError` where it may be tried again.
        """
        info = self._checked(chunk)
        header, digest = chunk.header, chunk.digest
        with self._database.transaction() as session:
            stored = session.get(ChunkRow, (header.session_id, header.sequence))
            if stored is None:
                self._insert(session, chunk, digest, info)
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

    def _checked(self, chunk: Chunk) -> SessionInfo | None:
        try:
            events = _events_of(chunk)
        except CorruptChunkError as error:
            with self._database.transaction() as session:
                self._quarantine(session, chunk, str(error))
            raise DamagedChunkError(
                f"chunk {chunk.header.sequence} of session {chunk.header.session_id} is "
                f"damaged and in quarantine: {error}"
            ) from error
        match events:
            case [SessionStarted(info=info), *_] if info.session_id == chunk.header.session_id:
                return info
        return None

    def _insert(
        self, session: Session, chunk: Chunk, digest: bytes, info: SessionInfo | None
    ) -> None:
        header = chunk.header
        row = session.get(SessionRow, header.session_id) or _new_session(session, header)
        if info is not None and row.user == UNKNOWN:
            _name(row, info)
        if not _fits(session, header, digest, row):
            row.chain_broken = True
            _log.error(
                "chunk.chain_broken", session=str(header.session_id), sequence=header.sequence
            )
        _count(row, header)
        key = f"{header.session_id}/{header.sequence:08d}-{digest.hex()[:16]}"
        self._blobs.put(session, key, chunk.encoded)
        session.add(_chunk_row(chunk, digest, key, self._clock.now()))

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


def _events_of(chunk: Chunk) -> list[Event]:
    if decode(chunk.encoded).header != chunk.header:
        raise CorruptChunkError("the header is not the one in the bytes")
    return chunk.unpack()


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


def _count(row: SessionRow, header: ChunkHeader) -> None:
    row.chunks += 1
    row.input_bytes += header.input_bytes
    row.output_bytes += header.output_bytes
    if header.end_reason is None or row.last_sequence is not None:
        return
    row.last_sequence = header.sequence
    row.ended_at = header.first_at + dt.timedelta(milliseconds=header.last_ms - header.first_ms)
    row.end_reason = header.end_reason.value
    row.state = "interrupted" if _cut_short(header) else "finished"


def _cut_short(header: ChunkHeader) -> bool:
    return header.end_reason in _INTERRUPTIONS or header.cut_bytes > 0


def _chunk_row(chunk: Chunk, digest: bytes, key: str, now: dt.datetime) -> ChunkRow:
    header = chunk.header
    return ChunkRow(
        session_id=header.session_id,
        sequence=header.sequence,
        digest=digest,
        previous_digest=header.previous_digest,
        sealed=header.sealed.value,
        first_ms=header.first_ms,
        last_ms=header.last_ms,
        first_at=header.first_at,
        size_bytes=len(chunk.encoded),
        blob=key,
        indexed=0,
        stored_at=now,
    )
