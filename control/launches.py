"""Launches: sessions that people begin with their own account.

INVARIANT: a secret that does not exist and one that somebody may not reach are answered alike.
"""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied, Grant
from bus.own_account import LaunchSecret, LaunchWaits
from control import access, approvals, engines
from control.audit import Act
from control.grants import Admitted, Grants
from recorder.session_info import TargetProtocol
from storage.tables import EngineRow, SecretRow, UserRow


class Launches:
    """Judges and grants them, inside a transaction of the caller."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def launch(
        self, session: Session, user: UserRow, request: LaunchSecret, now: dt.datetime
    ) -> Grant | Denied | LaunchWaits:
        """Return the grant of a new session, what it waits for, or why there is none."""
        act = Act(user.name, now)
        secret = reachable(session, user, request.secret)
        answer: Denied | LaunchWaits | None = _objection(session, user, secret, request)
        if answer is None and secret is not None:
            answer = approvals.objection(session, user, secret, request, now)
            if answer is None:
                _note_reasons(session, act, secret, request)
                return self._grants.grant(session, act, request, Admitted(user, secret))
        if isinstance(answer, LaunchWaits):
            return answer
        denied = answer or Denied(reason=DenialReason.NO_ACCESS)
        subject = "(not a secret)" if secret is None else secret.name
        detail = f"{denied.reason} from {request.client_address} by {request.engine_id}"
        act.note(session, "launch.denied", subject, detail)
        return denied


def reachable(session: Session, user: UserRow, name: str) -> SecretRow | None:
    """Return the secret of that name, if the user may reach it."""
    return session.scalar(
        select(SecretRow).where(access.reaches(user.id, SecretRow.id), SecretRow.name == name)
    )


def engines_of(session: Session, site: str) -> list[str]:
    """Return the engines that serve a site."""
    query = select(EngineRow.id).where(EngineRow.site == site, EngineRow.state == "active")
    return list(session.scalars(query.order_by(EngineRow.id)))


def unknown(name: str) -> str:
    """Say that there is no such secret, or not for whoever asks."""
    return f"there is no secret `{name}` that you may reach; `search` shows those that are"


def _note_reasons(session: Session, act: Act, secret: SecretRow, request: LaunchSecret) -> None:
    reasons = {"comment": request.comment, "ticket": request.ticket}
    if told := "; ".join(f"{name}: {text}" for name, text in reasons.items() if text):
        act.note(session, "launch.explained", secret.name, told)


def _objection(
    session: Session, user: UserRow, secret: SecretRow | None, request: LaunchSecret
) -> Denied | None:
    if secret is None:
        return Denied(reason=DenialReason.NO_ACCESS, detail=unknown(request.secret))
    if not engines.stays_active(session, request.engine_id):
        return Denied(reason=DenialReason.ENGINE_REVOKED)
    if secret.protocol != TargetProtocol.SSH:
        detail = f"`{secret.name}` is reached by {secret.protocol.upper()}: `credential`"
        return Denied(reason=DenialReason.WRONG_PROTOCOL, detail=detail)
    if secret.site not in {None, request.site}:
        where = ", ".join(engines_of(session, secret.site)) or "none at present"
        detail = f"`{secret.name}` is of site {secret.site}; log on to an engine there: {where}"
        return Denied(reason=DenialReason.WRONG_SITE, detail=detail)
    if request.machine not in {"", secret.host}:
        detail = f"`{secret.name}` opens {secret.host} and no other machine"
        return Denied(reason=DenialReason.NO_ACCESS, detail=detail)
    return None
