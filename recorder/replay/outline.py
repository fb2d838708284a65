"""What a page shows of a chunk before anybody plays it: channels, landmarks, activity.

An outline is some hundred bytes, made once when the chunk is understood and kept beside
its keyframe, so that a recording of hours opens without being read. Sans-io.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ClientData,
    DesktopStarted,
    Event,
    NoticeShown,
    SessionStarted,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
    UnknownEvent,
)
from recorder.replay.asciicast import PLAIN_COLUMNS, PLAIN_ROWS, marker
from recorder.replay.export import SESSION_CHANNEL
from recorder.replay.terminal import clamp

_VERSION = 1
_MAX_MARKS = 256
"""Of one chunk: a flood of landmarks is none."""
_MAX_LABEL = 200
_MAX_CHANNELS = 256


class Opened(Struct, frozen=True, array_like=True):
    """A channel that can be played."""

    channel: int
    at_ms: int
    columns: int = PLAIN_COLUMNS
    rows: int = PLAIN_ROWS
    has_terminal: bool = False


class Mark(Struct, frozen=True, array_like=True):
    """A landmark, as a player shows it."""

    at_ms: int
    channel: int | None
    label: str


class Busy(Struct, array_like=True):
    """How much crossed on a channel within one second."""

    second: int
    shown_bytes: int = 0
    typed_bytes: int = 0


class Outline(Struct, array_like=True):
    """One chunk."""

    version: int = _VERSION
    opened: list[Opened] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    busy: dict[int, list[Busy]] = field(default_factory=dict)
    """By channel, in order of time."""
    screens: list[int] = field(default_factory=list)
    """The channels whose screen is in the keyframe behind this chunk."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outline)


def outline_of(events: Iterable[Event], screens: Iterable[int] = ()) -> Outline:
    """Return the outline of a chunk's events."""
    drawing = _Drawing()
    for event in events:
        if not isinstance(event, UnknownEvent):
            drawing.take(event)
    outline = drawing.outline
    outline.screens = sorted(screens)
    for busy in outline.busy.values():
        # A late key is of an earlier second than what is there already.
        busy.sort(key=lambda one: one.second)
    return outline


def encode_outline(outline: Outline) -> bytes:
    """Return what is stored."""
    return _encoder.encode(outline)


def decode_outline(stored: bytes) -> Outline | None:
    """Return a stored outline; None where another version made it."""
    try:
        outline = _decoder.decode(stored)
    except msgspec.DecodeError:
        return None
    return outline if outline.version == _VERSION else None


class _Drawing:
    """One pass over a chunk."""

    def __init__(self) -> None:
        self.outline = Outline()
        self._seconds: dict[tuple[int, int], Busy] = {}

    def take(self, event: Event) -> None:
        match event:
            case TargetData(data=data) | TargetErrorData(data=data):
                self._busy(event.channel, event.at_ms).shown_bytes += len(data)
            case ClientData(data=data):
                typed_ms = max(0, event.at_ms - event.held_ms)
                self._busy(event.channel, typed_ms).typed_bytes += len(data)
            case ChannelOpened(kind=kind) if kind == SESSION_CHANNEL:
                self._open(Opened(event.channel, event.at_ms))
            case TerminalRequested():
                columns, rows = clamp(event.columns, event.rows)
                self._open(Opened(event.channel, event.at_ms, columns, rows, True))  # noqa: FBT003 - a field
            case TerminalResized() | NoticeShown() | DesktopStarted() | ChannelClosed():
                self._busy(event.channel, event.at_ms)
            case _:
                pass
        self._mark(event)

    def _open(self, opened: Opened) -> None:
        if len(self.outline.opened) < _MAX_CHANNELS:
            self.outline.opened.append(opened)

    def _busy(self, channel: int, at_ms: int) -> Busy:
        second = at_ms // 1000
        if (channel, second) not in self._seconds:
            busy = self._seconds[channel, second] = Busy(second)
            self.outline.busy.setdefault(channel, []).append(busy)
        return self._seconds[channel, second]

    def _mark(self, event: Event) -> None:
        if isinstance(event, UnknownEvent | SessionStarted):
            return
        if len(self.outline.marks) < _MAX_MARKS and (label := marker(event)) is not None:
            channel = getattr(event, "channel", None)
            self.outline.marks.append(Mark(event.at_ms, channel, label[:_MAX_LABEL]))
