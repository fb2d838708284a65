"""What can be asked about the traffic of live sessions, in the vocabulary of requests."""

from uuid import UUID

from control.request import Line, Request


class PauseSession(Request, frozen=True, kw_only=True):
    """Let nothing cross a live session for now, and tell its user why."""

    id: UUID
    reason: Line


class ResumeSession(Request, frozen=True, kw_only=True):
    """Let a paused session go on."""

    id: UUID


PauseRequest = PauseSession | ResumeSession
