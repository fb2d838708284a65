"""Who is logged in: the browsers, and the tokens for the API.

What is presented is 256 random bits; only its SHA-256 is kept, which nobody turns back.
"""

import datetime as dt
import hashlib
import secrets
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from control import users
from control.account_requests import CreateToken, IssuedToken, TokenSummary
from control.errors import NotFoundError
from control.log_in import Known, known
from storage.account_tables import LoginRow, TokenRow
from storage.tables import UserRow

IDLE_LIMIT: Final = dt.timedelta(minutes=30)
LONGEST: Final = dt.timedelta(hours=12)
PROVED_FOR: Final = dt.timedelta(minutes=15)
"""How long who has proved himself may look into recordings without doing so again."""
TOKEN_PREFIX: Final = "proxyd_"  # noqa: S105 - what tokens begin with, for those who look for leaks
_RANDOM_BYTES: Final = 32
_NOTED_EVERY: Final = dt.timedelta(minutes=1)


class LoggedIn(Struct, frozen=True, kw_only=True):
    """Somebody whose cookie or token was good."""

    known: Known
    digest: bytes
    """Names the log-in; not what was presented."""
    by_token: bool
    second_factor_given: bool
    proved_at: dt.datetime

    @property
    def needs_second_factor(self) -> bool:
        """Whether he has given his password only, and has more to give."""
        return self.known.factors.any and not self.second_factor_given


def begin(
    session: Session, user_id: UUID, address: str, now: dt.datetime, *, second_factor: bool
) -> str:
    """Return what the browser shall present from now on."""
    presented = secrets.token_urlsafe(_RANDOM_BYTES)
    row = LoginRow(
        digest=_digest(presented),
        user_id=user_id,
        began_at=now,
        seen_at=now,
        second_factor_at=now if second_factor else None,
        proved_at=now,
        address=address,
    )
    session.add(row)
    _forget_old(session, now)
    return presented


def find(session: Session, presented: str, now: dt.datetime) -> LoggedIn | None:
    """Return who a cookie stands for, if it still does."""
    row = session.get(LoginRow, _digest(presented))
    if row is None or _is_over(row, now):
        return None
    user = session.get(UserRow, row.user_id)
    if user is None or user.disabled:
        return None
    return LoggedIn(
        known=known(session, user),
        digest=row.digest,
        by_token=False,
        second_factor_given=row.second_factor_at is not None,
        proved_at=row.proved_at,
    )


def stands(session: Session, digest: bytes, user_id: UUID, now: dt.datetime) -> bool:
    """Say whether the log-in or the token of this digest is that user's, and still good."""
    row = session.get(LoginRow, digest)
    if row is not None:
        return row.user_id == user_id and not _is_over(row, now)
    token = session.scalar(select(TokenRow).where(TokenRow.digest == digest))
    return (
        token is not None and token.user_id == user_id and _token_state(token, now) == "valid"
    )


def is_stale(session: Session, digest: bytes, now: dt.datetime) -> bool:
    """Say whether `touch` is due."""
    row = session.get(LoginRow, digest)
    return row is not None and now - row.seen_at > _NOTED_EVERY


def touch(session: Session, digest: bytes, now: dt.datetime) -> None:
    """Note that the browser was there."""
    row = session.get(LoginRow, digest)
    if row is not None:
        row.seen_at = now


def prove(session: Session, digest: bytes, now: dt.datetime, *, second_factor: bool) -> None:
    """Note that the user has just proved who he is."""
    row = session.get(LoginRow, digest)
    if row is not None:
        row.proved_at = row.seen_at = now
        if second_factor:
            row.second_factor_at = now


def end(session: Session, digest: bytes) -> None:
    """Log a browser out."""
    session.execute(delete(LoginRow).where(LoginRow.digest == digest))


def end_all(session: Session, user_id: UUID, *, but: bytes = b"") -> None:
    """Log a user out of every browser `but` one."""
    session.execute(delete(LoginRow).where(LoginRow.user_id == user_id, LoginRow.digest != but))


def create_token(session: Session, request: CreateToken, now: dt.datetime) -> IssuedToken:
    """Make a token; raise `NotFoundError`."""
    user = users.find(session, request.user)
    token = TOKEN_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    expires_at = None if request.ttl_s is None else now + dt.timedelta(seconds=request.ttl_s)
    row = TokenRow(
        id=secrets.token_hex(8),
        digest=_digest(token),
        user_id=user.id,
        name=request.name,
        created_at=now,
        expires_at=expires_at,
        used_at=None,
        revoked_at=None,
    )
    session.add(row)
    return IssuedToken(
        id=row.id, token=token, name=row.name, user=user.name, expires_at=expires_at
    )


def find_token(session: Session, token: str, now: dt.datetime) -> LoggedIn | None:
    """Return who a bearer token stands for, if it still does."""
    row = session.scalar(select(TokenRow).where(TokenRow.digest == _digest(token)))
    if row is None or _token_state(row, now) != "valid":
        return None
    user = session.get(UserRow, row.user_id)
    if user is None or user.disabled:
        return None
    return LoggedIn(
        known=known(session, user),
        digest=row.digest,
        by_token=True,
        # Whoever made it had given his.
        second_factor_given=True,
        proved_at=now,
    )


def touch_token(session: Session, digest: bytes, now: dt.datetime) -> None:
    """Note that a token was used, once a minute at most."""
    row = session.scalar(select(TokenRow).where(TokenRow.digest == digest))
    if row is not None and (row.used_at is None or now - row.used_at > _NOTED_EVERY):
        row.used_at = now


def token_is_stale(session: Session, digest: bytes, now: dt.datetime) -> bool:
    """Say whether `touch_token` is due."""
    used_at = session.scalar(select(TokenRow.used_at).where(TokenRow.digest == digest))
    return used_at is None or now - used_at > _NOTED_EVERY


def list_tokens(session: Session, user: str | None, now: dt.datetime) -> list[TokenSummary]:
    """Return tokens, newest first; raise `NotFoundError`."""
    query = (
        select(TokenRow, UserRow.name)
        .join(UserRow, UserRow.id == TokenRow.user_id)
        .order_by(TokenRow.created_at.desc(), TokenRow.id)
    )
    if user is not None:
        query = query.where(TokenRow.user_id == users.find(session, user).id)
    return [
        TokenSummary(
            id=row.id,
            user=name,
            name=row.name,
            state=_token_state(row, now),
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
        )
        for row, name in session.execute(query)
    ]


def revoke_token(session: Session, token_id: str, user: str | None, now: dt.datetime) -> str:
    """Take a token back and return its name; raise `NotFoundError`. Twice is harmless."""
    row = session.get(TokenRow, token_id)
    is_his = row is not None and (user is None or users.find(session, user).id == row.user_id)
    if row is None or not is_his:
        raise NotFoundError(f"there is no token {token_id}; the list of tokens shows them")
    row.revoked_at = row.revoked_at or now
    return row.name


def _token_state(row: TokenRow, now: dt.datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"


def _is_over(row: LoginRow, now: dt.datetime) -> bool:
    return now - row.seen_at > IDLE_LIMIT or now - row.began_at > LONGEST


def _forget_old(session: Session, now: dt.datetime) -> None:
    session.execute(
        delete(LoginRow).where(
            (LoginRow.seen_at < now - IDLE_LIMIT) | (LoginRow.began_at < now - LONGEST)
        )
    )


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
