"""Access: which user may reach which secret."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from control import secrets, users
from control.errors import NotFoundError
from control.requests import AccessSummary
from storage.tables import AccessRow, SecretRow, UserRow


def grant(session: Session, user: str, secret: str, now: dt.datetime) -> AccessSummary:
    """Let a user reach a secret; raise `NotFoundError`. Twice is harmless."""
    user_id, secret_id = users.find(session, user).id, secrets.find(session, secret).id
    row = session.get(AccessRow, (user_id, secret_id))
    if row is None:
        row = AccessRow(user_id=user_id, secret_id=secret_id, granted_at=now)
        session.add(row)
    return AccessSummary(user=user, secret=secret, granted_at=row.granted_at)


def revoke(session: Session, user: str, secret: str) -> AccessRow:
    """Let the user reach it no more; raise `NotFoundError`."""
    user_id, secret_id = users.find(session, user).id, secrets.find(session, secret).id
    row = session.get(AccessRow, (user_id, secret_id))
    if row is None:
        raise NotFoundError(
            f"user `{user}` has no access to secret `{secret}`; "
            "`proxyd access list` shows who has"
        )
    session.delete(row)
    return row


def list_all(session: Session) -> list[AccessSummary]:
    """Return who may reach what, by user and secret."""
    query = (
        select(UserRow.name, SecretRow.name, AccessRow.granted_at)
        .join(UserRow, UserRow.id == AccessRow.user_id)
        .join(SecretRow, SecretRow.id == AccessRow.secret_id)
        .order_by(UserRow.name, SecretRow.name)
    )
    return [
        AccessSummary(user=user, secret=secret, granted_at=granted_at)
        for user, secret, granted_at in session.execute(query)
    ]
