"""The audit trail, and how the node is."""

import datetime as dt
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from control.audit_requests import AuditEntry, ListAudit
from control.errors import InvalidError
from control.node_requests import AskStatus, Status
from control.requests import ListSessions, SessionSummary
from control.retention_requests import RetentionRule, ShowRetention
from control.rights import Right
from control.web.acting import filled
from control.web.page import ThePage
from control.web.rendering import render
from control.web.visitor import Visitor, require

router = APIRouter(include_in_schema=False)

_ROWS: Final = 100
_LIVE_SHOWN: Final = 20


@router.get("/audit")
def audit(
    request: Request,
    page: ThePage,
    visitor: Annotated[Visitor, require(Right.SEE_AUDIT)],
    until: str = "",
) -> Response:
    """Show who did what, newest first."""
    given = {name: request.query_params.get(name, "") for name in ("who", "action", "subject")}
    try:
        before = dt.datetime.fromisoformat(until) if until else None
    except ValueError as error:
        raise InvalidError("this is no time") from error
    if before is not None and before.tzinfo is None:
        before = before.replace(tzinfo=dt.UTC)
    wanted = ListAudit(
        who=filled(given["who"]),
        action=filled(given["action"]),
        subject=filled(given["subject"]),
        until=before,
        limit=_ROWS + 1,
    )
    rows = page.list(wanted, visitor.name, AuditEntry)
    older = ""
    if len(rows) > _ROWS:
        older = "/audit?" + urlencode(given | {"until": rows[_ROWS].at.isoformat()})
    return render(request, "audit.html", rows=rows[:_ROWS], older=older, given=given)


@router.get("/status")
def status(
    request: Request,
    page: ThePage,
    visitor: Annotated[Visitor, require(Right.SEE_STATUS)],
) -> Response:
    """Show how the node is."""
    live = ListSessions(live=True, limit=_LIVE_SHOWN)
    return render(
        request,
        "status.html",
        status=page.one(AskStatus(), visitor.name, Status),
        rules=page.list(ShowRetention(), visitor.name, RetentionRule),
        live=page.list(live, visitor.name, SessionSummary),
    )
