"""What a secret may demand before it is launched: a reason, a ticket, another person's word.

INVARIANT: nobody approves what he has asked for himself.
"""

import datetime as dt
import uuid
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import DenialReason, Denied
from bus.own_account import LaunchSecret, LaunchWaits
from control import secrets, users
from control.approval_requests import AccessRequestSummary
from control.audit import Act
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from storage.access_tables import AccessRequestRow
from storage.tables import AccessRow, SecretRow, UserRow

DEMANDS: Final = ("comment", "ticket", "approval")
ASKED_FOR: Final = dt.timedelta(hours=1)
"""How long a question stands."""
APPROVED_FOR: Final = dt.timedelta(hours=1)
_LISTED: Final = 1000


def demands_of(secret: SecretRow) -> tuple[str, ...]:
    """Return what a secret demands."""
    return tuple(filter(None, secret.demands.split(",")))


def set_demands(session: Session, secret: str, demands: tuple[str, ...]) -> None:
    """Let a secret demand these; raise `NotFoundError` or `InvalidError`."""
    if unknown := set(demands) - set(DEMANDS):
        raise InvalidError(
            f"a secret cannot demand {min(unknown)}: choose {', '.join(DEMANDS)}"
        )
    wanted = [each for each in DEMANDS if each in demands]
    secrets.find(session, secret).demands = ",".join(wanted)


def check_pair(session: Session, who: str, user: str, secret: str) -> None:
    """Raise `DeniedError` where `who` gives himself a pair that nobody would ask about.

    Another person who issues one has given his word by that.
    """
    demands = demands_of(secrets.find(session, secret))
    if demands and who == user:
        raise DeniedError(
            f"`{secret}` demands {' and '.join(demands)} each time: launch it at the SSH "
            "terminal, which asks for that"
        )


def objection(
    session: Session, user: UserRow, secret: SecretRow, request: LaunchSecret, now: dt.datetime
) -> Denied | LaunchWaits | None:
    """Return what a launch still lacks; None where nothing speaks against it."""
    demands = demands_of(secret)
    given = {"comment": request.comment.strip(), "ticket": request.ticket.strip()}
    lacks = tuple(each for each, told in given.items() if each in demands and not told)
    standing = _standing(session, user, secret, now) if "approval" in demands else None
    if standing is not None and standing.state == "approved":
        return None
    if lacks:
        return LaunchWaits(lacks=lacks)
    if "approval" not in demands:
        return None
    if request.asked is not None and (denied := _decided(session, user, request.asked)):
        return denied
    row = standing or _ask(session, user, secret, request, now)
    return LaunchWaits(asked=row.id)


def request(
    session: Session, user: str, secret: str, comment: str, ticket: str, now: dt.datetime
) -> AccessRequestSummary:
    """Ask for a user; raise `NotFoundError`, `DeniedError` or `ConflictError`."""
    person, wanted = users.find(session, user), secrets.find(session, secret)
    if session.get(AccessRow, (person.id, wanted.id)) is None:
        raise DeniedError(f"user `{user}` has no access to `{secret}`: grant it instead")
    if _standing(session, person, wanted, now):
        raise ConflictError(f"user `{user}` has asked for `{secret}` already")
    row = _new(person.name, wanted.name, comment, ticket, "", now)
    session.add(row)
    return summary(row, now)


def decide(
    session: Session,
    request_id: UUID,
    act: Act,
    decision: str,
    *,
    approved_for: dt.timedelta | None,
) -> AccessRequestRow:
    """Approve for so long, or deny; raise `NotFoundError`, `ConflictError` or `DeniedError`."""
    row = find(session, request_id)
    if state_of(row, act.at) != "pending":
        raise ConflictError(f"request {request_id} is {state_of(row, act.at)} already")
    if row.user == act.who:
        raise DeniedError("nobody decides about what he has asked for himself")
    row.state = "denied" if approved_for is None else "approved"
    row.decided_at, row.decided_by, row.decision = act.at, act.who, decision
    if approved_for is not None:
        row.expires_at = act.at + approved_for
    return row


