"""The tables of people at targets: their keys, what they have asked for, and may run."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
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
    command: Mapped[str] = mapped_column(default="", server_default="")
    """What alone was asked for, where that is a command; empty: to be let in."""


class CommandRow(Table):
    """What a secret says about a command: a rule of its block list, or an entry of its menu."""

    __tablename__ = "secret_commands"

    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    action: Mapped[str]
    """`alert notice hold end` of a rule; `allow` of an entry."""
    text: Mapped[str]
    """The rule's pattern, or what the entry runs."""


class BecomeRow(Table):
    """Whom a secret's shells become."""

    __tablename__ = "secret_becomes"

    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )
    command: Mapped[str]
    with_secret_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("secrets.id", ondelete="SET NULL")
    )
    """Whose password the command asks for."""


class FileRuleRow(Table):
    """What a secret says about the files that cross."""

    __tablename__ = "secret_file_rules"

    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    verdict: Mapped[str]
    """`allow refuse`."""
    directions: Mapped[str]
    """Comma-separated, of `upload download`."""
    glob: Mapped[str]
