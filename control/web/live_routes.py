"""The page of a live session: what it shows now, who else watches, and a word to its user."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from bus.errors import BusError
from control.errors import ControlError, DeniedError, UnreachableError
from control.live_requests import FollowSession, LivePicture, LiveRequest, WatchDesktop
from control.pause_requests import PauseSession, ResumeSession
from control.requests import MessageSession, TerminateSession
from control.rights import Right
from control.watching import Watch, across
from control.web.page import Page, ThePage
from control.web.playback_routes import Channel, Proven, Sees, admit, summary_of
from control.web.recordings import Looks
from control.web.rendering import render
from control.web.visitor import NotLoggedInError, StepNeededError, Visitor, find, require
from recorder.replay.alis import SUBPROTOCOL
from storage.errors import StorageUnavailableError

router = APIRouter(include_in_schema=False)

_OVER, _REFUSED, _AGAIN = 4000, 4001, 1013
"""Close codes: the player tries again after the last one, and only after that."""
LOOK_S: Final = 10.0
"""How long somebody who is shut out may go on watching."""
_MAX_REASON_BYTES: Final = 120
"""A WebSocket's close reason has 123 at most (RFC 6455 5.5)."""

Steers = Annotated[Visitor, require(Right.STEER_SESSIONS, proof=True)]
Text = Annotated[str, Form(max_length=1000)]


@router.get("/sessions/{session_id}/watch")
def watch(
    request: Request,
    page: ThePage,
    session_id: UUID,
    visitor: Proven,
    channel: Channel = None,
) -> Response:
    """Show a live session; one that is over is played."""
    summary = summary_of(page, session_id, visitor)
    if summary.state != "live":
        return RedirectResponse(f"/sessions/{session_id}", 303)
    admit(page, session_id, visitor, Looks.WATCHED)
    return render(
        request,
        "watch.html",
        one=summary,
        channel=channel,
        may_steer=visitor.may(Right.STEER_SESSIONS),
    )


@router.websocket("/sessions/{session_id}/live")
async def live(
    socket: WebSocket, page: ThePage, session_id: UUID, visitor: Sees, channel: Channel = None
) -> None:
    """Send what is shown from now on, beginning with the screen as it is."""
    await socket.accept(subprotocol=SUBPROTOCOL)
    watcher = Watcher(socket, page, session_id, visitor.name)
    if await watcher.begins(FollowSession(id=session_id)):
        feed = across(page.follow(session_id), page.node_loop)
        one = Watch(session_id, channel, page.recordings.playback, feed, page.clock)
        await watcher.watch(one.run(socket.send_bytes))


@router.websocket("/sessions/{session_id}/desktop")
async def desktop(socket: WebSocket, page: ThePage, session_id: UUID, visitor: Sees) -> None:
    """Send what a desktop shows, each picture whole, behind eight bytes of session time."""
    await socket.accept()
    watcher = Watcher(socket, page, session_id, visitor.name)
    if await watcher.begins(WatchDesktop(id=session_id)):
        pictures = across(page.pictures(session_id), page.node_loop)
        await watcher.watch(_send_pictures(socket, session_id, pictures))


@router.get("/sessions/{session_id}/watchers.json")
def watchers(page: ThePage, session_id: UUID, visitor: Sees) -> Response:
    """Say who watches, and whether there is still something to watch."""
    summary = summary_of(page, session_id, visitor)
    told = {"state": summary.state, "watchers": page.recordings.watchers.of(session_id)}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


@router.post("/sessions/{session_id}/message")
def message(page: ThePage, session_id: UUID, visitor: Steers, text: Text) -> Response:
    """Show a line in the user's terminal."""
    page.ask(MessageSession(id=session_id, text=text), visitor.name)
    return _back(session_id)


@router.post("/sessions/{session_id}/pause")
def pause(page: ThePage, session_id: UUID, visitor: Steers, reason: Text) -> Response:
    """Let nothing cross for now."""
    page.ask(PauseSession(id=session_id, reason=reason), visitor.name)
    return _back(session_id)


