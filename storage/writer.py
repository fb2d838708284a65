"""Stores chunks: the rows, the bytes and the sessions' counters in one transaction.

INVARIANT: a chunk is stored only if an engine signed it that is known here, and if its
data key opens it.
INVARIANT: a chunk is stored once. The same bytes again are acknowledged, other bytes
under the same number go to quarantine, and nothing that arrives is thrown away.
INVARIANT: whoever adds to a session holds the lock of its row, so that several workers
count right and see each neighbour.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import bindparam, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from recorder.chunk import GENESIS, Chunk, ChunkHeader
from recorder.data_key import RecordingKeys
from recorder.events import EndReason
from recorder.ports import Clock, StorageReceipt
from recorder.session_info import SessionInfo
from storage import session_log
from storage.arrival import Arrival, Arrivals, Content
from storage.blobs import BlobStore
from storage.database import Database
from storage.errors import ChunkConflictError, ChunkRefusedError
from storage.retention_tables import TombstoneRow
from storage.signers import SignersOfMany
from storage.sited_blobs import key_part
from storage.tables import ChunkRow, QuarantinedRow, SessionRow, Table

UNKNOWN = "?"
"""Stands in a session's row for a name that never arrived; no name may be spelt so."""

ENGINE_SILENT = "engine_silent"
"""Why a session is lost of which nothing was heard any more; no recording says so itself."""

_INTERRUPTIONS = (EndReason.ENGINE_CRASHED, EndReason.RECORDING_LOST)

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


