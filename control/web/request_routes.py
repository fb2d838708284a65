"""Requests for another person's word: one's own, and those that one may decide about."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from control.approval_requests import (
    AccessRequestSummary,
    ApproveAccess,
    ApproveViewing,
    DenyAccess,
    DenyViewing,
    ListAccessRequests,
    RequestAccess,
    RequestViewing,
    WithdrawAccess,
)
from control.rights import Right
from control.web.acting import act
from control.web.admin_routes import Managing
from control.web.page import ThePage
from control.web.playback_routes import Sees
from control.web.rendering import render
from control.web.secret_routes import Mine, Said
from control.web.visitor import local

router = APIRouter(include_in_schema=False)

Seconds = Annotated[float, Form(gt=0, le=86_400)]

APPROVED_FOR: Final = {"1 hour": 3600, "15 minutes": 900, "8 hours": 8 * 3600}
_BACK: Final = "/requests"
_SHOWN: Final = 100


@router.get("/requests")
def requests(request: Request, page: ThePage, visitor: Mine) -> Response:
    """Show what the visitor asked for, and what others ask of him."""
    mine = ListAccessRequests(user=visitor.name)
    pending: list[AccessRequestSummary] = []
    decided: list[AccessRequestSummary] = []
    if visitor.may(Right.SEE_SETUP):
        found = page.list(ListAccessRequests(), visitor.name, AccessRequestSummary)
        pending = [one for one in found if one.state == "pending"]
        decided = [one for one in found if one.state != "pending"]
    return render(
        request,
        "requests.html",
        mine=page.list(mine, visitor.name, AccessRequestSummary)[:_SHOWN],
        pending=pending,
        decided=decided[:_SHOWN],
        lifetimes=APPROVED_FOR,
    )


@router.post("/secrets/{name}/requests")
def ask_for_access(
    page: ThePage, visitor: Mine, name: str, comment: Said = "", ticket: Said = ""
) -> Response:
    """Ask to be let at a secret that demands approval."""
    wanted = RequestAccess(user=visitor.name, secret=name, comment=comment, ticket=ticket)
    return act(page, visitor, wanted, f"/secrets/{name}", "asked")


@router.post("/requests/{id}/withdraw")
def withdraw(page: ThePage, visitor: Mine, id: UUID) -> Response:  # noqa: A002
    """Take back a request of one's own."""
    return act(page, visitor, WithdrawAccess(id=id, user=visitor.name), _BACK, "withdrawn")


@router.post("/admin/requests/{id}/approve")
def approve(
    page: ThePage,
    visitor: Managing,
    id: UUID,  # noqa: A002
    said: Said = "",
    for_s: Seconds = 3600,
) -> Response:
    """Let a secret be used, for a while."""
    return act(page, visitor, ApproveAccess(id=id, said=said, for_s=for_s), _BACK, "approved")


@router.post("/admin/requests/{id}/deny")
def deny(page: ThePage, visitor: Managing, id: UUID, said: Said = "") -> Response:  # noqa: A002
    """Do not let a secret be used."""
    return act(page, visitor, DenyAccess(id=id, said=said), _BACK, "denied")


@router.post("/admin/requests/{id}/withdraw")
def withdraw_anybody_s(page: ThePage, visitor: Managing, id: UUID) -> Response:  # noqa: A002
    """Take back an approval; what it opened ends."""
    return act(page, visitor, WithdrawAccess(id=id), _BACK, "withdrawn")


@router.post("/viewing-requests/{id}/approve")
def approve_viewing(
    page: ThePage,
    visitor: Sees,
    id: UUID,  # noqa: A002
    said: Said = "",
    for_s: Seconds = 3600,
) -> Response:
    """Let a recording be seen, for a while."""
    return act(page, visitor, ApproveViewing(id=id, said=said, for_s=for_s), _BACK, "approved")


@router.post("/viewing-requests/{id}/deny")
def deny_viewing(
    page: ThePage,
    visitor: Sees,
    id: UUID,  # noqa: A002
    said: Said = "",
) -> Response:
    """Do not let a recording be seen."""
    return act(page, visitor, DenyViewing(id=id, said=said), _BACK, "denied")


@router.get("/sessions/{session_id}/approval")
def viewing(
    request: Request,
    page: ThePage,
    visitor: Sees,
    session_id: UUID,
    next: str = "",  # noqa: A002
) -> Response:
    """Show how a request to see the recording stands, and the form to ask."""
    mine = ListAccessRequests(user=visitor.name)
    found = page.list(mine, visitor.name, AccessRequestSummary)
    asked = [one for one in found if one.session == session_id]
    return render(
        request,
        "viewing.html",
        session_id=session_id,
        asked=asked[0] if asked else None,
        go_on=local(next) if next else f"/sessions/{session_id}",
    )


@router.post("/sessions/{session_id}/approval")
def ask_to_view(page: ThePage, visitor: Sees, session_id: UUID, comment: Said = "") -> Response:
    """Ask to be shown the recording."""
    wanted = RequestViewing(user=visitor.name, session=session_id, comment=comment)
    return act(page, visitor, wanted, f"/sessions/{session_id}/approval", "asked")
