"""Leads people who log on to an engine by their own name from one proof to the next.

INVARIANT: what is asked next depends on the name alone, and not on whether the proof before
was right; that is told with the last one.
"""

from typing import Final

from msgspec import structs
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied, Done
from bus.own_account import (
    Asks,
    ContinueLogon,
    LogonContinues,
    PasswordChange,
    UserValidated,
    ValidateKey,
    ValidateUser,
    answer_info,
    password_info,
)
from bus.sealed import open_with, public_half
from control import user_keys, users
from control.audit import Act
from control.errors import DeniedError, InvalidError
from control.log_in import Known, LogIn, Origin, Refused
from control.logons import Logon, Logons, Ticket
from control.vault import Vault
from recorder.ports import Clock
from storage.account_tables import PasskeyRow, TOTPRow
from storage.database import Database
from storage.tables import UserRow

_PURPOSE: Final = b"proxyd key for users' passwords v1"
_DECOY: Final = b"proxyd names that are nobody's v1\x00"
_PASSKEY: Final = "A passkey works on the page alone; here, a recovery code does."
_ENROL: Final = "Set up a second factor on the page first."

Answered = UserValidated | LogonContinues | Denied


class UserCheck:
    """Says whether somebody is the user he says he is. Blocking; from any thread."""

    def __init__(
        self,
        log_in: LogIn,
        database: Database,
        vault: Vault,
        clock: Clock,
        *,
        demands_second_factor: bool = False,
    ) -> None:
        self._log_in, self._database, self._vault, self._clock = log_in, database, vault, clock
        self._demands_second_factor = demands_second_factor
        self._logons = Logons(vault)
        # Every control node of one vault has the same key, and no file holds it.
        self._key = vault.mac(_PURPOSE)
        self.public = public_half(self._key)
        """X25519; engines seal passwords to it."""

    def open(self, sealed: bytes, info: bytes) -> str:
        """Return what an engine sealed; raise `SealError`."""
        return open_with(self._key, sealed, info).decode("utf-8", "surrogatepass")

    def validate(self, request: ValidateUser) -> Answered:
        """Judge a password. Raises `SealError`."""
        password = self.open(request.sealed_password, password_info(request.username))
        return self._password(_begun(request, self._clock), password)

    def offer(self, request: ValidateKey) -> Done | Denied:
        """Say whether a key is worth a signature; that decides nothing."""
        with self._database.read() as session:
            found = user_keys.belongs(
                session, request.username, request.public_key, self._clock.now()
            )
        return Done() if found else Denied(reason=DenialReason.UNKNOWN)

    def signed(self, request: ValidateKey) -> Answered:
        """Judge a key that has signed, which the engine has verified."""
        ticket = structs.replace(_begun(request, self._clock), by_key=True)
        with self._database.transaction() as session:
            now = self._clock.now()
            if not user_keys.use(session, request.username, request.public_key, now):
                return self._refused(ticket, DenialReason.UNKNOWN)
            policy = user_keys.policy(session, request.username)
        if policy is user_keys.Policy.BOTH:
            return self._ask(ticket, Asks.PASSWORD)
        return self._proved(ticket)

    def go_on(self, request: ContinueLogon) -> Answered:
        """Judge the answer to what was asked. Raises `DeniedError` or `SealError`."""
        ticket = self._logons.ticket(request.ticket, request.engine_id, self._clock.now())
        answer = self.open(request.sealed_answer, answer_info(request.ticket))
        match Asks(ticket.asks):
            case Asks.PASSWORD:
                return self._password(ticket, answer)
            case Asks.PIN:
                return self._pin(ticket, answer)
            case Asks.NEW_PASSWORD:
                return self._new_password(ticket, answer)

    def change_password(self, user: str, change: PasswordChange, origin: Origin) -> None:
        """Give somebody another password; raise `DeniedError` or `InvalidError`."""
        known = self._log_in.who(user)
        if known is None:
            raise DeniedError(f"there is no user `{user}` any more")
        self._log_in.change_password(known, change.old, change.new, origin)

    # --- one proof after the other

    def _password(self, ticket: Ticket, password: str) -> Answered:
        known = self._log_in.password(ticket.username, password, _origin(ticket))
        wrong = ""
        if isinstance(known, Refused):
            wrong = known.reason
        elif not ticket.by_key and self._policy(known.name) is not user_keys.Policy.EITHER:
            wrong = DenialReason.KEY_DEMANDED
        return self._proved(structs.replace(ticket, wrong=wrong))

    def _proved(self, ticket: Ticket) -> Answered:
        """Go on behind a password or a key, right or wrong."""
        known = self._log_in.who(ticket.username)
        if known is None:
            if self._decoy_has_pin(ticket.username):
                return self._ask(ticket, Asks.PIN)
        elif known.factors.any:
            return self._ask(ticket, Asks.PIN, "" if known.factors.totp else _PASSKEY)
        elif self._demands_second_factor:
            return self._ask(ticket, Asks.PIN, _ENROL)
        return self._complete(ticket, known)

    def _pin(self, ticket: Ticket, code: str) -> Answered:
        known = self._log_in.who(ticket.username)
        if ticket.wrong or known is None:
            return self._refused(ticket, DenialReason.UNKNOWN)
        refused = self._log_in.second_factor(known, code, _origin(ticket))
        if refused:
            return Denied(reason=refused.reason)
        return self._complete(ticket, known)

    def _complete(self, ticket: Ticket, known: Known | None) -> Answered:
        if ticket.wrong or known is None:
            return self._refused(ticket, DenialReason.UNKNOWN)
        if known.must_change_password:
            return self._ask(ticket, Asks.NEW_PASSWORD, "Your password has to be changed.")
        return self._validated(ticket, known)

    def _new_password(self, ticket: Ticket, password: str) -> Answered:
        known = self._log_in.who(ticket.username)
        if known is None:
            return self._refused(ticket, DenialReason.USER_DISABLED)
        with self._database.read() as session:
            stored = users.find(session, known.name).password_hash
        try:
            if users.verifies(stored, password):
                return self._ask(ticket, Asks.NEW_PASSWORD, "This is the old one.")
            self._log_in.set_new_password(known, "", password, _origin(ticket))
        except InvalidError as error:
            return self._ask(ticket, Asks.NEW_PASSWORD, str(error))
        return self._validated(ticket, known)

    # --- inside

    def _policy(self, name: str) -> user_keys.Policy:
        with self._database.read() as session:
            return user_keys.policy(session, name)

    def _ask(self, ticket: Ticket, asks: Asks, detail: str = "") -> LogonContinues:
        written = self._logons.write(structs.replace(ticket, asks=asks))
        return LogonContinues(asks=asks, ticket=written, detail=detail)

    def _refused(self, ticket: Ticket, reason: DenialReason) -> Denied:
        return Denied(reason=DenialReason(ticket.wrong) if ticket.wrong else reason)

    def _validated(self, ticket: Ticket, known: Known) -> UserValidated:
        now = self._clock.now()
        logon = Logon(user=known.name, engine_id=ticket.engine_id, at=now)
        with self._database.transaction() as session:
            way = "by key " if ticket.by_key else ""
            detail = f"{way}{_origin(ticket)}"
            Act(known.name, now).note(session, "user.logged_on", known.name, detail)
        return UserValidated(user=known.name, role=known.role, logon=self._logons.write(logon))

    def _decoy_has_pin(self, name: str) -> bool:
        """Say whether a name that is nobody's is asked for a code: as many are as users are."""
        drawn = self._vault.mac(_DECOY + name.encode("utf-8", "surrogatepass"))
        with self._database.read() as session:
            share = 1.0 if self._demands_second_factor else _share_with_factor(session)
        return int.from_bytes(drawn[:4], "big") < share * 2**32


def _share_with_factor(session: Session) -> float:
    people = session.scalar(select(func.count()).where(UserRow.disabled.is_(False))) or 0
    with_totp = select(TOTPRow.user_id).where(TOTPRow.confirmed_at.is_not(None))
    either = with_totp.union(select(PasskeyRow.user_id)).subquery()
    protected = session.scalar(select(func.count()).select_from(either)) or 0
    return protected / max(1, people)


def _begun(request: ValidateUser | ValidateKey, clock: Clock) -> Ticket:
    return Ticket(
        username=request.username,
        engine_id=request.engine_id,
        client_address=request.client_address,
        at=clock.now(),
        asks=Asks.PASSWORD,
    )


def _origin(ticket: Ticket) -> Origin:
    return Origin(address=ticket.client_address, by=ticket.engine_id)