def withdraw(session: Session, request_id: UUID, act: Act, user: str | None = None) -> bool:
    """Take back a question or its approval; say whether it was approved.

    Raises `NotFoundError`, also where it is not `user`'s, and `ConflictError`.
    """
    row = find(session, request_id)
    if user not in {None, row.user}:
        raise NotFoundError(f"no request has the id {request_id}")
    state = state_of(row, act.at)
    if state not in {"pending", "approved"}:
        raise ConflictError(f"request {request_id} is {state} already")
    row.state, row.decided_at, row.decided_by = "withdrawn", act.at, act.who
    return state == "approved"


def find(session: Session, request_id: UUID) -> AccessRequestRow:
    """Return the request; raise `NotFoundError`."""
    row = session.get(AccessRequestRow, request_id)
    if row is None:
        raise NotFoundError(
            f"no request has the id {request_id}; `proxyd access requests` shows them"
        )
    return row


def list_all(
    session: Session, now: dt.datetime, *, pending: bool
) -> list[AccessRequestSummary]:
    """Return requests, newest first."""
    query = select(AccessRequestRow).order_by(AccessRequestRow.asked_at.desc()).limit(_LISTED)
    if pending:
        query = query.where(
            AccessRequestRow.state == "pending", AccessRequestRow.expires_at > now
        )
    return [summary(row, now) for row in session.scalars(query)]


def state_of(row: AccessRequestRow, now: dt.datetime) -> str:
    """Return how a request stands: what nobody decided, or was approved, is over in time."""
    over = row.state in {"pending", "approved"} and row.expires_at <= now
    return "expired" if over else row.state


def summary(row: AccessRequestRow, now: dt.datetime) -> AccessRequestSummary:
    """Return a request as lists show it."""
    return AccessRequestSummary(
        id=row.id,
        user=row.user,
        secret=row.secret,
        state=state_of(row, now),
        comment=row.comment,
        ticket=row.ticket,
        client_address=row.client_address,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        decision=row.decision,
        command=row.command,
    )


def _standing(
    session: Session, user: UserRow, secret: SecretRow, now: dt.datetime
) -> AccessRequestRow | None:
    """Return what counts of what he asked for, an approval before a question."""
    query = (
        select(AccessRequestRow)
        .where(
            AccessRequestRow.user == user.name,
            AccessRequestRow.secret == secret.name,
            AccessRequestRow.command == "",
            AccessRequestRow.state.in_(("approved", "pending")),
            AccessRequestRow.expires_at > now,
        )
        .order_by(AccessRequestRow.state, AccessRequestRow.asked_at.desc())
    )
    return session.scalars(query).first()


def _decided(session: Session, user: UserRow, asked: UUID) -> Denied | None:
    row = session.get(AccessRequestRow, asked)
    if row is None or row.user != user.name or row.state == "pending":
        return None
    by = f" by {row.decided_by}" if row.decided_by else ""
    said = f": {row.decision}" if row.decision else ""
    detail = f"your request was {row.state}{by}{said}"
    return Denied(reason=DenialReason.NOT_APPROVED, detail=detail)


def _ask(
    session: Session, user: UserRow, secret: SecretRow, asked: LaunchSecret, now: dt.datetime
) -> AccessRequestRow:
    row = _new(user.name, secret.name, asked.comment, asked.ticket, asked.client_address, now)
    session.add(row)
    detail = f"comment: {asked.comment}; ticket: {asked.ticket}; request {row.id}"
    Act(user.name, now).note(session, "access.requested", secret.name, detail)
    return row


def _new(
    user: str, secret: str, comment: str, ticket: str, address: str, now: dt.datetime
) -> AccessRequestRow:
    return AccessRequestRow(
        id=uuid.uuid4(),
        user=user,
        secret=secret,
        state="pending",
        comment=comment,
        ticket=ticket,
        client_address=address,
        asked_at=now,
        expires_at=now + ASKED_FOR,
        decided_at=None,
        decided_by=None,
        decision="",
        command="",
    )
