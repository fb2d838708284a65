"""Public keys that people log on to the SSH gateway with, beside a password or with it."""

import base64
import binascii
import datetime as dt
import enum
import hashlib
import uuid
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from control import users
from control.errors import ConflictError, InvalidError, NotFoundError
from control.user_key_requests import UserKeySummary
from storage.access_tables import UserKeyRow
from storage.tables import UserRow

_TYPES = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa"),
)
_MIN_RSA_BITS = 2048


class Policy(enum.StrEnum):
    """What somebody has to show to log on."""

    EITHER = "either"
    """His password, or one of his keys."""
    BOTH = "both"
    KEY = "key"
    """A key; the password is good for the page alone."""


def add(
    session: Session, user: str, line: str, name: str, now: dt.datetime, ttl_s: float | None
) -> UserKeySummary:
    """Give a user a key; raise `NotFoundError`, `InvalidError` or `ConflictError`."""
    row = users.find(session, user)
    blob = _blob(line)
    fingerprint = fingerprint_of(blob)
    if session.scalar(_of(row.id).where(UserKeyRow.fingerprint == fingerprint)):
        raise ConflictError(f"user `{user}` has this key already: {fingerprint}")
    comment = " ".join(line.split()[2:])
    key = UserKeyRow(
        id=uuid.uuid4(),
        user_id=row.id,
        fingerprint=fingerprint,
        kind=line.split(maxsplit=1)[0],
        name=name or comment or fingerprint,
        added_at=now,
        expires_at=None if ttl_s is None else now + dt.timedelta(seconds=ttl_s),
        used_at=None,
    )
    session.add(key)
    return _summary(user, key)


def list_all(session: Session, user: str) -> list[UserKeySummary]:
    """Return a user's keys, oldest first; raise `NotFoundError`."""
    query = _of(users.find(session, user).id).order_by(UserKeyRow.added_at)
    return [_summary(user, row) for row in session.scalars(query)]


def remove(session: Session, user: str, fingerprint: str) -> None:
    """Take a key away; raise `NotFoundError`."""
    query = _of(users.find(session, user).id).where(UserKeyRow.fingerprint == fingerprint)
    row = session.scalar(query)
    if row is None:
        raise NotFoundError(
            f"user `{user}` has no key {fingerprint}; `proxyd user keys list {user}` shows them"
        )
    session.delete(row)


def set_policy(session: Session, user: str, policy: Policy) -> None:
    """Say what a user has to show; raise `NotFoundError`."""
    users.find(session, user).ssh_login = policy


def policy(session: Session, user: str) -> Policy:
    """Return what somebody has to show; of nobody, as of most."""
    found = session.scalar(select(UserRow.ssh_login).where(UserRow.name == user))
    return Policy(found or Policy.EITHER)


def belongs(session: Session, user: str, line: str, now: dt.datetime) -> bool:
    """Say whether a key is one of a user's who may log on."""
    return _find(session, user, line, now) is not None


def use(session: Session, user: str, line: str, now: dt.datetime) -> bool:
    """As `belongs`, and note when that was."""
    row = _find(session, user, line, now)
    if row is not None:
        row.used_at = now
    return row is not None


def fingerprint_of(blob: bytes) -> str:
    """Return the fingerprint of a public key, as OpenSSH writes it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _find(session: Session, user: str, line: str, now: dt.datetime) -> UserKeyRow | None:
    try:
        fingerprint = fingerprint_of(base64.b64decode(line.split()[1], validate=True))
    except (IndexError, binascii.Error):
        return None
    row = session.scalar(
        select(UserKeyRow)
        .join(UserRow, UserRow.id == UserKeyRow.user_id)
        .where(
            UserRow.name == user,
            UserRow.disabled.is_(False),
            UserKeyRow.fingerprint == fingerprint,
        )
    )
    expired = row is not None and row.expires_at is not None and row.expires_at <= now
    return None if expired else row


def _of(user_id: UUID) -> Select[UserKeyRow]:
    return select(UserKeyRow).where(UserKeyRow.user_id == user_id)


def _blob(line: str) -> bytes:
    """Return the key in a line as OpenSSH writes it; raise `InvalidError`."""
    words = line.split()
    if len(words) < 2 or words[0] not in _TYPES:  # noqa: PLR2004
        raise InvalidError(
            "this is no public key: give one line like `ssh-ed25519 AAAA... alice@laptop`, the "
            "content of a file that ends in .pub"
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
        if not words[0].startswith("sk-"):
            key = load_ssh_public_key(f"{words[0]} {words[1]}".encode())
            if (
                getattr(key, "key_size", _MIN_RSA_BITS) < _MIN_RSA_BITS
                and words[0] == "ssh-rsa"
            ):
                raise InvalidError(f"an RSA key needs {_MIN_RSA_BITS} bits at least")
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidError(f"this public key cannot be read: {error}") from error
    return blob


def _summary(user: str, row: UserKeyRow) -> UserKeySummary:
    return UserKeySummary(
        user=user,
        fingerprint=row.fingerprint,
        kind=row.kind,
        name=row.name,
        added_at=row.added_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
