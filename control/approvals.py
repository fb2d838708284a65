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
from control import access, secrets, sessions, users
from control.approval_requests import AccessRequestSummary
from control.audit import Act
from control.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from control.requests import IssueCredential
from storage.access_tables import AccessRequestRow
from storage.tables import SecretRow, UserRow

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


def check_pair(session: Session, request: IssueCredential, act: Act) -> dt.datetime | None:
    """As `check_demands`, and write down what was said."""
    until = check_demands(session, request, act)
    if until is None and request.user == act.who:
        demands = demands_of(secrets.find(session, request.secret))
        if demands:
            told = f"comment: {request.comment}; ticket: {request.ticket}"
            act.note(session, "credential.explained", request.secret, told)
    return until


def check_demands(session: Session, request: IssueCredential, act: Act) -> dt.datetime | None:
    """Return until when a pair may be good at most that somebody gives himself.

    None where nothing bounds it. Another person who issues one has given his word by that.
    Raises `NotFoundError`, and `DeniedError` naming what the secret still demands.
    """
    secret = secrets.find(session, request.secret)
    demands = demands_of(secret) if act.who == request.user else ()
    if "approval" in demands:
        standing = _standing(session, request.user, secret.name, act.at)
        if standing is None or standing.state != "approved":
            raise DeniedError(
                f"`{secret.name}` demands another person's approval: ask for it first, on the "
                "page or at the SSH terminal"
            )
        return standing.expires_at
    if lacks := _lacking(demands, request.comment, request.ticket):
        raise DeniedError(f"`{secret.name}` demands {' and '.join(lacks)} each time: say it")
    return None


def objection(
    session: Session, user: UserRow, secret: SecretRow, request: LaunchSecret, now: dt.datetime
) -> Denied | LaunchWaits | None:
    """Return what a launch still lacks; None where nothing speaks against it."""
    demands = demands_of(secret)
    lacks = _lacking(demands, request.comment, request.ticket)
    standing = (
        _standing(session, user.name, secret.name, now) if "approval" in demands else None
    )
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
    """Ask for a user.

    Raises `NotFoundError`, `DeniedError`, `ConflictError`, and `InvalidError` where he does
    not say what the secret demands.
    """
    person, wanted = users.find(session, user), secrets.find(session, secret)
    if not access.may_reach(session, person.id, wanted.id):
        raise DeniedError(f"user `{user}` has no access to `{secret}`: grant it instead")
    if _standing(session, person.name, wanted.name, now):
        raise ConflictError(f"user `{user}` has asked for `{secret}` already")
    if lacks := _lacking(demands_of(wanted), comment, ticket):
        raise InvalidError(f"`{secret}` demands {' and '.join(lacks)}: say it with the request")
    row = _new(person.name, wanted.name, comment, ticket, "", now)
    session.add(row)
    return summary(row, now)


def request_viewing(
    session: Session, user: str, session_id: UUID, comment: str, now: dt.datetime
) -> AccessRequestSummary:
    """Ask, for a user, to be shown a recording; raise `NotFoundError` or `ConflictError`."""
    person, wanted = users.find(session, user), sessions.find_recording(session, session_id)
    if _standing(session, person.name, wanted.secret, now, session_id):
        raise ConflictError(f"user `{user}` has asked to see session {session_id} already")
    row = _new(person.name, wanted.secret, comment, "", "", now)
    row.session_id = session_id
    session.add(row)
    return summary(row, now)


def may_view(session: Session, user: str, now: dt.datetime) -> set[UUID]:
    """Return the sessions whose recordings another person lets `user` see."""
    query = select(AccessRequestRow.session_id).where(
        AccessRequestRow.session_id.is_not(None),
        AccessRequestRow.user == user,
        AccessRequestRow.state == "approved",
        AccessRequestRow.expires_at > now,
    )
    return {found for found in session.scalars(query) if found is not None}


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


def check_is_viewing(session: Session, request_id: UUID) -> None:
    """Raise `NotFoundError` where the request is not for a recording."""
    if find(session, request_id).session_id is None:
        raise NotFoundError(f"no request to see a recording has the id {request_id}")


def find(session: Session, request_id: UUID) -> AccessRequestRow:
    """Return the request, and let nobody else decide meanwhile; raise `NotFoundError`."""
    row = session.get(AccessRequestRow, request_id, with_for_update=True)
    if row is None:
        raise NotFoundError(
            f"no request has the id {request_id}; `proxyd access requests` shows them"
        )
    return row


def list_all(
    session: Session, now: dt.datetime, *, pending: bool, user: str | None = None
) -> list[AccessRequestSummary]:
    """Return the requests of `user`, or all, newest first."""
    query = select(AccessRequestRow).order_by(AccessRequestRow.asked_at.desc()).limit(_LISTED)
    if pending:
        query = query.where(
            AccessRequestRow.state == "pending", AccessRequestRow.expires_at > now
        )
    if user is not None:
        query = query.where(AccessRequestRow.user == user)
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
        session=row.session_id,
        command=row.command,
    )


def _standing(
    session: Session,
    user: str,
    secret: str,
    now: dt.datetime,
    session_id: UUID | None = None,
) -> AccessRequestRow | None:
    """Return what counts of what he asked for, an approval before a question."""
    query = (
        select(AccessRequestRow)
        .where(
            AccessRequestRow.user == user,
            AccessRequestRow.secret == secret,
            AccessRequestRow.session_id.is_not_distinct_from(session_id),
            AccessRequestRow.command == "",
            AccessRequestRow.state.in_(("approved", "pending")),
            AccessRequestRow.expires_at > now,
        )
        .order_by(AccessRequestRow.state, AccessRequestRow.asked_at.desc())
        # Who withdraws it at this moment waits, and then ends what it opens.
        .with_for_update(read=True)
    )
    return session.scalars(query).first()


def _lacking(demands: tuple[str, ...], comment: str, ticket: str) -> tuple[str, ...]:
    given = {"comment": comment.strip(), "ticket": ticket.strip()}
    return tuple(each for each, told in given.items() if each in demands and not told)


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
        session_id=None,
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
