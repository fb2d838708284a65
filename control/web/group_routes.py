"""Groups, for who may see or change them."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from control.group_requests import (
    AddGroup,
    GrantToGroup,
    GroupSummary,
    JoinGroup,
    LeaveGroup,
    ListGroups,
    RemoveGroup,
    RevokeFromGroup,
)
from control.requests import ListSecrets, ListUsers, SecretSummary, UserSummary
from control.web.acting import act
from control.web.admin_routes import Managing, Seeing
from control.web.log_in_routes import Text
from control.web.page import ThePage
from control.web.rendering import render

router = APIRouter(prefix="/admin/groups", include_in_schema=False)

_BACK: Final = "/admin/groups"


@router.get("")
def groups(request: Request, page: ThePage, visitor: Seeing) -> Response:
    """Show the groups."""
    return render(
        request,
        "groups.html",
        groups=page.list(ListGroups(), visitor.name, GroupSummary),
        users=[one.name for one in page.list(ListUsers(), visitor.name, UserSummary)],
        secrets=[one.name for one in page.list(ListSecrets(), visitor.name, SecretSummary)],
    )


@router.post("")
def add(page: ThePage, visitor: Managing, name: Text) -> Response:
    """Make a group."""
    return act(page, visitor, AddGroup(name=name), _BACK, "added")


@router.post("/{group}/remove")
def remove(page: ThePage, visitor: Managing, group: str) -> Response:
    """Forget a group, at once."""
    return act(page, visitor, RemoveGroup(name=group), _BACK, "removed")


@router.post("/{group}/join")
def join(page: ThePage, visitor: Managing, group: str, user: Text) -> Response:
    """Put a user into it."""
    return act(page, visitor, JoinGroup(group=group, user=user), _BACK, "added")


@router.post("/{group}/leave")
def leave(page: ThePage, visitor: Managing, group: str, user: Text) -> Response:
    """Take a user out, at once."""
    return act(page, visitor, LeaveGroup(group=group, user=user), _BACK, "removed")


@router.post("/{group}/grant")
def grant(page: ThePage, visitor: Managing, group: str, secret: Text) -> Response:
    """Let it reach a secret."""
    return act(page, visitor, GrantToGroup(group=group, secret=secret), _BACK, "granted")


@router.post("/{group}/revoke")
def revoke(page: ThePage, visitor: Managing, group: str, secret: Text) -> Response:
    """Let it reach the secret no more, at once."""
    return act(page, visitor, RevokeFromGroup(group=group, secret=secret), _BACK, "revoked")
