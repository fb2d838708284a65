"""The public keys of nodes, from when to when each counts.

A node is an engine's id, `control` or `storage`. A key is never removed: what it signed
while it counted is verified with it for as long as there are recordings.
"""

import datetime as dt
import enum
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from control.errors import ConflictError
from storage.tables import NodeKeyRow

CONTROL = "control"
STORAGE = "storage"
OVERLAP: Final = dt.timedelta(days=30)
"""How long what a replaced key signed may wait in a spool and still be stored."""


class Purpose(enum.StrEnum):
    """What a key is for."""

    SIGNING = "signing"
    SEALING = "sealing"
    RECORDING = "recording"


def add(
    session: Session, node: str, purpose: Purpose, public_key: bytes, now: dt.datetime
) -> bool:
    """Let a key count from now on; say whether it is new.

    Raises `ConflictError` where it is another node's, or counted once and no more.
    """
    row = session.get(NodeKeyRow, public_key)
    if row is None:
        session.add(
            NodeKeyRow(public_key=public_key, node=node, purpose=purpose, valid_from=now)
        )
        return True
    if (row.node, row.purpose) != (node, purpose) or row.valid_until is not None:
        raise ConflictError(
            f"this key of {node} was {row.node}'s before, or has been replaced: make another"
        )
    return False


def end(session: Session, node: str, at: dt.datetime, *, but: bytes | None = None) -> None:
    """Let the keys of a node count until `at` and no longer, all `but` the one that follows."""
    query = update(NodeKeyRow).where(NodeKeyRow.node == node, NodeKeyRow.valid_until.is_(None))
    if but is not None:
        query = query.where(NodeKeyRow.public_key != but, NodeKeyRow.purpose == Purpose.SIGNING)
    session.execute(query.values(valid_until=at))


def current(
    session: Session, node: str, purpose: Purpose, now: dt.datetime
) -> tuple[bytes, ...]:
    """Return the keys that count now, the oldest first."""
    query = (
        select(NodeKeyRow)
        .where(NodeKeyRow.node == node, NodeKeyRow.purpose == purpose)
        .order_by(NodeKeyRow.valid_from, NodeKeyRow.public_key)
    )
    return tuple(row.public_key for row in session.scalars(query) if counts(row, now))


def counts(row: NodeKeyRow, at: dt.datetime) -> bool:
    """Say whether a key counted `at` a moment."""
    return row.valid_from <= at and (row.valid_until is None or at < row.valid_until)
