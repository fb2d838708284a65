"""Launch links: each starts a client on its user's machine, once.

A link is 192 random bits, of which only the SHA-256 is kept: nobody who reads the database
can follow one.

INVARIANT: following a link changes its row from unused to used in one statement, so that of
any number who follow it, at any number of control nodes, one gets in.
"""

import datetime as dt
import hashlib
import secrets as randomness
from typing import Final, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from control import logins
from control.credentials import Gateways, entitled
from control.errors import DeniedError
from control.launch_requests import IssuedLaunchLink, MakeLaunchLink
from control.requests import IssueCredential
from control.rights import Right, may
from recorder.session_info import TargetProtocol
from storage.account_tables import LaunchLinkRow
from storage.tables import SecretRow, UserRow

LASTS: Final = dt.timedelta(seconds=60)
CREDENTIAL_TTL_S: Final = 120.0
"""For starting a terminal, and for who reads the question of his browser slowly."""
_RANDOM_BYTES: Final = 24
_KEPT: Final = dt.timedelta(hours=1)
"""How long a link that is over stays: an answer to who asks why it did not work."""


class Taken(NamedTuple):
    """A link that was good a moment ago and is used up now."""

    site: str | None
    """Whose engines reach it; None: all."""
    wanted: IssueCredential
    """What its user is to be issued, on what he had said when he made it."""


def make(
    session: Session, gateways: Gateways, request: MakeLaunchLink, now: dt.datetime
) -> IssuedLaunchLink:
    """Make a link; the answer alone holds it.

    Raises what `control.credentials.issue` raises, and `DeniedError` where the log-in is over.
    """
    user, secret, _ = entitled(session, gateways, credential(request))
    _check_login(session, user, request.login, now)
    session.execute(delete(LaunchLinkRow).where(LaunchLinkRow.expires_at < now - _KEPT))
    token = randomness.token_urlsafe(_RANDOM_BYTES)
    row = LaunchLinkRow(
        digest=_digest(token),
        user_id=user.id,
        secret_id=secret.id,
        login=request.login,
        comment=request.comment,
        ticket=request.ticket,
        made_at=now,
        expires_at=now + LASTS,
        used_at=None,
    )
    session.add(row)
    return IssuedLaunchLink(
        path=f"/launch/{token}",
        secret=secret.name,
        protocol=TargetProtocol(secret.protocol),
        expires_at=row.expires_at,
    )


def whose(session: Session, token: str) -> tuple[str, str] | None:
    """Return user and secret of a link, be it good or over; None where it is none."""
    query = (
        select(UserRow.name, SecretRow.name)
        .join(LaunchLinkRow, LaunchLinkRow.user_id == UserRow.id)
        .join(SecretRow, SecretRow.id == LaunchLinkRow.secret_id)
        .where(LaunchLinkRow.digest == _digest(token))
    )
    row = session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def take(session: Session, token: str, now: dt.datetime) -> Taken:
    """Use a link up. What it stands for is checked by whoever issues the credential.

    Raises `DeniedError` where it is none, is over or used, or where its user has logged out;
    it is used up then as well, if the caller commits.
    """
    spend = (
        update(LaunchLinkRow)
        .where(
            LaunchLinkRow.digest == _digest(token),
            LaunchLinkRow.used_at.is_(None),
            LaunchLinkRow.expires_at > now,
        )
        .values(used_at=now)
        .returning(LaunchLinkRow)
    )
    row = session.scalars(spend).one_or_none()
    if row is None:
        raise DeniedError("used or expired")
    user = session.get_one(UserRow, row.user_id)
    secret = session.get_one(SecretRow, row.secret_id)
    _check_login(session, user, row.login, now)
    asked = MakeLaunchLink(
        secret=secret.name,
        user=user.name,
        login=row.login,
        comment=row.comment,
        ticket=row.ticket,
    )
    return Taken(secret.site, credential(asked))


def credential(request: MakeLaunchLink) -> IssueCredential:
    """Return what a user issues to himself by following a link."""
    return IssueCredential(
        secret=request.secret,
        user=request.user,
        ttl_s=CREDENTIAL_TTL_S,
        uses=1,
        comment=request.comment,
        ticket=request.ticket,
    )


def _check_login(session: Session, user: UserRow, login: bytes, now: dt.datetime) -> None:
    if not may(user.role, Right.USE_SECRETS):
        raise DeniedError(f"a {user.role} may not {Right.USE_SECRETS}")
    if not logins.stands(session, login, user.id, now):
        raise DeniedError("the log-in is over")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
