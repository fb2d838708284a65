"""The tables of people at the terminal: their keys, and what they have asked for."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Table

_OF_A_USER = "users.id"


class UserKeyRow(Table):
    """A public key that a user logs on to the SSH gateway with; not the key, what names it."""

    __tablename__ = "user_keys"
    __table_args__ = (Index("ix_user_keys_user_id", "user_id", "fingerprint", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(_OF_A_USER))
    fingerprint: Mapped[str]
    """`SHA256:…`, as OpenSSH writes it."""
    kind: Mapped[str]
    name: Mapped[str]
    added_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    used_at: Mapped[dt.datetime | None]


class AccessRequestRow(Table):
    """Somebody asked for what demands another person's approval: a secret, or a recording."""

    __tablename__ = "access_requests"
    __table_args__ = (Index("ix_access_requests_state", "state", "asked_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user: Mapped[str]
    secret: Mapped[str]
    """Both in words: they may be removed."""
    session_id: Mapped[UUID | None]
    """Whose recording; NULL where the secret itself was asked for."""
    state: Mapped[str]
    """`pending approved denied withdrawn expired`."""
    comment: Mapped[str]
    ticket: Mapped[str]
    client_address: Mapped[str]
    asked_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    """Of the question while it is pending, of what was approved afterwards."""
    decided_at: Mapped[dt.datetime | None]
    decided_by: Mapped[str | None]
    decision: Mapped[str]
    """What whoever decided said about it."""
