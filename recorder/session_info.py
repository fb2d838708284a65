"""Who reached what, where from, when and how: the header of a recording."""

import datetime as dt
import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from config.model import OnLoss

Port = Annotated[int, Meta(ge=1, le=65535)]


class RecordingMode(enum.StrEnum):
    """What is kept of a session."""

    EVERYTHING = "everything"
    KEYSTROKES = "keystrokes"
    VIDEO = "video"
    NOTHING = "nothing"


class Capture(enum.StrEnum):
    """How much of a channel without a terminal is kept; a terminal is always kept whole."""

    TEXT = "text"
    """Up to a limit for each channel and direction, then count and digest."""
    FULL = "full"
    """Every byte."""


class TargetProtocol(enum.StrEnum):
    """What a target speaks."""

    SSH = "ssh"
    RDP = "rdp"


class Target(Struct, frozen=True, kw_only=True):
    """The machine a session reaches."""

    host: str
    port: Port
    protocol: TargetProtocol


class RecordingTerms(Struct, frozen=True, kw_only=True):
    """What was agreed about the recording of one session."""

    mode: RecordingMode = RecordingMode.EVERYTHING
    capture: Capture = Capture.TEXT
    on_loss: OnLoss = OnLoss.REQUIRE
    mask_typed: bool = True
    """Whether what is typed while the target does not echo is hidden."""
    files_bytes: int | None = None
    """The most that is kept, each way, of a channel that carries files; None: as of others."""


class SessionInfo(Struct, frozen=True, kw_only=True):
    """One session, as every page, log line and chunk names it."""

    session_id: UUID
    user: str
    secret_name: str
    target: Target
    site: str
    engine_id: str
    client_address: str
    terms: RecordingTerms
    started_at: dt.datetime
