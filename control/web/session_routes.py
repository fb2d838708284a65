"""The list of sessions, and the search through what happened in them."""

import datetime as dt
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from control import sessions
from control.errors import InvalidError
from control.requests import ListSessions, SearchHit, SearchSessions, SessionSummary
from control.rights import Right
from control.web.acting import filled
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import PROVE, NotAllowedError, StepNeededError, Visitor, require
from storage.tables import SessionRow

router = APIRouter(include_in_schema=False)

PAGE_ROWS: Final = 50
_MAX_HITS: Final = 500
_HITS_SHOWN: Final = 5
"""Of one session; the player finds the rest."""
STATES: Final = ("live", "finished", "interrupted", "lost")
PROTOCOLS: Final = ("ssh", "rdp")
KINDS: Final = {
    "command": "commands",
    "input": "typed",
    "output": "shown",
    "title": "titles",
    "file": "files",
    "clipboard": "clipboard",
}
"""What can be searched, and how the page calls it."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What the list is narrowed down to."""

    q: str = ""
    kinds: tuple[str, ...] = ()
    state: str = ""
    protocol: str = ""
    user: str = ""
    secret: str = ""
    site: str = ""
    since: str = ""
    until: str = ""
    after: str = ""

    def request(self) -> ListSessions:
        """Return it as operators ask; raise `InvalidError`."""
        try:
            after = UUID(self.after) if self.after else None
            since, until = _moment(self.since), _moment(self.until)
        except ValueError as error:
            raise InvalidError(f"this is no time, or no session: {error}") from error
        return ListSessions(
            state=filled(self.state),
            protocol=filled(self.protocol),
            user=filled(self.user),
            secret=filled(self.secret),
            site=filled(self.site),
            since=since,
            until=until,
            after=after,
            limit=PAGE_ROWS + 1,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for."""
        return self != Wanted()

    def address(self, **changed: str) -> str:
        """Return the address of the list, with some of it changed."""
        values = msgspec.structs.asdict(msgspec.structs.replace(self, **changed))
        values["kind"] = values.pop("kinds")
        pairs = {name: value for name, value in values.items() if value}
        return "/sessions?" + urlencode(pairs, doseq=True)


class Found(Struct, frozen=True, kw_only=True):
    """A session in the list, and what the search found in it."""

    session: SessionSummary
    hits: list[SearchHit]
    count: int

    @property
    def length(self) -> dt.timedelta | None:
        """How long it took, where it is over."""
        one = self.session
        return None if one.ended_at is None else one.ended_at - one.started_at


@router.get("/sessions")
def list_sessions(
    request: Request,
    page: ThePage,
    visitor: Annotated[Visitor, require(Right.SEE_SESSIONS)],
    kind: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Show sessions, or hits of a search."""
    wanted = _wanted(request, tuple(one for one in kind if one in KINDS))
    if wanted.q:
        _check_may_search(visitor)
        rows, more = _search(page, wanted, visitor.name), False
    else:
        rows = _list(page, wanted, visitor.name)
        rows, more = rows[:PAGE_ROWS], len(rows) > PAGE_ROWS
    return render(
        request,
        "sessions.html",
        wanted=wanted,
        rows=rows,
        hits=sum(row.count for row in rows),
        next_page=wanted.address(after=str(rows[-1].session.id)) if more else "",
        first_page=wanted.address(after="") if wanted.after else "",
        states=STATES,
        protocols=PROTOCOLS,
        kinds=KINDS,
    )


def _wanted(request: Request, kinds: tuple[str, ...]) -> Wanted:
    names = set(Wanted.__struct_fields__) - {"kinds"}
    given = {name: text.strip() for name, text in request.query_params.items() if name in names}
    return msgspec.convert({**given, "kinds": kinds}, Wanted)


def _check_may_search(visitor: Visitor) -> None:
    """Hits show what others did: they want what a playback wants."""
    if not visitor.may(Right.SEE_RECORDINGS):
        raise NotAllowedError(f"a {visitor.role} may not {Right.SEE_RECORDINGS}")
    if not visitor.has_proved_himself:
        raise StepNeededError(PROVE)


def _list(page: Page, wanted: Wanted, who: str) -> list[Found]:
    found = page.list(wanted.request(), who, SessionSummary)
    return [Found(session=one, hits=[], count=0) for one in found]


def _search(page: Page, wanted: Wanted, who: str) -> list[Found]:
    """Return the sessions with hits, newest first, of those that the filters leave."""
    request = SearchSessions(text=wanted.q, kinds=wanted.kinds, limit=_MAX_HITS)
    by_session: dict[UUID, list[SearchHit]] = {}
    for hit in page.list(request, who, SearchHit):
        by_session.setdefault(hit.session, []).append(hit)
    narrowed = msgspec.structs.replace(wanted.request(), after=None)
    with page.database.read() as session:
        query = sessions.narrowed(narrowed).where(SessionRow.id.in_(list(by_session)))
        rows = [sessions.summary(row) for row in session.scalars(query)]
    return [
        Found(session=one, hits=by_session[one.id][:_HITS_SHOWN], count=len(by_session[one.id]))
        for one in rows
    ]


def _moment(text: str) -> dt.datetime | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text)
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
