"""How people prove who they are: password, second factor, new password.

The page and the engines ask here, so that a try on one counts on the other.

INVARIANT: an unknown name costs as much as a wrong password, and is answered the same.
INVARIANT: only who knows the password gets to try second factors, so that nobody else can
make a user wait for his.
"""

import functools
import ipaddress
import threading
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import DenialReason
from control import second_factors, users
from control.audit import Act
from control.directory import Directory
from control.errors import DeniedError, InvalidError
from control.second_factors import FactorState
from control.throttle import Throttle
from control.vault import Vault
from recorder.ports import Clock
from storage.database import Database
from storage.tables import UserRow

_AT_ONCE: Final = 2
"""argon2id takes 19 MiB and tens of milliseconds: strangers must not use up the machine."""
_PATIENCE_S: Final = 5.0
"""How long one waits for his turn to have a password checked."""
_NAME: Final = b"proxyd name that was tried v1\x00"
_V6_NETWORK_BITS: Final = 64
"""One customer has that many addresses."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where somebody tries to log in."""

    address: str
    """Of the client: `192.0.2.1` or `2001:db8::1`, without a port."""
    by: str
    """What he talks to: `page`, an engine's id."""

    @property
    def network(self) -> str:
        """What its tries are counted for: the address, or the network of an IPv6 one."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _V6_NETWORK_BITS), strict=False))

    def __str__(self) -> str:
        return f"from {self.address} by {self.by}"


class Known(Struct, frozen=True, kw_only=True):
    """Who it is, and what is still to come before he may do anything."""

    id: UUID
    name: str
    role: str
    factors: FactorState
    must_change_password: bool

    @property
    def awaits_second_factor(self) -> bool:
        """Whether the password alone does not let him in."""
        return self.factors.any


class Refused(Struct, frozen=True, kw_only=True):
    """He may not come in. The reason is for operators; he sees one text for all."""

    reason: DenialReason
    wait_s: float = 0.0
    """With `LOCKED_OUT`: the try was not looked at, and how long none will be."""


class LogIn:
    """Says who somebody is. Blocking; may be used from any thread."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        directory: Directory | None = None,
    ) -> None:
        self._directory = directory
        self._database, self._vault, self._clock = database, vault, clock
        self._turns = threading.Semaphore(_AT_ONCE)
        self._dummy_hash = _hash_of_nobody()
        self._passwords = Throttle()
        self._codes = Throttle()

    def password(self, name: str, password: str, origin: Origin) -> Known | Refused:
        """Return who it is, so far as a password tells, or why he may not come in."""
        now, pair = self._clock.now(), self._pair(name, origin)
        if wait_s := self._passwords.wait_s(pair, now):
            return Refused(reason=DenialReason.LOCKED_OUT, wait_s=wait_s)
        with self._database.read() as session:
            row = session.scalar(select(UserRow).where(UserRow.name == name))
            person = None if row is None else known(session, row)
        stored = self._dummy_hash if row is None else row.password_hash
        if not self._turns.acquire(timeout=_PATIENCE_S):
            return Refused(reason=DenialReason.LOCKED_OUT, wait_s=_PATIENCE_S)
        try:
            matches = users.verifies(stored, password)
        finally:
            self._turns.release()
        if (
            not matches
            and self._directory is not None
            and self._directory.verifies(name, password)
        ):
            # Whatever was set here is not what he came in with.
            person = person and replace(person, must_change_password=False)
            matches = True
        verdict = _verdict(row, matches=matches)
        if person is not None and verdict is None:
            self._passwords.succeeded(pair)
            return person
        reason = verdict or DenialReason.UNKNOWN
        self._passwords.failed(pair, now)
        self._note("user.denied", None if row is None else row.name, f"{reason} {origin}")
        return Refused(reason=reason)

    def second_factor(self, person: Known, code: str, origin: Origin) -> Refused | None:
        """Take a one-time code or a recovery code; return why not, or None. It is spent."""
        now = self._clock.now()
        if wait_s := self._codes.wait_s(person.id, now):
            return Refused(reason=DenialReason.LOCKED_OUT, wait_s=wait_s)
        with self._database.transaction() as session:
            if second_factors.verify(session, self._vault, person.id, code, now):
                self._codes.succeeded(person.id)
                return None
        self._codes.failed(person.id, now)
        reason = DenialReason.WRONG_SECOND_FACTOR
        self._note("user.denied", person.name, f"{reason} {origin}")
        return Refused(reason=reason)

    def change_password(self, person: Known, old: str, new: str, origin: Origin) -> None:
        """Give him another password; raise `DeniedError` or `InvalidError`."""
        checked = self.password(person.name, old, origin)
        if isinstance(checked, Refused):
            raise DeniedError("the old password is not right: nothing was changed")
        self.set_new_password(person, old, new, origin)

    def set_new_password(self, person: Known, old: str, new: str, origin: Origin) -> None:
        """As `change_password`, for who has just shown that he knows the old one."""
        if new == old:
            raise InvalidError("the new password is the old one: choose another")
        password_hash = users.hash_password(new)
        with self._database.transaction() as session:
            users.set_password(session, person.name, password_hash, must_change=False)
            act = Act(person.name, self._clock.now())
            act.note(session, "user.password_changed", person.name, str(origin))

    def who(self, name: str) -> Known | None:
        """Return the user, unless he is disabled or there is none."""
        with self._database.read() as session:
            row = session.scalar(select(UserRow).where(UserRow.name == name))
            return None if row is None or row.disabled else known(session, row)

    def _pair(self, name: str, origin: Origin) -> tuple[str, bytes]:
        # Who mistypes puts a password where the name belongs: it is not to stay in memory.
        typed = name.encode("utf-8", "surrogatepass")
        return origin.network, self._vault.mac(_NAME + typed)

    def _note(self, action: str, name: str | None, detail: str) -> None:
        with self._database.transaction() as session:
            act = Act(name or "stranger", self._clock.now())
            act.note(session, action, name or "(not a user)", detail)


@functools.cache
def _hash_of_nobody() -> str:
    """Return what passwords under unknown names meet; made before anybody tries one."""
    return users.hash_password("no user has this password")


def known(session: Session, row: UserRow) -> Known:
    """Return who a row is of."""
    return Known(
        id=row.id,
        name=row.name,
        role=row.role,
        factors=second_factors.state(session, row.id),
        must_change_password=row.must_change_password,
    )


def _verdict(row: UserRow | None, *, matches: bool) -> DenialReason | None:
    if row is None:
        return DenialReason.UNKNOWN
    if not matches:
        return DenialReason.WRONG_PASSWORD
    return DenialReason.USER_DISABLED if row.disabled else None
