"""Groups: users that may reach the same secrets."""

import datetime as dt
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from control import secrets, users
from control.errors import ConflictError, NotFoundError
from control.group_requests import GroupSummary
from storage.group_tables import GroupAccessRow, GroupMemberRow, GroupRow
from storage.tables import SecretRow, UserRow


def find(session: Session, name: str) -> GroupRow:
    """Return the group; raise `NotFoundError`."""
    row = session.scalar(select(GroupRow).where(GroupRow.name == name))
    if row is None:
        raise NotFoundError(f"no group is named `{name}`; `proxyd group list` shows them")
    return row


def add(session: Session, name: str, now: dt.datetime) -> GroupSummary:
    """Make a group; raise `ConflictError`."""
    if session.scalar(select(GroupRow.id).where(GroupRow.name == name)):
        raise ConflictError(f"there is a group named `{name}` already")
    row = GroupRow(id=uuid.uuid4(), name=name, created_at=now)
    session.add(row)
    return summary(session, row)


def members(session: Session, group: GroupRow) -> list[UserRow]:
    """Return who is in it, by name."""
    query = select(UserRow).join(GroupMemberRow, GroupMemberRow.user_id == UserRow.id)
    query = query.where(GroupMemberRow.group_id == group.id).order_by(UserRow.name)
    return list(session.scalars(query))


def secrets_of(session: Session, group: GroupRow) -> list[SecretRow]:
    """Return what it may reach, by name."""
    query = select(SecretRow).join(GroupAccessRow, GroupAccessRow.secret_id == SecretRow.id)
    query = query.where(GroupAccessRow.group_id == group.id).order_by(SecretRow.name)
    return list(session.scalars(query))


def join(session: Session, group: str, user: str, now: dt.datetime) -> None:
    """Put a user into a group; raise `NotFoundError`. Twice is harmless."""
    key = (find(session, group).id, users.find(session, user).id)
    if session.get(GroupMemberRow, key) is None:
        session.add(GroupMemberRow(group_id=key[0], user_id=key[1], joined_at=now))


def leave(session: Session, group: str, user: str) -> None:
    """Take a user out of a group; raise `NotFoundError`."""
    key = (find(session, group).id, users.find(session, user).id)
    row = session.get(GroupMemberRow, key)
    if row is None:
        raise NotFoundError(
            f"user `{user}` is not in group `{group}`; `proxyd group list` shows who is"
        )
    session.delete(row)


def grant(session: Session, group: str, secret: str, now: dt.datetime) -> None:
    """Let a group reach a secret; raise `NotFoundError`. Twice is harmless."""
    key = (find(session, group).id, secrets.find(session, secret).id)
    if session.get(GroupAccessRow, key) is None:
        session.add(GroupAccessRow(group_id=key[0], secret_id=key[1], granted_at=now))


def revoke(session: Session, group: str, secret: str) -> None:
    """Let it reach the secret no more; raise `NotFoundError`."""
    key = (find(session, group).id, secrets.find(session, secret).id)
    row = session.get(GroupAccessRow, key)
    if row is None:
        raise NotFoundError(
            f"group `{group}` has no access to secret `{secret}`; `proxyd group list` shows it"
        )
    session.delete(row)


def list_all(session: Session) -> list[GroupSummary]:
    """Return all groups, by name."""
    rows = session.scalars(select(GroupRow).order_by(GroupRow.name))
    return [summary(session, row) for row in rows]


def summary(session: Session, row: GroupRow) -> GroupSummary:
    """Return a group as lists show it."""
    return GroupSummary(
        name=row.name,
        users=tuple(user.name for user in members(session, row)),
        secrets=tuple(secret.name for secret in secrets_of(session, row)),
        created_at=row.created_at,
    )
