"""Access: which user may reach which secret, by himself or because he is in a group."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ColumnElement, null, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from control import secrets, users
from control.errors import NotFoundError
from control.requests import AccessSummary
from storage.group_tables import GroupAccessRow, GroupMemberRow, GroupRow
from storage.tables import AccessRow, SecretRow, UserRow

_Id = UUID | InstrumentedAttribute[UUID]


def reaches(user_id: _Id, secret_id: _Id) -> ColumnElement[bool]:
    """Say in a query whether a user may reach a secret. Every query about access asks this."""
    alone = select(AccessRow.user_id).where(
        AccessRow.user_id == user_id, AccessRow.secret_id == secret_id
    )
    together = (
        select(GroupMemberRow.user_id)
        .join(GroupAccessRow, GroupAccessRow.group_id == GroupMemberRow.group_id)
        .where(GroupMemberRow.user_id == user_id, GroupAccessRow.secret_id == secret_id)
    )
    return or_(alone.exists(), together.exists())


def may_reach(session: Session, user_id: UUID, secret_id: UUID) -> bool:
    """Say whether a user may reach a secret."""
    return bool(session.scalar(select(reaches(user_id, secret_id))))


def grant(session: Session, user: str, secret: str, now: dt.datetime) -> AccessSummary:
    """Let a user reach a secret; raise `NotFoundError`. Twice is harmless."""
    user_id, secret_id = users.find(session, user).id, secrets.find(session, secret).id
    row = session.get(AccessRow, (user_id, secret_id))
    if row is None:
        row = AccessRow(user_id=user_id, secret_id=secret_id, granted_at=now)
        session.add(row)
    return AccessSummary(user=user, secret=secret, granted_at=row.granted_at)


def revoke(session: Session, user: str, secret: str) -> None:
    """Take back what was granted to the user himself; raise `NotFoundError`."""
    user_id, secret_id = users.find(session, user).id, secrets.find(session, secret).id
    row = session.get(AccessRow, (user_id, secret_id))
    if row is None:
        raise NotFoundError(
            f"user `{user}` has no access to secret `{secret}` of his own; "
            "`proxyd access list` shows who has, and by which group"
        )
    session.delete(row)


def list_all(session: Session) -> list[AccessSummary]:
    """Return who may reach what, by user and secret, what is his own before his groups'."""
    alone = (
        select(UserRow.name, SecretRow.name, AccessRow.granted_at, null())
        .join(UserRow, UserRow.id == AccessRow.user_id)
        .join(SecretRow, SecretRow.id == AccessRow.secret_id)
    )
    together = (
        select(UserRow.name, SecretRow.name, GroupAccessRow.granted_at, GroupRow.name)
        .join(GroupMemberRow, GroupMemberRow.user_id == UserRow.id)
        .join(GroupRow, GroupRow.id == GroupMemberRow.group_id)
        .join(GroupAccessRow, GroupAccessRow.group_id == GroupRow.id)
        .join(SecretRow, SecretRow.id == GroupAccessRow.secret_id)
    )
    listed = [
        AccessSummary(user=user, secret=secret, granted_at=at, group=group)
        for query in (alone, together)
        for user, secret, at, group in session.execute(query)
    ]
    return sorted(listed, key=lambda one: (one.user, one.secret, one.group or ""))
