"""Users: who they are and whether they may come in."""

import datetime as dt
import uuid

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.errors import ConflictError, InvalidError, NotFoundError
from control.requests import AddUser, UserSummary
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
    try:
        return _hasher.verify(password_hash, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def add(
    session: Session, request: AddUser, password_hash: str, now: dt.datetime
) -> UserSummary:
    """Store a new user; raise `ConflictError` or `InvalidError`."""
    if request.role not in ROLES:
        raise InvalidError(f"there is no role `{request.role}`: choose {', '.join(ROLES)}")
    if session.scalar(select(UserRow.id).where(UserRow.name == request.name)):
        raise ConflictError(
            f"there is a user named `{request.name}` already; `proxyd user list` shows them"
        )
    row = UserRow(
        id=uuid.uuid4(),
        name=request.name,
        role=request.role,
        password_hash=password_hash,
        disabled=False,
        created_at=now,
    )
    session.add(row)
    return summary(row)


def disable(session: Session, name: str) -> UserRow:
    """Shut a user out; raise `NotFoundError`. Twice is harmless."""
    row = find(session, name)
    row.disabled = True
    return row


def list_all(session: Session) -> list[UserSummary]:
    """Return all users, by name."""
    return [summary(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]


def summary(row: UserRow) -> UserSummary:
    """Return a user without the password's hash."""
    return UserSummary(
        name=row.name, role=row.role, disabled=row.disabled, created_at=row.created_at
    )
