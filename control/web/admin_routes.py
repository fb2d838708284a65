"""Users, access and engines, for who may see or change them."""

from typing import Annotated, Final

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from control.account_requests import EnableUser, ResetSecondFactor, SetPassword, SetRole
from control.enrolment_requests import ApproveEngine, EngineSummary, ListEngines, RevokeEngine
from control.requests import (
    AccessSummary,
    AddUser,
    DisableUser,
    GrantAccess,
    ListAccess,
    ListSecrets,
    ListUsers,
    RevokeAccess,
    SecretSummary,
    UserSummary,
)
from control.rights import RIGHTS, Right
from control.web.acting import act
from control.web.log_in_routes import Text
from control.web.page import ThePage
from control.web.rendering import render
from control.web.visitor import Visitor, require

router = APIRouter(prefix="/admin", include_in_schema=False)

Seeing = Annotated[Visitor, require(Right.SEE_SETUP)]
Managing = Annotated[Visitor, require(Right.MANAGE)]
_USERS: Final = "/admin/users"
_ACCESS: Final = "/admin/access"
_ENGINES: Final = "/admin/engines"


@router.get("/users")
def users(request: Request, page: ThePage, visitor: Seeing) -> Response:
    """Show the users."""
    found = page.list(ListUsers(), visitor.name, UserSummary)
    return render(request, "users.html", users=found, roles=list(RIGHTS))


@router.post("/users")
def add_user(
    page: ThePage, visitor: Managing, name: Text, password: Text, role: Text
) -> Response:
    """Let a person in; the password is his until he has logged in."""
    request = AddUser(name=name, password=password, role=role, must_change_password=True)
    return act(page, visitor, request, _USERS, "added")


@router.post("/users/{name}/role")
def set_role(page: ThePage, visitor: Managing, name: str, role: Text) -> Response:
    """Give a person another role."""
    return act(page, visitor, SetRole(name=name, role=role), _USERS, "saved")


@router.post("/users/{name}/password")
def set_password(page: ThePage, visitor: Managing, name: str, password: Text) -> Response:
    """Give a person another password, which he must change."""
    return act(page, visitor, SetPassword(name=name, password=password), _USERS, "changed")


@router.post("/users/{name}/disable")
def disable_user(page: ThePage, visitor: Managing, name: str) -> Response:
    """Shut a person out, at once."""
    return act(page, visitor, DisableUser(name=name), _USERS, "disabled")


@router.post("/users/{name}/enable")
def enable_user(page: ThePage, visitor: Managing, name: str) -> Response:
    """Let a person in again."""
    return act(page, visitor, EnableUser(name=name), _USERS, "enabled")


@router.post("/users/{name}/reset")
def reset_second_factor(page: ThePage, visitor: Managing, name: str) -> Response:
    """Forget a person's second factors."""
    return act(page, visitor, ResetSecondFactor(name=name), _USERS, "reset")


@router.get("/access")
def access(request: Request, page: ThePage, visitor: Seeing) -> Response:
    """Show who may reach what."""
    return render(
        request,
        "access.html",
        access=page.list(ListAccess(), visitor.name, AccessSummary),
        users=page.list(ListUsers(), visitor.name, UserSummary),
        secrets=page.list(ListSecrets(), visitor.name, SecretSummary),
    )


@router.post("/access")
def grant_access(page: ThePage, visitor: Managing, user: Text, secret: Text) -> Response:
    """Let a user reach a secret."""
    return act(page, visitor, GrantAccess(user=user, secret=secret), _ACCESS, "granted")


@router.post("/access/revoke")
def revoke_access(page: ThePage, visitor: Managing, user: Text, secret: Text) -> Response:
    """Let the user reach it no more, at once."""
    return act(page, visitor, RevokeAccess(user=user, secret=secret), _ACCESS, "revoked")


@router.get("/engines")
def engines(request: Request, page: ThePage, visitor: Seeing) -> Response:
    """Show the engines."""
    found = page.list(ListEngines(), visitor.name, EngineSummary)
    return render(request, "engines.html", engines=found)


@router.post("/engines/{id}/approve")
def approve_engine(
    page: ThePage,
    visitor: Managing,
    id: str,  # noqa: A002
    code: Annotated[str, Form(max_length=100)],
) -> Response:
    """Let an engine serve its site."""
    request = ApproveEngine(id=id, code=code.strip())
    return act(page, visitor, request, _ENGINES, "approved")


@router.post("/engines/{id}/revoke")
def revoke_engine(page: ThePage, visitor: Managing, id: str) -> Response:  # noqa: A002
    """End an engine."""
    return act(page, visitor, RevokeEngine(id=id), _ENGINES, "revoked")
