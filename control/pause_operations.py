"""Carries out what operators ask about live sessions' traffic; see `control.operations`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import pause_requests as ask
from control import sessions
from control.answers import Result
from control.audit import Act
from control.ports import LiveSessions
from control.requests import Done
from storage.database import Database


@dataclass(frozen=True)
class PauseOperations:
    """Sessions that wait, and go on."""

    database: Database
    live: LiveSessions
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result]]:
        """Say which request is whose."""
        return {ask.PauseSession: self.pause, ask.ResumeSession: self.resume}

    def pause(self, request: ask.PauseSession, who: str) -> Done:
        """Let nothing cross."""
        with self.database.transaction() as session:
            row = sessions.find_live(session, request.id)
            self.act(who).note(session, "session.paused", str(request.id), request.reason)
        text = f"proxyd: paused by an operator: {request.reason}"
        self.live.pause(row.engine, row.id, text, paused=True)
        return Done()

    def resume(self, request: ask.ResumeSession, who: str) -> Done:
        """Let it cross again."""
        with self.database.transaction() as session:
            row = sessions.find_live(session, request.id)
            self.act(who).note(session, "session.resumed", str(request.id))
        self.live.pause(row.engine, row.id, "proxyd: the session goes on", paused=False)
        return Done()
