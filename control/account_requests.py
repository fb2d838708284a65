"""Answers engines about people who log on with their own account.

INVARIANT: who asks is taken from the logon, and what he may do from the database, at each
request: what was taken back a moment ago is refused now.
"""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied, Reply
from bus.errors import BadMessageError
from bus.own_account import (
    LaunchSecret,
    OfEngine,
    OpenTerminal,
    TerminalOpened,
    ValidateUser,
)
from control.audit import Act
from control.credentials import Gateways
from control.errors import DeniedError
from control.grants import Grants
from control.launches import Launches
from control.logons import Logons
from control.user_check import UserCheck
from control.vault import Vault
from recorder.ports import Clock
from recorder.session_info import RecordingTerms, TargetProtocol
from storage.database import Database
from storage.tables import SessionRow, UserRow

TERMINAL = "(terminal)"
"""What stands for the secret where somebody is at proxyd's own terminal; no secret is so
named."""


class AccountRequests:
    """Blocking; from any thread."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        check: UserCheck,
        grants: Grants,
        gateways: Gateways,
    ) -> None:
        self._database, self._clock, self._check = database, clock, check
        self._logons = Logons(vault)
        self._launches = Launches(grants)
        self._gateways = gateways

    @property
    def public(self) -> bytes:
        """X25519; engines seal passwords to it."""
        return self._check.public

    def answer(self, request: OfEngine) -> Reply:
        """Return the answer. Raises `DeniedError`, `SealError` or `BadMessageError`."""
        match request:
            case ValidateUser():
                return self._check.validate(request)
            case OpenTerminal():
                return self._open(request)
            case LaunchSecret():
                return self._launch(request)
        raise BadMessageError(f"control does not know {type(request).__name__}")

    def _user(self, session: Session, request: OpenTerminal | LaunchSecret) -> UserRow:
        """Return who asks; raise `DeniedError` for a logon that is none."""
        logon = self._logons.logon(request.logon, request.engine_id, self._clock.now())
        user = session.scalar(select(UserRow).where(UserRow.name == logon.user))
        if user is None:
            raise DeniedError(f"there is no user `{logon.user}` any more")
        return user

    def _open(self, request: OpenTerminal) -> TerminalOpened | Denied:
        now = self._clock.now()
        with self._database.transaction() as session:
            user = self._user(session, request)
            if user.disabled:
                return Denied(reason=DenialReason.USER_DISABLED)
            row = SessionRow(
                id=uuid.uuid4(),
                protocol=TargetProtocol.SSH,
                state="live",
                user=user.name,
                secret=TERMINAL,
                target=self._gateways.host,
                site=request.site,
                engine=request.engine_id,
                client_address=request.client_address,
                credential_id=None,
                started_at=now,
                chunks=0,
                input_bytes=0,
                output_bytes=0,
                chain_broken=False,
            )
            session.add(row)
            Act(user.name, now).note(session, "terminal.opened", str(row.id))
            return TerminalOpened(session_id=row.id, terms=RecordingTerms())

    def _launch(self, request: LaunchSecret) -> Reply:
        with self._database.transaction() as session:
            user = self._user(session, request)
            return self._launches.launch(session, user, request, self._clock.now())
