"""What operators ask about engines, in the vocabulary of `control.requests`."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from control.request import Request


class ListEngines(Request, frozen=True, kw_only=True):
    """All engines, those that wait for approval first."""


class ApproveEngine(Request, frozen=True, kw_only=True):
    """Let an engine serve its site."""

    id: str
    code: Annotated[str, Meta(min_length=1, max_length=100)]
    """The one-time code that the engine shows."""


class RevokeEngine(Request, frozen=True, kw_only=True):
    """End an engine: its sessions end, what it asks and ships from now on is refused."""

    id: str


class EngineSummary(Struct, frozen=True, kw_only=True):
    """An engine, as lists show it."""

    id: str
    site: str
    state: str
    """`pending`, `active` or `revoked`."""
    fingerprint: str
    """Of its signing key: `SHA256:…`."""
    requested_at: dt.datetime
    approved_at: dt.datetime | None
    revoked_at: dt.datetime | None
    seen_at: dt.datetime | None
    """When it last asked whom it is to believe: every minute."""


class RotateControlKey(Request, frozen=True, kw_only=True):
    """Make a new signing key of control; it takes over once every engine knows it."""


class RotateStorageKey(Request, frozen=True, kw_only=True):
    """Make a new signing key of the storage side; it takes over once every engine knows it."""


EnrolmentRequest = (
    ListEngines | ApproveEngine | RevokeEngine | RotateControlKey | RotateStorageKey
)
