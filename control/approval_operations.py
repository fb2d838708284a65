"""Carries out what operators ask about requests for access; see `control.operations`."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy.orm import Session

from control import approval_requests as ask
from control import approvals, credentials, sessions
from control.answers import Result
from control.audit import Act
from control.requests import Done
from storage.access_tables import AccessRequestRow
from storage.database import Database
from storage.tables import SessionRow

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class ApprovalOperations:
    """Requests for access."""

    database: Database
    act: Callable[[str], Act]
    end: Callable[[list[SessionRow], str], None]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.SetDemands: self.set_demands,
            ask.RequestAccess: self.request,
            ask.ListAccessRequests: self.list,
            ask.ApproveAccess: self.approve,
            ask.DenyAccess: self.deny,
            ask.WithdrawAccess: self.withdraw,
            ask.RequestViewing: self.request_viewing,
            ask.ApproveViewing: self.approve,
            ask.DenyViewing: self.deny,
        }

    def set_demands(self, request: ask.SetDemands, who: str) -> Done:
        """Say what a secret demands."""
        with self.database.transaction() as session:
            approvals.set_demands(session, request.secret, request.demands)
            detail = ", ".join(request.demands) or "nothing"
            self.act(who).note(session, "secret.demands_set", request.secret, detail)
        return Done()

    def request(self, request: ask.RequestAccess, who: str) -> ask.AccessRequestSummary:
        """Ask for a user."""
        act = self.act(who)
        with self.database.transaction() as session:
            summary = approvals.request(
                session, request.user, request.secret, request.comment, request.ticket, act.at
            )
            detail = f"for {request.user}; request {summary.id}"
            act.note(session, "access.requested", request.secret, detail)
        return summary

    def list(
        self, request: ask.ListAccessRequests, who: str
    ) -> Iterable[ask.AccessRequestSummary]:
        """List requests."""
        with self.database.read() as session:
            return approvals.list_all(
                session, self.act(who).at, pending=request.pending, user=request.user
            )

    def approve(self, request: ask.ApproveAccess, who: str) -> ask.AccessRequestSummary:
        """Let it be launched, or the recording be seen, for a while."""
        return self._decide(request, who, dt.timedelta(seconds=request.for_s))

    def deny(self, request: ask.DenyAccess, who: str) -> ask.AccessRequestSummary:
        """Do not let it be launched, or be seen."""
        return self._decide(request, who, None)

    def withdraw(self, request: ask.WithdrawAccess, who: str) -> Done:
        """Take it back, and end what it opened."""
        act = self.act(who)
        ending: list[SessionRow] = []
        with self.database.transaction() as session:
            row = approvals.find(session, request.id)
            was_approved = approvals.withdraw(session, request.id, act, request.user)
            opened_sessions = was_approved and row.session_id is None
            if opened_sessions:
                ending = sessions.live_of(session, user=row.user, secret=row.secret)
                credentials.revoke_named(session, act.at, row.user, row.secret)
            _note(session, act, "withdrawn", row)
        if opened_sessions:
            self.end(ending, "the approval was withdrawn")
        return Done()

    def request_viewing(
        self, request: ask.RequestViewing, who: str
    ) -> ask.AccessRequestSummary:
        """Ask, for a user, to be shown a recording."""
        act = self.act(who)
        with self.database.transaction() as session:
            summary = approvals.request_viewing(
                session, request.user, request.session, request.comment, act.at
            )
            detail = f"for {request.user}; request {summary.id}; {request.comment}"
            act.note(session, "viewing.requested", str(request.session), detail)
        return summary

    def _decide(
        self,
        request: ask.ApproveAccess | ask.DenyAccess,
        who: str,
        approved_for: dt.timedelta | None,
    ) -> ask.AccessRequestSummary:
        act = self.act(who)
        with self.database.transaction() as session:
            if isinstance(request, ask.ApproveViewing | ask.DenyViewing):
                approvals.check_is_viewing(session, request.id)
            row = approvals.decide(
                session, request.id, act, request.said, approved_for=approved_for
            )
            _note(session, act, row.state, row)
            return approvals.summary(row, act.at)


def _note(session: Session, act: Act, done: str, row: AccessRequestRow) -> None:
    detail = f"request {row.id} of {row.user}"
    if row.session_id is None:
        act.note(session, f"access.{done}", row.secret, detail)
    else:
        act.note(session, f"viewing.{done}", str(row.session_id), detail)
