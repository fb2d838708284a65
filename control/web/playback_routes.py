"""The page of one session, and what its player fetches."""

import contextlib
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from control.errors import InvalidError, NotFoundError
from control.playback import View
from control.proof_requests import FetchProof, SessionProof
from control.requests import SearchHit, SessionSummary, ShowSession
from control.rights import Right
from control.verification import findings_of
from control.web.films import wanted_part
from control.web.page import ThePage
from control.web.player import DESKTOP_LISTS, TERMINAL_LISTS, player_markup
from control.web.recordings import Looks, NotApprovedError, Viewer
from control.web.rendering import render
from control.web.visitor import PROVE, StepNeededError, Visitor, require
from recorder.session_info import TargetProtocol

router = APIRouter(include_in_schema=False)

_FORMATS: Final = {
    "text": ("Transcript", "txt", "text/plain; charset=utf-8"),
    "cast": ("asciicast", "cast", "application/x-asciicast"),
    "output": ("Output, exactly", "output", "application/octet-stream"),
    "input": ("Input, exactly", "input", "application/octet-stream"),
    "events": ("Events, JSON lines", "jsonl", "application/jsonl"),
    "video": ("Video", "mp4", "video/mp4"),
    "storyboard": ("Storyboard", "png", "image/png"),
    "files": ("Files that crossed", "files.zip", "application/zip"),
    "bundle": ("Bundle with proof and player", "zip", "application/zip"),
}
"""Each export: its title, the end of its file's name, its media type."""
_OF_TERMINALS: Final = ("text", "cast", "output", "input", "events", "files", "bundle")
_OF_DESKTOPS: Final = ("video", "text", "input", "events", "storyboard", "bundle")
_KINDS: Final = frozenset({"input", "output", "command", "title", "file", "clipboard"})
_IDLE_LIMITS_S: Final = 3600
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""A recording is in no cache of a browser."""

Channel = Annotated[int | None, Query(ge=0, le=0xFFFFFFFF)]
ThereIs = Annotated[Visitor, require(Right.SEE_SESSIONS)]
Sees = Annotated[Visitor, require(Right.SEE_RECORDINGS)]
Proven = Annotated[Visitor, require(Right.SEE_RECORDINGS, proof=True)]


def _view(
    page: ThePage, session_id: UUID, visitor: Sees, idle: str = "", channel: Channel = None
) -> View:
    """Return what of a recording the player asks for, if the visitor may see it."""
    admit(page, session_id, visitor)
    return View(session_id=session_id, channel=channel, idle_limit_ms=_limit_ms(idle))


Viewed = Annotated[View, Depends(_view)]


@router.get("/sessions/{session_id}")
def one(
    request: Request,
    page: ThePage,
    session_id: UUID,
    visitor: ThereIs,
    channel: Channel = None,
) -> Response:
    """Show the facts of a session, and its player to whoever may see recordings."""
    summary = summary_of(page, session_id, visitor)
    is_desktop = summary.protocol == TargetProtocol.RDP
    recordings = page.recordings
    sees = visitor.may(Right.SEE_RECORDINGS) and summary.deleted_at is None
    channels = recordings.playback.channels(session_id) if sees and not is_desktop else []
    lets = recordings.lets(session_id, visitor.name)
    has_player = sees and lets and bool(channels or is_desktop) and summary.chunks > 0
    admit(page, session_id, visitor, Looks.PLAYED if has_player else Looks.OPENED)
    player = ""
    if has_player:
        player = player_markup(
            base=f"/sessions/{session_id}",
            channel=channel,
            started_at=summary.started_at,
            verify=f"/sessions/{session_id}/verify.json",
            video=f"/sessions/{session_id}/video.mp4" if is_desktop else "",
            lists=DESKTOP_LISTS if is_desktop else TERMINAL_LISTS,
        )
    formats = (_OF_DESKTOPS if is_desktop else _OF_TERMINALS) if sees and lets else ()
    return render(
        request,
        "session.html",
        one=summary,
        channels=channels,
        channel=channel,
        player=player,
        sees=sees,
        lets=lets,
        formats=[(name, _FORMATS[name][0]) for name in formats],
    )


@router.get("/sessions/{session_id}/play/index.json")
def index(page: ThePage, view: Viewed) -> Response:
    """Return what the player reads first."""
    return _json(page.recordings.playback.index(view, f"segments/{{}}?{_query(view)}"))


@router.get("/sessions/{session_id}/play/segments/{sequence}")
def segment(page: ThePage, view: Viewed, sequence: int) -> Response:
    """Return what is played from one screen on."""
    return _json(page.recordings.playback.segment(view, sequence))


@router.get("/sessions/{session_id}/play/overview.json")
def overview(page: ThePage, view: Viewed) -> Response:
    """Return clock and activity."""
    return _json(page.recordings.playback.overview(view))


@router.get("/sessions/{session_id}/play/lines.json")
def lines(
    page: ThePage,
    session_id: UUID,
    kind: Annotated[list[str], Query()],
    visitor: Sees,
    q: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """Return the lines of some kinds that hold `q`."""
    admit(page, session_id, visitor)
    kinds = tuple(one for one in kind if one in _KINDS)
    found = page.recordings.playback.lines(session_id, kinds, q)
    return JSONResponse([_line(hit) for hit in found], headers=_NOT_KEPT)


@router.get("/sessions/{session_id}/verify.json")
def verify(page: ThePage, session_id: UUID, visitor: Sees) -> Response:
    """Check every chunk, now, and say what is wrong."""
    summary = summary_of(page, session_id, visitor)
    proof = cast("SessionProof", page.ask(FetchProof(id=session_id), visitor.name))
    chunks = page.recordings.playback.stored(session_id)
    findings = findings_of(summary, proof, chunks)
    told = [{"problem": one.problem.value, "text": one.text} for one in findings]
    return JSONResponse({"whole": not findings, "findings": told}, headers=_NOT_KEPT)


@router.get("/sessions/{session_id}/video.mp4")
async def video(request: Request, page: ThePage, session_id: UUID, visitor: Sees) -> Response:
    """Return a film of a desktop, or the part of it that the player wants."""
    summary = await page.run(summary_of, page, session_id, visitor)
    await page.run(admit, page, session_id, visitor)
    if summary.state == "live" or summary.deleted_at is not None:
        raise NotFoundError(f"session {session_id} has no film: it is live, or was deleted")
    recordings = page.recordings
    pieces = recordings.export(session_id, "video", None, visitor.name)
    if "range" not in request.headers and recordings.films.kept(session_id) is None:
        growing = recordings.films.growing(session_id, pieces)
        return await _sent(growing, "video/mp4", {"Accept-Ranges": "none"})
    film = await recordings.films.of(session_id, pieces)
    part = wanted_part(request.headers.get("range"), film.size_bytes)
    headers = {"Accept-Ranges": "bytes"} | _NOT_KEPT
    if part is None:
        headers["Content-Range"] = f"bytes */{film.size_bytes}"
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    first, last = part
    headers["Content-Length"] = str(last + 1 - first)
    status = HTTPStatus.OK
    if "range" in request.headers:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {first}-{last}/{film.size_bytes}"
    return StreamingResponse(
        film.part(first, last), status, media_type="video/mp4", headers=headers
    )


@router.get("/sessions/{session_id}/export/{format_}")
async def export(
    page: ThePage,
    session_id: UUID,
    format_: str,
    visitor: Proven,
    channel: Channel = None,
) -> Response:
    """Hand out a recording as a file."""
    if format_ not in _FORMATS:
        raise NotFoundError(f"there is no export {format_!r}; there are {', '.join(_FORMATS)}")
    recordings, who = page.recordings, visitor.name
    await page.run(admit, page, session_id, visitor)
    await page.run(recordings.note, session_id, who, "session.exported", format_)
    _, ending, media_type = _FORMATS[format_]
    pieces = recordings.exports.made(who, recordings.export(session_id, format_, channel, who))
    name = f"session-{session_id}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return await _sent(pieces, media_type, headers)


async def _sent(
    pieces: AsyncGenerator[bytes], media_type: str, headers: dict[str, str]
) -> Response:
    """Send what is still being made; what is refused is refused before the answer."""
    first = await anext(pieces, b"")

    async def whole() -> AsyncGenerator[bytes]:
        async with contextlib.aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(whole(), media_type=media_type, headers=headers | _NOT_KEPT)


def admit(
    page: ThePage, session_id: UUID, visitor: Visitor, looks: Looks = Looks.PLAYED
) -> None:
    """Let him look, if he has shown who he is or had when he opened it."""
    viewer = Viewer(visitor.name, visitor.logged_in.digest, visitor.has_proved_himself)
    try:
        may = page.recordings.admit(session_id, viewer, looks)
    except NotApprovedError as error:
        raise StepNeededError(f"/sessions/{session_id}/approval") from error
    if not may:
        raise StepNeededError(PROVE)


def summary_of(page: ThePage, session_id: UUID, visitor: Visitor) -> SessionSummary:
    """Return the facts; raise `NotFoundError`."""
    return cast("SessionSummary", page.ask(ShowSession(id=session_id), visitor.name))


def _limit_ms(idle: str) -> int | None:
    if not idle:
        return None
    if not (idle.isdecimal() and 1 <= int(idle) <= _IDLE_LIMITS_S):
        raise InvalidError(f"idle: a pause lasts 1 to {_IDLE_LIMITS_S} seconds")
    return int(idle) * 1000


def _query(view: View) -> str:
    idle = "" if view.idle_limit_ms is None else view.idle_limit_ms // 1000
    return f"idle={idle}" + ("" if view.channel is None else f"&channel={view.channel}")


def _json(encoded: bytes) -> Response:
    return Response(encoded, media_type="application/json", headers=_NOT_KEPT)


def _line(hit: SearchHit) -> dict[str, object]:
    return {"at_ms": hit.at_ms, "kind": hit.kind, "text": hit.text, "channel": hit.channel}
