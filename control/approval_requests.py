"""What an operator can ask about secrets that demand more, and about who asked for them."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from control.request import Request

_Said = Annotated[str, Meta(max_length=256)]


class SetDemands(Request, frozen=True, kw_only=True):
    """Say what a secret demands before it is launched."""

    secret: str
    demands: tuple[str, ...]
    """Of `comment ticket approval`; empty: nothing."""


class RequestAccess(Request, frozen=True, kw_only=True):
    """Ask, for a user, to be let at a secret that demands approval."""

    user: str
    secret: str
    comment: _Said = ""
    ticket: _Said = ""


class ListAccessRequests(Request, frozen=True, kw_only=True):
    """Requests, newest first."""

    pending: bool = False
    """Those alone that nobody has decided yet."""


class ApproveAccess(Request, frozen=True, kw_only=True):
    """Let it be launched, for a while."""

    id: UUID
    for_s: Annotated[float, Meta(gt=0, le=86_400)] = 3600
    said: _Said = ""


class DenyAccess(Request, frozen=True, kw_only=True):
    """Do not let it be launched."""

    id: UUID
    said: _Said = ""


class WithdrawAccess(Request, frozen=True, kw_only=True):
    """Take back a request or its approval; the sessions that it opened end."""

    id: UUID


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
    command: str = ""
    """What alone is to be approved, where that is a command."""


ApprovalRequest = (
    SetDemands
    | RequestAccess
    | ListAccessRequests
    | ApproveAccess
    | DenyAccess
    | WithdrawAccess
)
