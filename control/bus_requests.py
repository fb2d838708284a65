"""What can be asked about dead letters, in the vocabulary of `control.requests`."""

from msgspec import Struct

from control.request import Request


class ListDeadLetters(Request, frozen=True, kw_only=True):
    """Chunks that workers gave up on."""


class ReplayDeadLetters(Request, frozen=True, kw_only=True):
    """Send chunks to the workers again."""

    ids: tuple[str, ...] = ()
    """None: all."""


class DiscardDeadLetters(Request, frozen=True, kw_only=True):
    """Throw chunks away for good."""

    ids: tuple[str, ...] = ()
    """None: all."""


class DeadLetterSummary(Struct, frozen=True, kw_only=True):
    """One chunk that was given up on."""

    id: str
    site: str
    engine: str
    session: str
    """`?` where the bytes are no chunk."""
    sequence: int | None
    size_bytes: int
    reason: str
    """Who gave it up: `rejected` by a worker, or the broker by its `delivery_limit`."""


DeadLetterRequest = ListDeadLetters | ReplayDeadLetters | DiscardDeadLetters
