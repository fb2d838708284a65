"""Live sessions, reached over the bus by threads that may block."""

import asyncio
from uuid import UUID

from bus.contract import Command, MessageUser, PauseSession, TerminateSession
from bus.errors import BusError
from bus.ports import ControlBus
from control.errors import UnreachableError

_ANSWER_LIMIT_S = 15.0
"""Longer than the bus's own timeout: it says more about what went wrong."""


class BusLiveSessions:
    """`control.ports.LiveSessions` for a running node. Make it on the bus's event loop."""

    def __init__(self, bus: ControlBus) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()

    def terminate(self, engine_id: str, session_id: UUID, reason: str) -> None:
        """End a session and tell its user why."""
        self._command(engine_id, TerminateSession(session_id=session_id, reason=reason))

    def message(self, engine_id: str, session_id: UUID, text: str) -> None:
        """Show a line in the user's terminal."""
        self._command(engine_id, MessageUser(session_id=session_id, text=text))

    def pause(self, engine_id: str, session_id: UUID, text: str, *, paused: bool) -> None:
        """Let nothing cross, or let it cross again, and tell the user."""
        self._command(engine_id, PauseSession(session_id=session_id, paused=paused, text=text))

    def _command(self, engine_id: str, command: Command) -> None:
        answering = asyncio.run_coroutine_threadsafe(
            self._bus.command(engine_id, command), self._loop
        )
        try:
            result = answering.result(_ANSWER_LIMIT_S)
        except (BusError, TimeoutError) as error:
            answering.cancel()
            raise UnreachableError(f"engine {engine_id} does not answer: {error}") from error
        if not result.done:
            raise UnreachableError(f"engine {engine_id} could not do it: {result.detail}")


class NoLiveSessions:
    """`control.ports.LiveSessions` where no node runs: nobody could end them."""

    def terminate(self, engine_id: str, session_id: UUID, reason: str) -> None:
        """Refuse."""
        raise _nobody_runs()

    def message(self, engine_id: str, session_id: UUID, text: str) -> None:
        """Refuse."""
        raise _nobody_runs()

    def pause(self, engine_id: str, session_id: UUID, text: str, *, paused: bool) -> None:
        """Refuse."""
        raise _nobody_runs()


def _nobody_runs() -> UnreachableError:
    return UnreachableError("no proxyd is running here; start it with `proxyd run`")
