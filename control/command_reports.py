"""What engines tell of commands that break rules: noted, or put before somebody who decides."""

import datetime as dt
import uuid
from typing import Final

from sqlalchemy.orm import Session

from bus.command_reports import CommandHeld, CommandReport, HoldCommand
from control import approvals, sessions
from control.audit import Act
from storage.access_tables import AccessRequestRow

WAITS_FOR: Final = dt.timedelta(hours=1)
"""How long a command waits."""
_UNKNOWN: Final = "(a command whose text is not known)"
_UNDECIDED: Final = "nobody has approved it within an hour"


def note(session: Session, report: CommandReport, command: str, now: dt.datetime) -> None:
    """Leave a row in the audit trail; raise `NotFoundError`."""
    row = sessions.find(session, report.session_id)
    detail = (
        f"rule {report.rule} ({report.action}, {report.outcome}) of {row.secret}: {command}"
    )
    Act(row.user, now).note(session, "command.matched", str(row.id), detail)


def hold(session: Session, request: HoldCommand, command: str, now: dt.datetime) -> CommandHeld:
    """Ask somebody, or say how that stands; raise `NotFoundError`."""
    of = sessions.find(session, request.session_id)
    if request.asked is None:
        # Without a text it would be a request for the secret itself.
        command = command.strip() or _UNKNOWN
        row = AccessRequestRow(
            id=uuid.uuid4(),
            user=of.user,
            secret=of.secret,
            state="pending",
            comment=f"rule {request.rule} holds: {command}",
            ticket="",
            client_address=of.client_address,
            asked_at=now,
            expires_at=now + WAITS_FOR,
            decided_at=None,
            decided_by=None,
            decision="",
            command=command,
        )
        session.add(row)
        detail = f"command: {command}; request {row.id}"
        Act(of.user, now).note(session, "access.requested", of.secret, detail)
        return CommandHeld(asked=row.id)
    row = approvals.find(session, request.asked)
    state = approvals.state_of(row, now)
    if request.given_up and state == "pending" and row.user == of.user:
        row.state, row.decided_at, row.decided_by = "withdrawn", now, of.user
        Act(of.user, now).note(session, "access.withdrawn", of.secret, f"request {row.id}")
    if state == "pending" and not request.given_up:
        return CommandHeld(asked=row.id)
    said = f"{state} by {row.decided_by}" if row.decided_by else _UNDECIDED
    said += f": {row.decision}" if row.decision else ""
    approved = state == "approved" and row.user == of.user and row.command != ""
    return CommandHeld(asked=row.id, approved=approved, said=said)
