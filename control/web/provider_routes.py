"""Logging in at an identity provider: there, and back."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control.audit import Act
from control.errors import DeniedError, NotFoundError
from control.identity_provider import IdentityProvider, user_of
from control.web.log_in_routes import let_in, origin
from control.web.page import Page, ThePage
from control.web.visitor import local

router = APIRouter(include_in_schema=False)

PROVIDER_LOGIN: Final = "/login/provider"
CALLBACK: Final = "/login/provider/back"
_COOKIE: Final = "__Host-proxyd-begun"
_MAX_AGE_S: Final = 600


@router.get(PROVIDER_LOGIN)
def begin(page: ThePage, request: Request, next: str = "/", anew: bool = False) -> Response:  # noqa: A002, FBT001, FBT002
    """Send the browser to the provider."""
    back = f"https://{request.url.netloc}{CALLBACK}"
    begun = _provider(page).begin(back, local(next), anew=anew)
    answer = RedirectResponse(begun.address, HTTPStatus.SEE_OTHER)
    # Lax: it must come back with the browser, which comes from another site.
    answer.set_cookie(
        _COOKIE, begun.cookie, max_age=_MAX_AGE_S, secure=True, httponly=True, samesite="lax"
    )
    return answer


@router.get(CALLBACK)
def finish(page: ThePage, request: Request, code: str = "", state: str = "") -> Response:
    """Take what the browser brings back."""
    provider = _provider(page)
    if not code:
        raise DeniedError("the identity provider did not let you in")
    vouched = provider.finish(code, state, request.cookies.get(_COOKIE, ""))
    act = Act("stranger", page.clock.now())
    with page.database.transaction() as session:
        person = user_of(session, provider.issuer, vouched, act.at)
        act = Act(person.name, act.at)
        act.note(session, "user.vouched_for", person.name, f"by {provider.issuer}")
    given = vouched.second_factor
    answer = let_in(page, person, origin(request), vouched.target, second_factor=given)
    answer.delete_cookie(_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def _provider(page: Page) -> IdentityProvider:
    if page.provider is None:
        raise NotFoundError("no identity provider is set up: log in with your password")
    return page.provider