_SESSIONS: Final = (
    select(SessionRow)
    .where(SessionRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(SessionRow.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CHUNKS: Final = Table.metadata.tables[ChunkRow.__tablename__]
_KNOWN: Final = select(
    _CHUNKS.c.session_id, _CHUNKS.c.sequence, _CHUNKS.c.digest, _CHUNKS.c.previous_digest
).where(tuple_(_CHUNKS.c.session_id, _CHUNKS.c.sequence).in_(bindparam("keys", expanding=True)))
_ADD_CHUNKS: Final = insert(_CHUNKS)
"""Built once: every chunk passes through these, and building one costs more than running it."""

Known = dict[tuple[uuid.UUID, int], tuple[bytes, bytes]]
"""The digest and the previous digest of chunks, by session and number."""


class Writer:
    """Puts chunks into the store. Blocking; may be called from several threads and nodes."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        keys: RecordingKeys,
        signers: SignersOfMany,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._arrivals = Arrivals(database, clock, keys, signers)

    def store(self, chunk: Chunk) -> StorageReceipt:
        """Return the receipt after the commit; storing a chunk twice is harmless.

        Raises `ChunkConflictError`, `DamagedChunkError` and `UntrustedChunkError` for a chunk
        that went to quarantine, `StorageUnavailableError` where it may be tried again.
        """
        (outcome,) = self.store_all([chunk])
        if isinstance(outcome, ChunkRefusedError):
            raise outcome
        return outcome

    def store_all(self, chunks: Sequence[Chunk]) -> list[StorageReceipt | ChunkRefusedError]:
        """Store chunks in one transaction; return, in their order, what `store` would.

        For a backlog: a commit costs more than a chunk. A refused chunk holds up no other.
        Raises `StorageUnavailableError`; then none of them counts as stored.
        """
        checked = self._arrivals.judge(chunks)
        for chunk, verdict in zip(chunks, checked, strict=True):
            if isinstance(verdict, ChunkRefusedError):
                with self._database.transaction() as session:
                    self._quarantine(session, chunk, str(verdict.__cause__))
        arrivals = [arrival for arrival in checked if isinstance(arrival, Arrival)]
        names = self._put_ahead(arrivals)
        refused = self._database.write(lambda session: self._keep(session, arrivals, names))
        outcomes: list[StorageReceipt | ChunkRefusedError] = []
        for arrival in checked:
            if isinstance(arrival, ChunkRefusedError):
                outcomes.append(arrival)
            else:
                outcomes.append(refused.get(arrival.digest) or _receipt(arrival))
        return outcomes

    def _put_ahead(self, arrivals: list[Arrival]) -> dict[bytes, str]:
        """Put the bytes where no transaction reaches, but not again what is stored.

        Returns the name of each blob, by digest.
        """
        if not self._blobs.ahead:
            return {each.digest: _blob_name(each, "") for each in arrivals}
        with self._database.read() as session:
            known = _known(session, [arrival.key for arrival in arrivals])
            sites = _sites(session, arrivals)
        names = {each.digest: _blob_name(each, sites[each.key[0]]) for each in arrivals}
        self._blobs.put_ahead(
            {
                names[each.digest]: each.chunk.encoded
                for each in arrivals
                if each.key not in known
            }
        )
        return names

    def _keep(
        self, session: Session, arrivals: list[Arrival], names: dict[bytes, str]
    ) -> dict[bytes, ChunkRefusedError]:
        """Store what is new; return the conflicts by digest."""
        rows = _locked_sessions(session, [arrival.chunk.header for arrival in arrivals])
        # Only now: nobody else adds to these sessions until we commit.
        known = _known(session, _with_neighbours(arrivals))
        conflicts: dict[bytes, ChunkRefusedError] = {}
        blobs: dict[str, bytes] = {}
        new: list[dict[str, Any]] = []
        for arrival in arrivals:
            stored = known.get(arrival.key)
            if stored is None:
                self._add_to(session, arrival, rows[arrival.key[0]], known)
                new.append(_chunk_row(arrival, names[arrival.digest], self._clock.now()))
                known[arrival.key] = arrival.digest, arrival.chunk.header.previous_digest
                blobs[names[arrival.digest]] = arrival.chunk.encoded
            elif stored[0] != arrival.digest and arrival.digest not in conflicts:
                self._quarantine(session, arrival.chunk, "another chunk holds this number")
                conflicts[arrival.digest] = _conflict(arrival.chunk.header)
        if new:
            session.execute(_ADD_CHUNKS, new)
        self._blobs.put_within(session, blobs)
        return conflicts

    def _add_to(
        self, session: Session, arrival: Arrival, row: SessionRow, known: Known
    ) -> None:
        header = arrival.chunk.header
        if row.deleted_at is not None:
            # So late that its recording was deleted: it follows.
            tombstone = update(TombstoneRow).where(TombstoneRow.session_id == row.id)
            session.execute(tombstone.values(finished_at=None))
        if arrival.content.info is not None and row.user == UNKNOWN:
            _name(row, arrival.content.info)
        if not _fits(session, header, arrival.digest, row, known):
            row.chain_broken = True
            _log.error(
                "chunk.chain_broken", session=str(header.session_id), sequence=header.sequence
            )
        if _count(row, header, arrival.content):
            session_log.append(session, header.session_id, arrival.digest, self._clock.now())

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


def _blob_name(arrival: Arrival, site: str) -> str:
    """Return where a chunk lies in the blob store; other bytes lie elsewhere."""
    session_id, sequence = arrival.key
    name = f"{session_id}/{sequence:08d}-{arrival.digest.hex()[:16]}"
    return f"{key_part(site)}/{name}" if site else name


def _sites(session: Session, arrivals: list[Arrival]) -> dict[uuid.UUID, str]:
    query = select(SessionRow.id, SessionRow.site).where(
        SessionRow.id.in_({arrival.key[0] for arrival in arrivals})
    )
    told = {
        each.key[0]: each.content.info.site
        for each in arrivals
        if each.content.info is not None
    }
    known = {id_: site for id_, site in session.execute(query) if site != UNKNOWN}
    return {each.key[0]: "" for each in arrivals} | told | known


def _receipt(arrival: Arrival) -> StorageReceipt:
    session_id, sequence = arrival.key
    return StorageReceipt(session_id=session_id, sequence=sequence, digest=arrival.digest)


def _conflict(header: ChunkHeader) -> ChunkConflictError:
    return ChunkConflictError(
        f"chunk {header.sequence} of session {header.session_id} is stored with other bytes; "
        "this one is in quarantine: find out who sent it"
    )


def _locked_sessions(
    session: Session, headers: Sequence[ChunkHeader]
) -> dict[uuid.UUID, SessionRow]:
    """Return the rows of the chunks' sessions, locked until the commit, made where missing.

    Always in the order of their ids: two that lock the same rows never wait in a circle.
    """
    first = {header.session_id: header for header in reversed(headers)}
    wanted = {"ids": list(first)}
    rows = {row.id: row for row in session.scalars(_SESSIONS, wanted)}
    if missing := sorted(first.keys() - rows.keys()):
        for session_id in missing:
            _make_session(session, first[session_id])
        rows = {row.id: row for row in session.scalars(_SESSIONS, wanted)}
    return rows


def _known(session: Session, keys: Collection[tuple[uuid.UUID, int]]) -> Known:
    return {
        (id_, number): (digest, before)
        for id_, number, digest, before in session.execute(_KNOWN, {"keys": list(keys)})
    }


def _with_neighbours(arrivals: list[Arrival]) -> set[tuple[uuid.UUID, int]]:
    return {
        (session_id, sequence + step)
        for session_id, sequence in (arrival.key for arrival in arrivals)
        for step in (-1, 0, 1)
    }


def _make_session(session: Session, header: ChunkHeader) -> None:
    """Control knows nothing of the session, yet its recording is kept."""
    row = {
        "id": header.session_id,
        "protocol": UNKNOWN,
        "state": "live",
        "user": UNKNOWN,
        "secret": UNKNOWN,
        "target": UNKNOWN,
        "site": UNKNOWN,
        "engine": UNKNOWN,
        "client_address": UNKNOWN,
        "credential_id": None,
        "started_at": header.first_at - dt.timedelta(milliseconds=header.first_ms),
        "ready_at": None,
        "ended_at": None,
        "end_reason": None,
        "last_sequence": None,
        "chunks": 0,
        "input_bytes": 0,
        "output_bytes": 0,
        "chain_broken": False,
        "signed": True,
        "hold_reason": None,
        "deleted_at": None,
    }
    # Another worker may have come first: then its row is as good.
    if session.get_bind().dialect.name == "sqlite":
        session.execute(sqlite.insert(SessionRow).values(row).on_conflict_do_nothing())
    else:
        session.execute(postgresql.insert(SessionRow).values(row).on_conflict_do_nothing())


def _name(row: SessionRow, info: SessionInfo) -> None:
    row.protocol = info.target.protocol.value
    row.user = info.user
    row.secret = info.secret_name
    row.target = f"{info.target.host}:{info.target.port}"
    row.site = info.site
    row.engine = info.engine_id
    row.client_address = info.client_address
    row.started_at = info.started_at


def _fits(
    session: Session, header: ChunkHeader, digest: bytes, row: SessionRow, known: Known
) -> bool:
    """Whether the chunk joins its stored neighbours, and lies before the end."""
    before = known.get((header.session_id, header.sequence - 1))
    after = known.get((header.session_id, header.sequence + 1))
    if header.sequence == 0 and header.previous_digest != GENESIS:
        return False
    if before is not None and before[0] != header.previous_digest:
        return False
    if after is not None and after[1] != digest:
        return False
    if header.end_reason is None:
        return row.last_sequence is None or header.sequence < row.last_sequence
    stored = session.scalar(
        select(func.max(ChunkRow.sequence)).where(ChunkRow.session_id == header.session_id)
    )
    beside = (number for id_, number in known if id_ == header.session_id)
    newest = max(-1 if stored is None else stored, *beside, -1)
    return row.last_sequence is None and newest < header.sequence


def _count(row: SessionRow, header: ChunkHeader, content: Content) -> bool:
    """Add a chunk to its session; say whether it is the one that ends it."""
    count = content.count
    row.chunks += 1
    row.input_bytes += count.input_bytes
    row.output_bytes += count.output_bytes
    if content.end_reason is None and row.end_reason == ENGINE_SILENT:
        # It was given up, and goes on: its engine is there again.
        row.state, row.ended_at, row.end_reason = "live", None, None
    if content.end_reason is None or row.last_sequence is not None:
        return False
    row.last_sequence = header.sequence
    row.ended_at = header.first_at + dt.timedelta(milliseconds=count.last_ms - header.first_ms)
    row.end_reason = content.end_reason.value
    cut_short = content.end_reason in _INTERRUPTIONS or header.cut_bytes > 0
    row.state = "interrupted" if cut_short else "finished"
    return True


def _chunk_row(arrival: Arrival, blob: str, now: dt.datetime) -> dict[str, Any]:
    header, content = arrival.chunk.header, arrival.content
    return {
        "session_id": header.session_id,
        "sequence": header.sequence,
        "digest": arrival.digest,
        "previous_digest": header.previous_digest,
        "sealed": header.sealed.value,
        "first_ms": content.count.first_ms,
        "last_ms": content.count.last_ms,
        "first_at": header.first_at,
        "size_bytes": len(arrival.chunk.encoded),
        "blob": blob,
        "indexed": 0,
        "stored_at": now,
    }
