"""Answers engines about people who log on with their own account.

INVARIANT: who asks is taken from the logon, and what he may do from the database, at each
request: what was taken back a moment ago is refused now.
"""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied, Done, Reply
from bus.errors import BadMessageError
from bus.own_account import (
    ChangePassword,
    ContinueLogon,
    FindSecrets,
    IssueOwnCredential,
    LaunchSecret,
    OfEngine,
    OfUser,
    OpenTerminal,
    OwnCredential,
    PasswordChange,
    TerminalOpened,
    ValidateKey,
    ValidateUser,
    WhoIsOn,
    WithdrawRequest,
    change_info,
    pair_info,
)
from bus.sealed import seal
from control import approvals, credentials, own_secrets
from control.audit import Act
from control.credentials import Gateways
from control.errors import ControlError
from control.grants import Grants
from control.launches import Launches, reachable, unknown
from control.log_in import Origin
from control.logons import Logons
from control.requests import IssueCredential
from control.user_check import UserCheck
from control.vault import Vault
from recorder.ports import Clock
from recorder.session_info import RecordingTerms, TargetProtocol
from storage.database import Database
from storage.tables import SessionRow, UserRow

TERMINAL = "(terminal)"
"""What stands for the secret where somebody is at proxyd's own terminal; no secret is so
named."""
_PAIR_TTL_S = 900


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
        self._database, self._vault = database, vault
        self._clock, self._check = clock, check
        self._logons = Logons(vault)
        self._launches = Launches(grants)
        self._gateways = gateways
        self._handlers: dict[type[OfUser], Callable[[Session, UserRow, Any], Reply]] = {
            OpenTerminal: self._open,
            LaunchSecret: self._launch,
            FindSecrets: own_secrets.find,
            WithdrawRequest: self._withdraw,
            WhoIsOn: own_secrets.who,
            IssueOwnCredential: self._issue,
        }

    @property
    def public(self) -> bytes:
        """X25519; engines seal passwords to it."""
        return self._check.public

    def answer(self, request: OfEngine) -> Reply:
        """Return the answer. Raises `DeniedError`, `SealError` or `BadMessageError`."""
        match request:
            case ValidateUser():
                return self._check.validate(request)
            case ValidateKey():
                return (
                    self._check.signed(request)
                    if request.signed
                    else self._check.offer(request)
                )
            case ContinueLogon():
                return self._check.go_on(request)
            case ChangePassword():
                return self._change_password(request)
            case OfUser():
                return self._answer_user(request)
        raise BadMessageError(f"control does not know {type(request).__name__}")

    def _answer_user(self, request: OfUser) -> Reply:
        handle = self._handlers[type(request)]
        reads = isinstance(request, FindSecrets | WhoIsOn)
        with self._database.read() if reads else self._database.transaction() as session:
            user = self._user(session, request)
            if user is None:
                return Denied(reason=DenialReason.USER_DISABLED)
            return handle(session, user, request)

    def _user(self, session: Session, request: OfUser) -> UserRow | None:
        """Return who asks, while he may; raise `DeniedError` for a logon that is none."""
        logon = self._logons.logon(request.logon, request.engine_id, self._clock.now())
        user = session.scalar(select(UserRow).where(UserRow.name == logon.user))
        return None if user is None or user.disabled else user

    def open(self, sealed: bytes, info: bytes) -> str:
        """Return what an engine sealed to `public`; raise `SealError`."""
        return self._check.open(sealed, info)

    def _open(self, session: Session, user: UserRow, request: OpenTerminal) -> TerminalOpened:
        now = self._clock.now()
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

    def _launch(self, session: Session, user: UserRow, request: LaunchSecret) -> Reply:
        return self._launches.launch(session, user, request, self._clock.now())

    def _issue(self, session: Session, user: UserRow, request: IssueOwnCredential) -> Reply:
        act = Act(user.name, self._clock.now())
        wanted = IssueCredential(
            secret=request.secret, user=user.name, ttl_s=_PAIR_TTL_S, source=None
        )
        secret = reachable(session, user, request.secret)
        if secret is None:
            return Denied(reason=DenialReason.NO_ACCESS, detail=unknown(request.secret))
        if approvals.demands_of(secret):
            detail = f"`{secret.name}` demands a reason each time: launch it"
            return Denied(reason=DenialReason.NOT_APPROVED, detail=detail)
        try:
            pair = credentials.issue(session, self._vault, self._gateways, wanted, act.at)
        except ControlError as error:
            return Denied(reason=DenialReason.NO_ACCESS, detail=str(error))
        act.note(session, "credential.issued", pair.id, f"for {user.name} to {request.secret}")
        info = pair_info(pair.username)
        return OwnCredential(
            username=pair.username,
            host=pair.host,
            port=pair.port,
            protocol=pair.protocol,
            expires_at=pair.expires_at,
            sealed_password=seal(request.seal_to, pair.password.encode(), info),
        )

    def _withdraw(self, session: Session, user: UserRow, request: WithdrawRequest) -> Done:
        act = Act(user.name, self._clock.now())
        try:
            approvals.withdraw(session, request.asked, act, user.name)
        except ControlError:
            # It was decided just now: then there is nothing to take back.
            return Done()
        act.note(session, "access.withdrawn", user.name, f"request {request.asked}")
        return Done()

    def _change_password(self, request: ChangePassword) -> Reply:
        """Give somebody another password; argon2 takes its time outside of a transaction."""
        opened = self._check.open(request.sealed_passwords, change_info(request.logon))
        change = msgspec.json.decode(opened, type=PasswordChange)
        with self._database.read() as session:
            user = self._user(session, request)
        if user is None:
            return Denied(reason=DenialReason.USER_DISABLED)
        origin = Origin(address=request.client_address, by=request.engine_id)
        try:
            self._check.change_password(user.name, change, origin)
        except ControlError as error:
            return Denied(reason=DenialReason.WRONG_PASSWORD, detail=str(error))
        return Done()
