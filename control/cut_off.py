"""What ends where somebody may reach a secret no more: his credentials, his live sessions."""

import datetime as dt
from collections.abc import Iterable

from sqlalchemy.orm import Session

from control import access, credentials, sessions
from storage.tables import SecretRow, SessionRow, UserRow


def cut_off(
    session: Session, people: Iterable[UserRow], of: Iterable[SecretRow], now: dt.datetime
) -> list[SessionRow]:
    """Revoke the credentials of those who may not reach the secrets; return who is there yet.

    Call it once access was taken away: whoever has it in another way keeps what he has.
    """
    session.flush()
    ending: list[SessionRow] = []
    pairs = [(user, secret) for user in people for secret in of]
    for user, secret in pairs:
        if not access.may_reach(session, user.id, secret.id):
            credentials.revoke_all(session, now, user_id=user.id, secret_id=secret.id)
            ending += sessions.live_of(session, user=user.name, secret=secret.name)
    return ending
