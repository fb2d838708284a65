"""What can be asked about how long recordings are kept, in the vocabulary of requests."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from control.request import Line, Request

Scope = Literal["default", "site", "secret"]
Days = Annotated[int, Meta(ge=1, le=36500)]


class HoldSession(Request, frozen=True, kw_only=True):
    """Keep a recording whatever the rules say."""

    id: UUID
    reason: Line


class ReleaseSession(Request, frozen=True, kw_only=True):
    """Leave a recording to the rules again."""

    id: UUID


class ShowRetention(Request, frozen=True, kw_only=True):
    """Every rule."""


class SetRetention(Request, frozen=True, kw_only=True):
    """Make a rule, or change it. Takes effect with the next run."""

    scope: Scope
    name: Annotated[str, Meta(max_length=200)] = ""
    """Of the secret or site; empty for the default."""
    days: Days | None
    """None: for ever."""


class UnsetRetention(Request, frozen=True, kw_only=True):
    """Remove a rule."""

    scope: Scope
    name: Annotated[str, Meta(max_length=200)] = ""


class RunRetention(Request, frozen=True, kw_only=True):
    """Delete what the rules say, now."""

    dry_run: bool = False
    """Only say what would go."""


class SweepBlobs(Request, frozen=True, kw_only=True):
    """Look for blobs that no recording names, each an `OrphanBlob`."""

    days: Days = 7
    """Only those older than this."""
    delete: bool = False


RetentionRequest = (
    HoldSession
    | ReleaseSession
    | ShowRetention
    | SetRetention
    | UnsetRetention
    | RunRetention
    | SweepBlobs
)


class RetentionRule(Struct, frozen=True, kw_only=True):
    """A rule: a secret's goes before its site's, that before the default."""

    scope: Scope
    name: str
    days: int | None


class DeletedRecording(Struct, frozen=True, kw_only=True):
    """A recording that is gone, or would be."""

    session: UUID
    ended_at: dt.datetime
    rule: str


class OrphanBlob(Struct, frozen=True, kw_only=True):
    """A blob that no recording names."""

    key: str
