"""The page: FastAPI, server-rendered, no script needed.

How something is added:

- A **router** is a module `control/web/<noun>_routes.py` with `router = APIRouter()`; list
  it in `routers` below. Pages say `include_in_schema=False`: OpenAPI is for the API.
- A **route** that blocks is a plain `def` and runs on one of the page's few threads; an
  `async def` awaits `page.run(work, …)` for what blocks. Its parameters:
  `page: ThePage`, `visitor: Annotated[Visitor, require(Right.SEE_RECORDINGS)]`, with
  `proof=True` where he must have given his password a short while ago. `require` also
  guards WebSockets, and checks forms and other sites. A route without it must be in `OPEN`.
- An **operation** is a struct of `control.requests`: `page.ask(ShowSession(id=…),
  visitor.name)`, which audits, and raises the errors of `control.errors`; they become
  answers here. `page.operations.carry_out(request, who)` is the same as an iterator.
- A **template** lies in `templates/` and begins with `{% extends "base.html" %}`;
  `render(request, "name.html", …)` fills it in. Its forms hold `{{ csrf() }}` after
  `{% from "parts.html" import csrf with context %}`; scripts send the header `x-csrf-token`
  from `<meta name="csrf">`.
- A **static file** lies in `static/` and is served under `/static/<version>/`: templates write
  `{{ static("name.js") }}`. What others made lies in `proxyd/assets/<package>/` and is
  `{{ asset("package/file.js") }}`. No script and no handler in HTML: the CSP refuses them.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount

from control.api import described, launch_routes
from control.api.launch_routes import REDEEM
from control.api.routes import make_router
from control.errors import (
    ConflictError,
    ControlError,
    DeniedError,
    IntegrityError,
    InvalidError,
    NotFoundError,
    UnreachableError,
)
from control.web import (
    admin_routes,
    group_routes,
    health_routes,
    home_routes,
    live_routes,
    log_in_routes,
    passkey_routes,
    playback_routes,
    profile_routes,
    provider_routes,
    recording_calls,
    request_routes,
    rule_routes,
    secret_routes,
    session_routes,
    vault_routes,
    watch_routes,
)
from control.web.limits import Limits
from control.web.page import Page
from control.web.rendering import STATIC, render
from control.web.static_files import Assets, Unchanging
from control.web.visitor import (
    LOG_IN,
    NotAllowedError,
    NotLoggedInError,
    StepNeededError,
    came_from,
)
from storage.errors import StorageUnavailableError

OPEN: Final = frozenset(
    {
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/login",
        "/login/passkey",
        "/login/passkey/options",
        "/login/provider",
        "/login/provider/back",
        REDEEM,
    }
)
"""What strangers may ask for, beside static files."""

STATUSES: Final[tuple[tuple[type[ControlError], HTTPStatus], ...]] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (InvalidError, HTTPStatus.BAD_REQUEST),
    (DeniedError, HTTPStatus.FORBIDDEN),
    (UnreachableError, HTTPStatus.FAILED_DEPENDENCY),
    (IntegrityError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ControlError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""What an error of an operation is in HTTP; the first that fits.

An engine that does not answer is no 502: a load balancer would take this node for ill.
"""

_log = structlog.get_logger()


def routers() -> tuple[APIRouter, ...]:
    """Return every router of the page and of the API."""
    return (
        health_routes.router,
        make_router(),
        launch_routes.router,
        recording_calls.router,
        log_in_routes.router,
        home_routes.router,
        session_routes.router,
        playback_routes.router,
        live_routes.router,
        secret_routes.router,
        request_routes.router,
        passkey_routes.router,
        provider_routes.router,
        profile_routes.router,
        admin_routes.router,
        group_routes.router,
        vault_routes.router,
        rule_routes.router,
        watch_routes.router,
    )


def make_app(page: Page, assets: Path) -> FastAPI:
    """Return the page; `assets` is the folder of what others made."""
    app = FastAPI(
        title="proxyd",
        description="Everything the command line does. Log in with a bearer token.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.page = page
    app.state.static = static = Assets("/static", STATIC)
    app.state.assets = others = Assets("/assets", assets)
    for served in (static, others):
        app.router.routes.append(Mount(served.prefix, Unchanging(directory=served.folder)))
    for router in routers():
        app.include_router(router)
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)
    app.add_middleware(Limits)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, routes=app.routes, description=app.description
        )
        app.openapi_schema["components"] = described.components()
    return app.openapi_schema


def _is_api(request: Request) -> bool:
    """Whether a script asks, which reads JSON."""
    wants_json = request.headers.get("accept") == "application/json"
    return wants_json or request.url.path.startswith("/api/")


def _tell(request: Request, status: int, kind: str, text: str, **headers: str) -> Response:
    """Return an answer that says what went wrong, to a script or to a person."""
    if _is_api(request):
        body = {"error": text, "kind": kind}
        return JSONResponse(body, status, headers=headers)
    answer = render(request, "message.html", status, title=_title(status), text=text)
    answer.headers.update(headers)
    return answer


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


async def _not_logged_in(request: Request, _error: Exception) -> Response:
    if _is_api(request):
        challenge = {"WWW-Authenticate": "Bearer"}
        text = "log in, or send a bearer token"
        return _tell(request, HTTPStatus.UNAUTHORIZED, "not_logged_in", text, **challenge)
    return RedirectResponse(came_from(request, LOG_IN), HTTPStatus.SEE_OTHER)


async def _not_allowed(request: Request, error: Exception) -> Response:
    return _tell(request, HTTPStatus.FORBIDDEN, "denied", str(error))


async def _step_needed(request: Request, error: Exception) -> Response:
    path = error.path if isinstance(error, StepNeededError) else LOG_IN
    if _is_api(request):
        text = f"open {path} in a browser first"
        return _tell(request, HTTPStatus.FORBIDDEN, "step_needed", text)
    return RedirectResponse(came_from(request, path), HTTPStatus.SEE_OTHER)


async def _control_error(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    name = type(error).__name__.removesuffix("Error").lower()
    return _tell(request, status, name, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = {404: "there is nothing at this address", 405: "this cannot be done here"}
    return _tell(request, status, "http", text.get(status, _title(status)))


async def _not_valid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    where = ", ".join(sorted({".".join(map(str, one["loc"][1:])) for one in problems}))
    return _tell(request, 400, "invalid", f"not what it must be: {where or 'the request'}")


async def _storage_gone(request: Request, error: Exception) -> Response:
    _log.warning("page.unavailable", path=request.url.path, reason=str(error))
    text = "the database is out of reach: try again in a moment"
    return _tell(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", text)


async def _defect(request: Request, error: Exception) -> Response:
    _log.error("page.failed", path=request.url.path, error=error)
    text = "proxyd made a mistake, which is in its log; try again, and tell its operator"
    return _tell(request, HTTPStatus.INTERNAL_SERVER_ERROR, "defect", text)


_ANSWERS: Final[dict[type[Exception], Any]] = {
    NotLoggedInError: _not_logged_in,
    NotAllowedError: _not_allowed,
    StepNeededError: _step_needed,
    ControlError: _control_error,
    StorageUnavailableError: _storage_gone,
    HTTPException: _http_error,
    RequestValidationError: _not_valid,
    Exception: _defect,
}
