"""Users: who they are and whether they may come in."""

import datetime as dt
import uuid

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.names import is_generated
from control import second_factors
from control.errors import ConflictError, InvalidError, NotFoundError
from control.requests import AddUser, UserSummary
from storage.account_tables import PasskeyRow, TOTPRow
from storage.tables import UserRow

ROLES = ("user", "auditor", "admin")
MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_BYTES = 1024

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id at 19 MiB: OWASP's first choice, 20-60 ms a try."""


def find(session: Session, name: str) -> UserRow:
    """Return the user; raise `NotFoundError`."""
    row = session.scalar(select(UserRow).where(UserRow.name == name))
    if row is None:
        raise NotFoundError(f"no user is named `{name}`; `proxyd user list` shows them")
    return row


def hash_password(password: str) -> str:
    """Return the argon2id hash to store; raise `InvalidError` for one too weak.

    Takes tens of milliseconds: call it before a transaction, not inside.
    """
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise InvalidError(
            f"the password has fewer than {MIN_PASSWORD_CHARACTERS} characters: choose a "
            "longer one, a sentence for instance"
        )
    if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
        raise InvalidError(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
    return _hasher.hash(password.encode("utf-8", "surrogatepass"))


def verifies(password_hash: str, password: str) -> bool:
    """Say whether `password` is the one that was hashed."""
    given = password.encode("utf-8", "surrogatepass")
    try:
        # One that is too long is none; it is hashed all the same, for that to take as long.
        _hasher.verify(password_hash, given[: MAX_PASSWORD_BYTES + 1])
    except (VerificationError, InvalidHashError):
        return False
    return len(given) <= MAX_PASSWORD_BYTES


def add(
    session: Session, request: AddUser, password_hash: str, now: dt.datetime
) -> UserSummary:
    """Store a new user; raise `ConflictError` or `InvalidError`."""
    role = _known_role(request.role)
    if is_generated(request.name):
        raise InvalidError(
            f"`{request.name}` has the form of a generated user name, and could not log on to "
            "the SSH gateway: choose another, with a hyphen for instance"
        )
    if session.scalar(select(UserRow.id).where(UserRow.name == request.name)):
        raise ConflictError(
            f"there is a user named `{request.name}` already; `proxyd user list` shows them"
        )
    row = UserRow(
        id=uuid.uuid4(),
        name=request.name,
        role=role,
        password_hash=password_hash,
        must_change_password=request.must_change_password,
        disabled=False,
        created_at=now,
    )
    session.add(row)
    return _summary(row, second_factor=False)


def disable(session: Session, name: str) -> UserRow:
    """Shut a user out; raise `NotFoundError`. Twice is harmless."""
    row = find(session, name)
    row.disabled = True
    return row


def enable(session: Session, name: str) -> UserRow:
    """Let a user in again; raise `NotFoundError`. Twice is harmless."""
    row = find(session, name)
    row.disabled = False
    return row


def set_password(
    session: Session, name: str, password_hash: str, *, must_change: bool
) -> UserRow:
    """Give a user another password; raise `NotFoundError`."""
    row = find(session, name)
    row.password_hash, row.must_change_password = password_hash, must_change
    return row


def set_role(session: Session, name: str, role: str) -> UserRow:
    """Give a user another role; raise `NotFoundError` or `InvalidError`."""
    row = find(session, name)
    row.role = _known_role(role)
    return row


def list_all(session: Session) -> list[UserSummary]:
    """Return all users, by name."""
    confirmed = select(TOTPRow.user_id).where(TOTPRow.confirmed_at.is_not(None))
    with_one = {*session.scalars(confirmed), *session.scalars(select(PasskeyRow.user_id))}
    rows = session.scalars(select(UserRow).order_by(UserRow.name))
    return [_summary(row, second_factor=row.id in with_one) for row in rows]


def summary(session: Session, row: UserRow) -> UserSummary:
    """Return a user without the password's hash."""
    return _summary(row, second_factor=second_factors.state(session, row.id).any)


def _summary(row: UserRow, *, second_factor: bool) -> UserSummary:
    return UserSummary(
        name=row.name,
        role=row.role,
        disabled=row.disabled,
        created_at=row.created_at,
        second_factor=second_factor,
        must_change_password=row.must_change_password,
    )


def _known_role(role: str) -> str:
    if role not in ROLES:
        raise InvalidError(f"there is no role `{role}`: choose {', '.join(ROLES)}")
    return role
