"""Who is there, and whether he may: `require`, the guard of every route.

INVARIANT: a route without a guard is one of `control.web.app.OPEN`; a test compares.
"""

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import params
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.websockets import WebSocket

from control import logins
from control.logins import LoggedIn
from control.rights import Right, may
from control.web.page import Page, page_of

COOKIE: Final = "__Host-proxyd"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_CSRF: Final = b"proxyd csrf v1\x00"
LOG_IN, SECOND_FACTOR, ENROL, NEW_PASSWORD, PROVE = (
    "/login",
    "/login/second-factor",
    "/profile/second-factor",
    "/profile/password",
    "/login/prove",
)


class NotLoggedInError(Exception):
    """Nobody whom we know is there."""


class NotAllowedError(Exception):
    """He may not, whatever he does. The text says why."""


class StepNeededError(Exception):
    """He may, once he has done something else: `path` is where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Visitor:
    """Somebody who is logged in."""

    logged_in: LoggedIn
    csrf: str
    """Goes into every form, as the field `csrf`."""
    now: dt.datetime

    @property
    def name(self) -> str:
        """His user name: `who` of the audit trail."""
        return self.logged_in.known.name

    @property
    def role(self) -> str:
        """`user`, `auditor` or `admin`."""
        return self.logged_in.known.role

    @property
    def has_proved_himself(self) -> bool:
        """Whether that was a short while ago, or a token says so."""
        proved = self.now - self.logged_in.proved_at <= logins.PROVED_FOR
        return self.logged_in.by_token or proved

    def may(self, right: Right) -> bool:
        """Whether his role has the right."""
        return may(self.role, right)


@dataclass(frozen=True)
class Guard:
    """What `require` hands to FastAPI."""

    right: Right
    proof: bool
    steps: tuple[str, ...]
    person: bool

    async def __call__(self, connection: HTTPConnection) -> Visitor:
        """Return who is there; raise one of this module's errors, or refuse a WebSocket."""
        try:
            return await self._admitted(connection)
        except (NotLoggedInError, NotAllowedError, StepNeededError) as error:
            if isinstance(connection, WebSocket):
                raise WebSocketException(WS_1008_POLICY_VIOLATION, str(error)) from error
            raise

    async def _admitted(self, connection: HTTPConnection) -> Visitor:
        page = page_of(connection)
        visitor = await page.run(find, page, connection)
        connection.state.visitor = visitor
        await _check_origin(connection, visitor)
        if (step := next_step(page, visitor)) and step not in self.steps:
            raise StepNeededError(step)
        if not visitor.may(self.right):
            raise NotAllowedError(f"a {visitor.role} may not {self.right}")
        if self.proof and not visitor.has_proved_himself:
            raise StepNeededError(PROVE)
        if self.person and visitor.logged_in.by_token:
            raise NotAllowedError("a token may not do this: log in and do it yourself")
        return visitor


def require(
    right: Right, *, proof: bool = False, steps: tuple[str, ...] = (), person: bool = False
) -> params.Depends:
    """Return what makes a route's parameter the visitor, if he may.

    `visitor: Annotated[Visitor, require(Right.SEE_RECORDINGS)]`. With `proof` he must have
    given his password or passkey within a quarter of an hour. `steps` are those that may
    still lie before him, for the routes that are such a step. With `person` no token will do.
    """
    return params.Depends(Guard(right, proof, steps, person))


def next_step(page: Page, visitor: Visitor) -> str | None:
    """Return where he must go before anything else, if anywhere."""
    logged_in = visitor.logged_in
    if logged_in.needs_second_factor:
        return SECOND_FACTOR
    if logged_in.by_token:
        return None
    if logged_in.known.must_change_password:
        return NEW_PASSWORD
    has_one = logged_in.known.factors.any or logged_in.second_factor_given
    if page.require_second_factor and not has_one:
        return ENROL
    return None


def find(page: Page, connection: HTTPConnection) -> Visitor:
    """Return who presents a cookie or a token; raise `NotLoggedInError`. Blocking."""
    now = page.clock.now()
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    with page.database.read() as session:
        if scheme.lower() == "bearer":
            found = logins.find_token(session, token.strip(), now)
            is_stale = found is not None and logins.token_is_stale(session, found.digest, now)
        else:
            found = logins.find(session, connection.cookies.get(COOKIE, ""), now)
            is_stale = found is not None and logins.is_stale(session, found.digest, now)
    if found is None:
        raise NotLoggedInError
    if is_stale:
        note = logins.touch_token if found.by_token else logins.touch
        with page.database.transaction() as session:
            note(session, found.digest, now)
    return Visitor(found, csrf_of(connection), now)


def csrf_of(connection: HTTPConnection) -> str:
    """Return what forms must hold: only who has the cookie can know it."""
    presented = connection.cookies.get(COOKIE, "").encode("utf-8", "surrogatepass")
    return hashlib.sha256(_CSRF + presented).hexdigest()


def came_from(request: Request, path: str) -> str:
    """Return `path`, knowing where to go on to afterwards."""
    if request.method not in _SAFE or request.url.path == "/":
        return path
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{path}?next={quote(target, safe='')}"


def local(target: str) -> str:
    """Return where to go on to: `target` if it is a path of ours, else the start."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\", "/login"))
    return target if is_path and target.isprintable() else "/"


def is_same_origin(connection: HTTPConnection) -> bool:
    """Say whether the browser, if it is one, says that our own page sent it."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == connection.headers.get("host")


async def _check_origin(connection: HTTPConnection, visitor: Visitor) -> None:
    """Raise `NotAllowedError` where another site makes his browser do this."""
    if visitor.logged_in.by_token:
        return
    if isinstance(connection, WebSocket):
        # Browsers always say where one comes from; CORS does not hold for them.
        if connection.headers.get("origin") is None or not is_same_origin(connection):
            raise NotAllowedError("this came from another page")
        return
    if not isinstance(connection, Request) or connection.method in _SAFE:
        return
    given = connection.headers.get(CSRF_HEADER) or await _in_form(connection)
    if not is_same_origin(connection) or not hmac.compare_digest(
        visitor.csrf.encode(), given.encode("utf-8", "replace")
    ):
        raise NotAllowedError("this page was open for too long: load it again")


async def _in_form(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        return ""
    given = (await request.form()).get(CSRF_FIELD, "")
    return given if isinstance(given, str) else ""
