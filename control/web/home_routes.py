"""The start: whoever is there goes to what he comes for."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from control.rights import Right
from control.web.visitor import Visitor, require

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(visitor: Annotated[Visitor, require(Right.ONESELF)]) -> Response:
    """Go to the sessions, or to one's own secrets."""
    path = "/sessions" if visitor.may(Right.SEE_SESSIONS) else "/secrets"
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
