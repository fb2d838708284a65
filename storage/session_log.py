"""The log of sessions: each that ends is appended, in the transaction of its last chunk.

Nothing is ever taken out, so a session that vanishes, or loses its end, shows: its entry
names the digest of its last chunk, and signed heads of the log lie where the database's
owner does not write.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from recorder.chunk import Digest
from recorder.merkle import Tree, inclusion_path
from recorder.tree_head import session_leaf
from storage.tables import ChunkRow, LogRow, SessionRow

_LOCK = 0x70726F78
"""Names the advisory lock that makes several workers append one after the other."""
_ENDED: Final = ("finished", "interrupted")
"""The states that a session can have whose end has arrived; nothing brings it back."""


def append(session: Session, session_id: UUID, last_digest: Digest, at: dt.datetime) -> None:
    """Append a session, unless it is there."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    if session.scalar(select(LogRow.position).where(LogRow.session_id == session_id)) is None:
        newest = session.scalar(select(func.max(LogRow.position)))
        position = 0 if newest is None else newest + 1
        session.add(
            LogRow(
                position=position, session_id=session_id, last_digest=last_digest, added_at=at
            )
        )


def entry(session: Session, session_id: UUID) -> LogRow | None:
    """Return the entry of a session, where it has ended."""
    return session.scalar(select(LogRow).where(LogRow.session_id == session_id))


def denied(session: Session, session_id: UUID | None = None) -> list[SessionRow]:
    """Return the sessions in the log, or this one, that have not ended by their own row."""
    query = (
        select(SessionRow)
        .join(LogRow, SessionRow.id == LogRow.session_id)
        .where(SessionRow.state.not_in(_ENDED) | SessionRow.last_sequence.is_(None))
        .order_by(LogRow.position)
    )
    if session_id is not None:
        query = query.where(SessionRow.id == session_id)
    return list(session.scalars(query))


def leaves(session: Session, limit: int | None = None) -> list[bytes]:
    """Return the hash of each entry, the first `limit` of them."""
    query = select(LogRow.session_id, LogRow.last_digest).order_by(LogRow.position).limit(limit)
    return [session_leaf(id_, digest) for id_, digest in session.execute(query)]


def roots(session: Session, sizes: set[int]) -> dict[int, bytes]:
    """Return the root that the log had at each of these sizes; none where it is shorter."""
    tree, found = Tree(), dict[int, bytes]()
    if 0 in sizes:
        found[0] = tree.root()
    for leaf in leaves(session, max(sizes, default=0)):
        tree.add(leaf)
        if tree.size in sizes:
            found[tree.size] = tree.root()
    return found


def path_of(session: Session, position: int) -> tuple[tuple[bytes, ...], bytes, int]:
    """Return what proves an entry's place: its path, the root, and the log's size."""
    every = leaves(session)
    tree = Tree()
    for leaf in every:
        tree.add(leaf)
    return inclusion_path(every, position), tree.root(), tree.size


def unfounded(session: Session) -> list[LogRow]:
    """Return the entries whose session, or whose last chunk as it was, is not stored."""
    chunk = (ChunkRow.session_id == LogRow.session_id) & (ChunkRow.digest == LogRow.last_digest)
    query = (
        select(LogRow)
        .outerjoin(SessionRow, SessionRow.id == LogRow.session_id)
        .outerjoin(ChunkRow, chunk)
        .where(SessionRow.id.is_(None) | ChunkRow.session_id.is_(None))
        .order_by(LogRow.position)
    )
    return list(session.scalars(query))


def unlogged(session: Session) -> list[SessionRow]:
    """Return the sessions that ended with signed chunks and are not in the log."""
    query = (
        select(SessionRow)
        .outerjoin(LogRow, SessionRow.id == LogRow.session_id)
        .where(SessionRow.signed, SessionRow.last_sequence.is_not(None))
        .where(LogRow.position.is_(None))
        .order_by(SessionRow.started_at)
    )
    return list(session.scalars(query))
