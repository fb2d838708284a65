"""The tables of groups: who is in one, and which secrets all of them may reach."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Table

_OF_A_GROUP = "groups.id"


class GroupRow(Table):
    """Some users that may reach the same."""

    __tablename__ = "groups"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[dt.datetime]


class GroupMemberRow(Table):
    """A user is in a group."""

    __tablename__ = "group_members"
    __table_args__ = (Index("ix_group_members_user_id", "user_id"),)

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey(_OF_A_GROUP, ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    joined_at: Mapped[dt.datetime]


class GroupAccessRow(Table):
    """Whoever is in a group may reach a secret."""

    __tablename__ = "group_access"

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey(_OF_A_GROUP, ondelete="CASCADE"), primary_key=True
    )
    secret_id: Mapped[UUID] = mapped_column(
        ForeignKey("secrets.id", ondelete="CASCADE"), primary_key=True
    )
    granted_at: Mapped[dt.datetime]
