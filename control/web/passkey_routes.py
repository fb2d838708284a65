"""Passkeys: added in the profile, used to log in. Scripts ask here, since browsers want one."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from control import logins, passkeys
from control.audit import Act
from control.errors import InvalidError
from control.log_in import Known
from control.web.acting import going_back
from control.web.log_in_routes import let_in, origin
from control.web.page import Page, ThePage
from control.web.profile_routes import Enrolling, Proved
from control.web.visitor import NotAllowedError, is_same_origin, local

router = APIRouter(include_in_schema=False)

Json = Annotated[dict[str, Any], Body()]
PASSKEY_LOGIN = "/login/passkey"
_LOCAL = "localhost"
_LONGEST_NAME = 64


@router.post("/profile/passkeys/options")
def new_options(request: Request, page: ThePage, visitor: Enrolling) -> dict[str, Any]:
    """Return what the browser needs to make one."""
    name = passkeys.name_in(_our_origin(request, page))
    now = page.clock.now()
    with page.database.read() as session:
        return page.passkeys.new_options(session, visitor.logged_in.known, name, now)


@router.post("/profile/passkeys")
def add(request: Request, page: ThePage, visitor: Enrolling, given: Json) -> dict[str, str]:
    """Keep the one that was made."""
    label = str(given.get("name", "")).strip()[:_LONGEST_NAME] or "passkey"
    made, owner = given.get("credential"), visitor.logged_in.known
    act = Act(owner.name, page.clock.now())
    if not isinstance(made, dict):
        raise InvalidError("there is no passkey in this")
    where = _our_origin(request, page)
    with page.database.transaction() as session:
        page.passkeys.register(session, owner, made, label, where, act.at)
        logins.prove(session, visitor.logged_in.digest, act.at, second_factor=True)
        act.note(session, "user.second_factor_enrolled", owner.name, f"passkey {label}")
    return {"to": "/profile?done=added"}


@router.post("/profile/passkeys/{id}/remove")
def remove(page: ThePage, visitor: Proved, id: str) -> Response:  # noqa: A002
    """Forget one."""
    try:
        passkey_id = bytes.fromhex(id)
    except ValueError as error:
        raise InvalidError("this is no passkey") from error
    owner = visitor.logged_in.known
    with page.database.transaction() as session:
        label = passkeys.remove(session, owner.id, passkey_id)
        act = Act(owner.name, page.clock.now())
        act.note(session, "user.second_factor_removed", owner.name, f"passkey {label}")
    return going_back("/profile", "removed")


@router.post(PASSKEY_LOGIN + "/options")
def login_options(request: Request, page: ThePage) -> dict[str, Any]:
    """Return what the browser needs to ask for one."""
    name = passkeys.name_in(_our_origin(request, page))
    return page.passkeys.login_options(name, page.clock.now())


@router.post(PASSKEY_LOGIN)
def log_in(request: Request, page: ThePage, given: Json) -> Response:
    """Let in whose passkey answered: he has it, and has unlocked it."""
    where, answer = _our_origin(request, page), given.get("credential")
    if not isinstance(answer, dict):
        raise InvalidError("there is no passkey in this")
    with page.database.transaction() as session:
        owner = page.passkeys.log_in(session, answer, where, page.clock.now())
    target = local(str(given.get("next", "/")))
    return _with_cookie(page, owner, request, target)


def _with_cookie(page: Page, owner: Known, request: Request, target: str) -> Response:
    let = let_in(page, owner, origin(request), target, second_factor=True)
    answer = JSONResponse({"to": target})
    answer.headers["set-cookie"] = let.headers["set-cookie"]
    return answer


def _our_origin(request: Request, page: Page) -> str:
    """Return how the browser calls us, if it is a name of ours; raise otherwise.

    Whoever shows our pages under another name must not get answers from passkeys.
    """
    if not is_same_origin(request):
        raise NotAllowedError("this came from another page")
    if request.url.hostname not in {page.host, _LOCAL}:
        raise InvalidError(
            f"passkeys work under https://{page.host} only: open the page under this name"
        )
    return f"https://{request.url.netloc}"
