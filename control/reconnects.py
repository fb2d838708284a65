"""The grace of a pair that is used up: its client's own automatic reconnect.

A client whose network fails comes back by itself, with the pair that it has. Within the
grace after the connection broke, and from the address it had, the pair opens one session
more. Whoever left by himself, or was ended, does not come back that way; and what was
revoked or has expired opens nothing.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from control import sessions
from control.audit import Act
from storage.tables import CredentialRow, SessionRow


def lose(session: Session, session_id: UUID, now: dt.datetime) -> None:
    """Note that a session's client is gone without a word; raise `NotFoundError`."""
    row = sessions.find(session, session_id)
    session.execute(
        update(CredentialRow)
        .where(CredentialRow.id == row.credential_id)
        .values(lost_at=now, lost_from=row.client_address)
    )


def awaits(
    credential: CredentialRow, client_address: str, now: dt.datetime, grace_s: float
) -> bool:
    """Say whether a pair that is used up is let in once more."""
    lost_at = credential.lost_at
    return (
        lost_at is not None
        and now - lost_at < dt.timedelta(seconds=grace_s)
        and credential.lost_from == client_address
    )


def take(session: Session, credential: CredentialRow, act: Act) -> bool:
    """Use the grace up; False where another login was quicker."""
    detail = f"from {credential.lost_from}: its connection broke at {credential.lost_at}"
    taken = session.execute(
        update(CredentialRow)
        .where(CredentialRow.id == credential.id, CredentialRow.lost_at == credential.lost_at)
        .values(lost_at=None, lost_from=None)
        .returning(CredentialRow.id)
        .execution_options(synchronize_session=False)
    )
    if taken.one_or_none() is None:
        return False
    act.note(session, "credential.reconnected", credential.username, detail)
    return True


def cannot_return(now: dt.datetime, grace_s: float) -> ColumnElement[bool]:
    """Say of credentials that neither a session goes on nor a client is awaited."""
    live = select(SessionRow.id).where(
        SessionRow.state == "live", SessionRow.credential_id == CredentialRow.id
    )
    lost_long_ago = CredentialRow.lost_at <= now - dt.timedelta(seconds=grace_s)
    return and_(~live.exists(), CredentialRow.lost_at.is_(None) | lost_long_ago)
