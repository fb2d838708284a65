"""Carries out what operators ask about requests for access; see `control.operations`."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import approval_requests as ask
from control import approvals, sessions
from control.answers import Result
from control.audit import Act
from control.requests import Done
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
            return approvals.list_all(session, self.act(who).at, pending=request.pending)

    def approve(self, request: ask.ApproveAccess, who: str) -> ask.AccessRequestSummary:
        """Let it be launched, for a while."""
        return self._decide(request, who, dt.timedelta(seconds=request.for_s))

    def deny(self, request: ask.DenyAccess, who: str) -> ask.AccessRequestSummary:
        """Do not let it be launched."""
        return self._decide(request, who, None)

    def withdraw(self, request: ask.WithdrawAccess, who: str) -> Done:
        """Take it back, and end what it opened."""
        act = self.act(who)
        ending: list[SessionRow] = []
        with self.database.transaction() as session:
            row = approvals.find(session, request.id)
            if approvals.withdraw(session, request.id, act):
                ending = sessions.live_of(session, user=row.user, secret=row.secret)
            act.note(session, "access.withdrawn", row.secret, f"request {row.id} of {row.user}")
        self.end(ending, "the approval was withdrawn")
        return Done()

    def _decide(
        self,
        request: ask.ApproveAccess | ask.DenyAccess,
        who: str,
        approved_for: dt.timedelta | None,
    ) -> ask.AccessRequestSummary:
        act = self.act(who)
        with self.database.transaction() as session:
            row = approvals.decide(
                session, request.id, act, request.said, approved_for=approved_for
            )
            act.note(
                session, f"access.{row.state}", row.secret, f"request {row.id} of {row.user}"
            )
            return approvals.summary(row, act.at)
