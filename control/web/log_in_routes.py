"""Logging in: a password, then a second factor where there is one; and logging out."""

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control import logins
from control.audit import Act
from control.log_in import Known, Origin, Refused
from control.rights import Right
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import (
    COOKIE,
    ENROL,
    LOG_IN,
    NEW_PASSWORD,
    PROVE,
    SECOND_FACTOR,
    NotAllowedError,
    Visitor,
    is_same_origin,
    local,
    require,
)

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=2048)]
OnTheWay = Annotated[Visitor, require(Right.ONESELF, steps=(SECOND_FACTOR,), person=True)]
"""He has given his password, and perhaps no more."""
ThereAnyway = Annotated[
    Visitor, require(Right.ONESELF, steps=(ENROL, NEW_PASSWORD), person=True)
]

_REFUSED: Final = "This is not right. Check the user name and the password, and try again."
_CODE_REFUSED: Final = "This is not right. Wait for the next code, and try again."

_checking = CapacityLimiter(2)
"""Strangers' passwords take threads of their own: the page's go on serving others."""


@router.get(LOG_IN)
def ask_password(request: Request, next: str = "/") -> Response:  # noqa: A002
    """Show the form."""
    return render(request, "login.html", next=next, problem="")


@router.post(LOG_IN)
async def log_in(
    request: Request,
    page: ThePage,
    username: Text,
    password: Text,
    next: Text = "/",  # noqa: A002
) -> Response:
    """Take name and password."""
    if not is_same_origin(request):
        raise NotAllowedError("this came from another page")
    where = origin(request)
    known = await anyio.to_thread.run_sync(
        page.log_in.password, username, password, where, limiter=_checking
    )
    if isinstance(known, Refused):
        return _refused(request, "login.html", known, _REFUSED, next=next)
    return await page.run(let_in, page, known, where, next)


@router.get(SECOND_FACTOR)
def ask_code(request: Request, visitor: OnTheWay, next: str = "/") -> Response:  # noqa: A002
    """Show the form, to who has given his password."""
    factors = visitor.logged_in.known.factors
    return render(request, "second_factor.html", next=next, problem="", factors=factors)


@router.post(SECOND_FACTOR)
def take_code(
    request: Request,
    page: ThePage,
    visitor: OnTheWay,
    code: Text,
    next: Text = "/",  # noqa: A002
) -> Response:
    """Take a one-time code or a recovery code."""
    known, where = visitor.logged_in.known, origin(request)
    if refused := page.log_in.second_factor(known, code, where):
        more = {"next": next, "factors": known.factors}
        return _refused(request, "second_factor.html", refused, _CODE_REFUSED, **more)
    with page.database.transaction() as session:
        # What was worth a password alone is worth nothing any more.
        logins.end(session, visitor.logged_in.digest)
    return let_in(page, known, where, next, second_factor=True)


@router.get(PROVE)
def ask_again(request: Request, visitor: ThereAnyway, next: str = "/") -> Response:  # noqa: A002
    """Show the form that comes before recordings."""
    factors = visitor.logged_in.known.factors
    return render(request, "prove.html", next=next, problem="", factors=factors)


@router.post(PROVE)
async def prove(
    request: Request,
    page: ThePage,
    visitor: ThereAnyway,
    password: Text,
    next: Text = "/",  # noqa: A002
) -> Response:
    """Take the password once more."""
    where = origin(request)
    known = await anyio.to_thread.run_sync(
        page.log_in.password, visitor.name, password, where, limiter=_checking
    )
    if isinstance(known, Refused):
        more = {"next": next, "factors": visitor.logged_in.known.factors}
        return _refused(request, "prove.html", known, _REFUSED, **more)
    await page.run(note_proof, page, visitor)
    return RedirectResponse(local(next), HTTPStatus.SEE_OTHER)


@router.post("/logout")
def log_out(page: ThePage, visitor: OnTheWay) -> Response:
    """Forget this browser."""
    with page.database.transaction() as session:
        logins.end(session, visitor.logged_in.digest)
        Act(visitor.name, page.clock.now()).note(session, "user.logged_out", visitor.name)
    answer = RedirectResponse(LOG_IN, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def let_in(
    page: Page, known: Known, where: Origin, target: str, *, second_factor: bool = False
) -> Response:
    """Log a browser in, so far as that goes, and send it on. Blocking."""
    act = Act(known.name, page.clock.now())
    is_whole = second_factor or not known.factors.any
    with page.database.transaction() as session:
        presented = logins.begin(
            session, known.id, where.address, act.at, second_factor=second_factor
        )
        if is_whole:
            act.note(session, "user.logged_in", known.name, str(where))
    target = local(target)
    path = target if is_whole else f"{SECOND_FACTOR}?next={quote(target, safe='')}"
    answer = RedirectResponse(path, HTTPStatus.SEE_OTHER)
    # Lax: a link in a ticket leads straight to the moment in a recording. Forms hold a token.
    answer.set_cookie(COOKIE, presented, secure=True, httponly=True, samesite="lax")
    return answer


def note_proof(page: Page, visitor: Visitor) -> None:
    """Note that the visitor has just proved who he is. Blocking."""
    act = Act(visitor.name, page.clock.now())
    with page.database.transaction() as session:
        given = visitor.logged_in.second_factor_given
        logins.prove(session, visitor.logged_in.digest, act.at, second_factor=given)
        act.note(session, "user.proved_himself", visitor.name)


def origin(request: Request) -> Origin:
    """Return where a request comes from."""
    return Origin(address=request.client.host if request.client else "?", by="page")


def _refused(
    request: Request, template: str, refused: Refused, text: str, **more: object
) -> Response:
    if not refused.wait_s:
        return render(request, template, HTTPStatus.UNAUTHORIZED, problem=text, **more)
    seconds = max(1, round(refused.wait_s))
    problem = f"Too many tries. Wait {seconds} seconds, and try again."
    answer = render(request, template, HTTPStatus.TOO_MANY_REQUESTS, problem=problem, **more)
    answer.headers["Retry-After"] = str(seconds)
    return answer
