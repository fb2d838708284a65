"""The tables of what is deleted when: rules, and what is left of deleted recordings."""

import datetime as dt
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Table


class RetentionRow(Table):
    """How long recordings of a secret, of a site or by default are kept."""

    __tablename__ = "retention_rules"

    scope: Mapped[str] = mapped_column(String(8), primary_key=True)
    """`default site secret`."""
    name: Mapped[str] = mapped_column(primary_key=True)
    """Empty for the default."""
    days: Mapped[int | None]
    """None: for ever."""


class TombstoneRow(Table):
    """What is left of a deleted recording, beside its session and its chunks' digests."""

    __tablename__ = "tombstones"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    deleted_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]
    """None while there is something left to delete."""
    who: Mapped[str]
    reason: Mapped[str]
    chunks: Mapped[int]
    size_bytes: Mapped[int]
    root: Mapped[bytes]
    """SHA-256 of the chunks' digests, one behind the other."""
