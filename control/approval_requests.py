"""What an operator can ask about secrets that demand more, and about who asked for them."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from control.request import Reason, Request


class SetDemands(Request, frozen=True, kw_only=True):
    """Say what a secret demands before it is launched."""

    secret: str
    demands: tuple[str, ...]
    """Of `comment ticket approval`; empty: nothing."""


class RequestAccess(Request, frozen=True, kw_only=True):
    """Ask, for a user, to be let at a secret that demands approval."""

    user: str
    secret: str
    comment: Reason = ""
    ticket: Reason = ""


class ListAccessRequests(Request, frozen=True, kw_only=True):
    """Requests, newest first."""

    pending: bool = False
    """Those alone that nobody has decided yet."""
    user: str | None = None
    """Only his; None: everybody's."""


class ApproveAccess(Request, frozen=True, kw_only=True):
    """Let it be launched, for a while."""

    id: UUID
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 3600
    said: Reason = ""


class DenyAccess(Request, frozen=True, kw_only=True):
    """Do not let it be launched."""

    id: UUID
    said: Reason = ""


class WithdrawAccess(Request, frozen=True, kw_only=True):
    """Take back a request or its approval; the sessions that it opened end."""

    id: UUID
    user: str | None = None
    """Only if it is his; None: whoever's it is."""


class RequestViewing(Request, frozen=True, kw_only=True):
    """Ask, for a user, to be shown the recording of a session."""

    user: str
    session: UUID
    comment: Reason = ""


class ApproveViewing(ApproveAccess, frozen=True, kw_only=True):
    """Let a recording be seen, for a while."""


class DenyViewing(DenyAccess, frozen=True, kw_only=True):
    """Do not let a recording be seen."""


class AccessRequestSummary(Struct, frozen=True, kw_only=True):
    """A request, as lists show it."""

    id: UUID
    user: str
    secret: str
    state: str
    """`pending`, `approved`, `denied`, `withdrawn` or `expired`."""
    comment: str
    ticket: str
    client_address: str
    asked_at: dt.datetime
    expires_at: dt.datetime
    decided_at: dt.datetime | None
    decided_by: str | None
    decision: str
    session: UUID | None = None
    """Whose recording he wants to see; None where he wants to launch the secret."""
    command: str = ""
    """What alone is to be approved, where that is a command."""


ApprovalRequest = (
    SetDemands
    | RequestAccess
    | ListAccessRequests
    | ApproveAccess
    | DenyAccess
    | WithdrawAccess
    | RequestViewing
    | ApproveViewing
    | DenyViewing
)
