"""What routes with forms have in common: carry a request out, then show a page again."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse

from control.errors import InvalidError
from control.requests import OperatorRequest
from control.web.page import Page
from control.web.visitor import Visitor


def act(
    page: Page, visitor: Visitor, request: OperatorRequest, back: str, done: str
) -> RedirectResponse:
    """Carry `request` out and go to `back`, which says `done`; raise `ControlError`."""
    page.ask(request, visitor.name)
    return going_back(back, done)


def going_back(back: str, done: str) -> RedirectResponse:
    """Go to `back`, which says `done`."""
    return RedirectResponse(f"{back}?{urlencode({'done': done})}", HTTPStatus.SEE_OTHER)


def filled(text: str | None) -> str | None:
    """Return what was typed into a field, or None where nothing was."""
    return (text or "").strip() or None


def converted(given: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - one of `kind`
    """Return the request that the fields of a form make; raise `InvalidError`."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise InvalidError(f"the form makes no sense: {error}") from error
