"""What engines tell control about commands that break a secret's rules.

What was typed is sealed: it is for the audit trail, and for whoever approves it.
"""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

SealedText = Annotated[bytes, Meta(max_length=4096)]


class CommandReport(Struct, frozen=True, kw_only=True, tag="command_report"):
    """Engine to control: somebody typed, or asked for, what a rule is about."""

    session_id: UUID
    rule: str
    action: str
    """`alert notice hold end`."""
    outcome: str
    """`ran refused waits ended`."""
    sealed_command: SealedText
    """Sealed as a password is, for `command_info(session_id)`."""


class HoldCommand(Struct, frozen=True, kw_only=True, tag="hold_command"):
    """Engine to control: this command waits for approval. Asked again and again."""

    session_id: UUID
    rule: str
    sealed_command: SealedText
    asked: UUID | None = None
    """The request that `CommandHeld` named."""
    given_up: bool = False
    """Whoever typed it does not want it any more."""


class CommandHeld(Struct, frozen=True, kw_only=True, tag="command_held"):
    """Control to engine: so it stands."""

    asked: UUID
    approved: bool | None = None
    """None: nobody has decided."""
    said: str = ""
    """By whom, and what he said about it."""


CommandRequest = CommandReport | HoldCommand


def command_info(session_id: UUID) -> bytes:
    """Return the `info` under which a command of a session is sealed."""
    return b"proxyd command\x00" + session_id.bytes