@router.post("/sessions/{session_id}/resume")
def resume(page: ThePage, session_id: UUID, visitor: Steers) -> Response:
    """Let it go on."""
    page.ask(ResumeSession(id=session_id), visitor.name)
    return _back(session_id)


@router.post("/sessions/{session_id}/terminate")
def terminate(page: ThePage, session_id: UUID, visitor: Steers, reason: Text) -> Response:
    """End the session, and tell its user why."""
    page.ask(TerminateSession(id=session_id, reason=reason), visitor.name)
    return RedirectResponse(f"/sessions/{session_id}", 303)


def _back(session_id: UUID) -> Response:
    return RedirectResponse(f"/sessions/{session_id}/watch", 303)


async def _send_pictures(
    socket: WebSocket, session_id: UUID, pictures: AsyncGenerator[LivePicture]
) -> None:
    async with contextlib.aclosing(pictures):
        try:
            async for picture in pictures:
                await socket.send_bytes(picture.at_ms.to_bytes(8) + picture.png)
        except BusError as error:
            raise UnreachableError(
                f"session {session_id} cannot be followed: {error}"
            ) from error


class Watcher:
    """Somebody who watches by a socket, for as long as he may and as there is something."""

    def __init__(self, socket: WebSocket, page: Page, session_id: UUID, who: str) -> None:
        self._socket, self._page = socket, page
        self._session_id, self._who = session_id, who
        self._ended: tuple[int, str] | None = None
        """What he is told at the end; None where he left by himself."""

    async def begins(self, request: LiveRequest) -> bool:
        """Say whether he is let in; tell him why not."""
        try:
            await self._page.run(self._admit)
            await self._page.run(self._page.ask, request, self._who)
        except ControlError as error:
            await _close(self._socket, _REFUSED, str(error))
            return False
        return True

    async def watch(self, showing: Coroutine[Any, Any, None]) -> None:
        """Show until the session ends, or he leaves or may watch no more."""
        self._ended = (_OVER, "the session has ended")
        with self._page.recordings.watchers.one(self._session_id, self._who):
            async with asyncio.TaskGroup() as tasks:
                waiting = [tasks.create_task(self._leaves()), tasks.create_task(self._may())]
                shown = tasks.create_task(self._show(showing))
                for task in waiting:
                    task.add_done_callback(lambda _: shown.cancel())
                await asyncio.wait({shown})
                for task in waiting:
                    task.cancel()
        if self._ended is not None:
            await _close(self._socket, *self._ended)

    async def _show(self, showing: Coroutine[Any, Any, None]) -> None:
        try:
            await showing
        except WebSocketDisconnect:
            self._ended = None
        except ControlError as error:
            self._ended = (_AGAIN, str(error))

    async def _leaves(self) -> None:
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass  # A watcher has nothing to say.
        self._ended = None

    async def _may(self) -> None:
        """Look now and then whether he is still let in; this also keeps his viewing going."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._page.run(self._admit)
            except DeniedError as error:
                self._ended = (_REFUSED, str(error))
                return
            except (ControlError, StorageUnavailableError) as error:
                self._ended = (_AGAIN, str(error))
                return

    def _admit(self) -> None:
        """Let him watch; raise `ControlError`. Blocking."""
        try:
            visitor = find(self._page, self._socket)
            if not visitor.may(Right.SEE_RECORDINGS):
                raise DeniedError("you may no longer see recordings")
            admit(self._page, self._session_id, visitor, Looks.WATCHED)
        except NotLoggedInError as error:
            raise DeniedError("you are logged out") from error
        except StepNeededError as error:
            text = "load the page again: it wants your password once more"
            raise DeniedError(text) from error


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    short = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    try:
        await socket.close(code, short)
    except (RuntimeError, WebSocketDisconnect):
        return  # He has left already.
