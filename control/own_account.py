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
    FindSecrets,
    IssueOwnCredential,
    LaunchSecret,
    OfEngine,
    OfUser,
    OpenTerminal,
    OwnCredential,
    PasswordChange,
    TerminalOpened,
    ValidateUser,
    WhoIsOn,
    change_info,
    pair_info,
)
from bus.sealed import seal
from control import credentials, own_secrets, users
from control.audit import Act
from control.credentials import Gateways
from control.errors import ControlError, InvalidError
from control.grants import Grants
from control.launches import Launches
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
        try:
            if not own_secrets.may_use(session, user, request.secret):
                raise InvalidError(f"there is no secret `{request.secret}` that you may reach")
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

    def _change_password(self, request: ChangePassword) -> Reply:
        """Give somebody another password; argon2 takes its time outside of a transaction."""
        opened = self._check.open(request.sealed_passwords, change_info(request.logon))
        change = msgspec.json.decode(opened, type=PasswordChange)
        with self._database.read() as session:
            user = self._user(session, request)
            stored = "" if user is None else user.password_hash
        if user is None or not self._check.matches(stored, change.old):
            detail = "the old password is not right; nothing was changed"
            return Denied(reason=DenialReason.WRONG_PASSWORD, detail=detail)
        try:
            hashed = users.hash_password(change.new)
        except InvalidError as error:
            return Denied(reason=DenialReason.WRONG_PASSWORD, detail=str(error))
        act = Act(user.name, self._clock.now())
        with self._database.transaction() as session:
            users.find(session, user.name).password_hash = hashed
            act.note(session, "user.password_changed", user.name)
        return Done()
