"""What can be asked about what live sessions show, in the vocabulary of requests."""

from uuid import UUID

from msgspec import Struct

from control.request import Request


class FollowSession(Request, frozen=True, kw_only=True):
    """Stream the frame bodies of a live session from now on, each a `LiveFrames`."""

    id: UUID


class LiveFrames(Struct, frozen=True, kw_only=True):
    """One frame body (`recorder.events.decode_burst` reads it)."""

    body: bytes


class WatchDesktop(Request, frozen=True, kw_only=True):
    """Stream what a live desktop session shows, each time it changed, as a `LivePicture`."""

    id: UUID


class LivePicture(Struct, frozen=True, kw_only=True):
    """What a desktop showed."""

    at_ms: int
    """In session time."""
    png: bytes


LiveRequest = FollowSession | WatchDesktop
