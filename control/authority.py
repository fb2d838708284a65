"""What an engine may say: only what is its own. Decided before anything is done about it.

The bus has verified who asks; what a request claims inside must agree with that. An engine
that was taken over can thus neither redeem for another site nor speak for another's session.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from bus.command_reports import CommandReport, HoldCommand
from bus.contract import (
    ConnectionLost,
    EngineStarted,
    Heartbeat,
    PinHostKey,
    ProveNTLM,
    RedeemCredential,
    Request,
    SessionFailed,
    SessionReady,
)
from bus.own_account import OfEngine
from control import engines, sessions
from control.errors import DeniedError


def check(session: Session, request: Request, asker: str) -> None:
    """Raise `DeniedError` unless `asker` is an active engine and `request` is its own.

    Raises `NotFoundError` for a session that nobody has.
    """
    engine = engines.find_active(session, asker)
    match request:
        case RedeemCredential() | ProveNTLM() | EngineStarted() | Heartbeat() | OfEngine():
            if request.engine_id != asker:
                raise DeniedError(f"{asker} says it is {request.engine_id!r}")
            if request.site != engine.site:
                raise DeniedError(
                    f"{asker} serves site `{engine.site}` and asks for {request.site!r}: set "
                    "`site` in its settings to where it was enrolled, or enrol it afresh"
                )
        case (
            PinHostKey()
            | SessionReady()
            | SessionFailed()
            | ConnectionLost()
            | CommandReport()
            | HoldCommand()
        ):
            _check_own(session, request.session_id, asker)


def _check_own(session: Session, session_id: UUID, asker: str) -> None:
    owner = sessions.find(session, session_id).engine
    if owner != asker:
        raise DeniedError(f"{asker} speaks of session {session_id}, which is {owner}'s")
