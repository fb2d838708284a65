"""The command that pauses a session; a part of `bus.contract`."""

from uuid import UUID

from msgspec import Struct


class PauseSession(Struct, frozen=True, kw_only=True, tag="pause_session"):
    """Control to engine: let nothing cross, or let it cross again, and show the user this."""

    session_id: UUID
    paused: bool
    text: str
