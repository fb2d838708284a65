"""What operators ask about the node itself, in the vocabulary of `control.requests`."""

import datetime as dt

from msgspec import Struct

from control.request import Request


class RotateMasterKey(Request, frozen=True, kw_only=True):
    """Make a new master key and wrap every secret's key with it; nothing is re-encrypted."""


class AskStatus(Request, frozen=True, kw_only=True):
    """How the node is."""


class Status(Struct, frozen=True, kw_only=True):
    """How the node is."""

    running: bool
    version: str
    role: str
    pid: int
    live_sessions: int
    spool_bytes: int
    unshipped_chunks: int
    unindexed_chunks: int
    listening: dict[str, tuple[str, ...]]
    problems: tuple[str, ...] = ()
    master_key: str = ""
    """The file that a running node read its master key from."""
    engines: tuple[str, ...] = ()  # That a control node heard of lately.
    engine: str = ""
    """The engine of this node."""
    site: str = ""
    """The site that it serves."""
    broker: bool | None = None
    """Whether the broker is connected; None without one."""
    unreachable_s: float = 0.0
    """For how long nothing could be stored."""
    last_receipt_at: dt.datetime | None = None
    """When a chunk of this node was last stored."""
