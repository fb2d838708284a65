"""Checks the passwords of users who log on to an engine by their own name.

INVARIANT: an unknown name costs as much as a wrong password, and is answered the same.
"""

import threading
from typing import Final

from sqlalchemy import select

from bus.contract import DenialReason, Denied
from bus.own_account import UserValidated, ValidateUser, password_info
from bus.sealed import open_with, public_half
from control import users
from control.audit import Act
from control.logons import Logon, Logons
from control.vault import Vault
from recorder.ports import Clock
from storage.database import Database
from storage.tables import UserRow

_PURPOSE: Final = b"proxyd key for users' passwords v1"
_AT_ONCE: Final = 2
"""argon2id takes 19 MiB and tens of milliseconds: strangers must not use up the machine."""


class UserCheck:
    """Says whether somebody is the user he says he is. Blocking; from any thread."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._logons = Logons(vault)
        # Every control node of one vault has the same key, and no file holds it.
        self._key = vault.mac(_PURPOSE)
        self._turns = threading.Semaphore(_AT_ONCE)
        self._dummy_hash = users.hash_password("no user has this password")
        self.public = public_half(self._key)
        """X25519; engines seal passwords to it."""

    def validate(self, request: ValidateUser) -> UserValidated | Denied:
        """Return who it is, or why not. Raises `SealError`."""
        sealed, info = request.sealed_password, password_info(request.username)
        password = self.open(sealed, info).decode("utf-8", "surrogatepass")
        with self._database.read() as session:
            row = session.scalar(select(UserRow).where(UserRow.name == request.username))
        stored = self._dummy_hash if row is None else row.password_hash
        verdict = _verdict(row, matches=self.matches(stored, password))
        if row is not None and verdict is None:
            return self._validated(request, row)
        reason = verdict or DenialReason.UNKNOWN
        self._note(request, row, reason)
        return Denied(reason=reason)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what an engine sealed; raise `SealError`."""
        return open_with(self._key, sealed, info)

    def matches(self, password_hash: str, password: str) -> bool:
        """Say whether it is the password; waits for its turn."""
        with self._turns:
            return users.verifies(password_hash, password)

    def _validated(self, request: ValidateUser, row: UserRow) -> UserValidated:
        now = self._clock.now()
        logon = Logon(user=row.name, engine_id=request.engine_id, at=now)
        with self._database.transaction() as session:
            detail = f"from {request.client_address} by {request.engine_id}"
            Act(row.name, now).note(session, "user.logged_on", row.name, detail)
        return UserValidated(user=row.name, role=row.role, logon=self._logons.write(logon))

    def _note(self, request: ValidateUser, row: UserRow | None, reason: DenialReason) -> None:
        # Who mistypes puts a password where the name belongs.
        subject = "(not a user)" if row is None else row.name
        who = "stranger" if row is None else row.name
        with self._database.transaction() as session:
            act = Act(who, self._clock.now())
            detail = f"{reason} from {request.client_address} by {request.engine_id}"
            act.note(session, "user.denied", subject, detail)


def _verdict(row: UserRow | None, *, matches: bool) -> DenialReason | None:
    if row is None:
        return DenialReason.UNKNOWN
    if not matches:
        return DenialReason.WRONG_PASSWORD
    return DenialReason.USER_DISABLED if row.disabled else None
