"""A terminal session as an asciicast, version 2, for asciinema and its kin.

A cast holds one terminal: by default the first that was asked for. What ran beside
it is a marker at its moment. The format is JSON, so it holds text: bytes that are not
UTF-8 become U+FFFD; `export --format output` has them as they were.
"""

import codecs
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from recorder.events import (
    Became,
    ChannelId,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    CommandMatched,
    InputMasked,
    KnownEvent,
    NoticeShown,
    SessionStarted,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
)
from recorder.replay.drawing import drawing_of
from recorder.replay.export import SESSION_CHANNEL

PLAIN_COLUMNS = 80
PLAIN_ROWS = 24
"""What a channel without a terminal is shown on."""

_encoder = msgspec.json.Encoder()


class PlayedTerminal(Struct, frozen=True, kw_only=True):
    """What a recording is played on: one channel, and the size its terminal began with."""

    channel: ChannelId
    columns: int = PLAIN_COLUMNS
    rows: int = PLAIN_ROWS
    terminal: str | None = None
    """The user's `TERM`; None where no terminal was asked for."""


def find_terminal(
    events: Iterable[KnownEvent], channel: ChannelId | None = None
) -> PlayedTerminal | None:
    """Return the terminal of `channel`, by default of the first channel with a terminal.

    Where no channel has one, it is the first session channel, without one.
    """
    first: PlayedTerminal | None = None
    for event in events:
        match event:
            case TerminalRequested() if channel in {None, event.channel}:
                return PlayedTerminal(
                    channel=event.channel,
                    columns=event.columns or PLAIN_COLUMNS,
                    rows=event.rows or PLAIN_ROWS,
                    terminal=event.terminal,
                )
            case ChannelOpened(kind=kind) if kind == SESSION_CHANNEL:
                if first is None and channel in {None, event.channel}:
                    first = PlayedTerminal(channel=event.channel)
            case _:
                pass
    return first


def cast_lines(events: Iterable[KnownEvent], played: PlayedTerminal) -> Iterator[bytes]:
    """Yield the lines of the cast: the header, then an event a line.

    `events` must be placed in time (`timeline.placed`) and begin with the session's
    start, whose wall-clock time the header tells.
    """
    cast = _Cast(played)
    for event in events:
        yield from cast.lines(event)
    yield from cast.rest()


class _Cast:
    def __init__(self, played: PlayedTerminal) -> None:
        self._played = played
        self._decoders = {
            code: codecs.getincrementaldecoder("utf-8")("replace") for code in "io"
        }
        self._begun = False
        self._last_ms = 0

    def lines(self, event: KnownEvent) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield self._header(event)
        self._last_ms = event.at_ms
        yield from self._line_of(event)

    def rest(self) -> Iterator[bytes]:
        """Yield what was left of a character that never became whole."""
        for code, decoder in self._decoders.items():
            if text := decoder.decode(b"", final=True):
                yield self._line(code, text)

    def _header(self, first: KnownEvent) -> bytes:
        header: dict[str, object] = {
            "version": 2,
            "width": self._played.columns,
            "height": self._played.rows,
        }
        if isinstance(first, SessionStarted):
            info = first.info
            header["timestamp"] = int(info.started_at.timestamp())
            header["title"] = f"{info.user} on {info.secret_name} ({info.target.host})"
        if self._played.terminal:
            header["env"] = {"TERM": self._played.terminal}
        return _encoder.encode(header) + b"\n"

    def _line_of(self, event: KnownEvent) -> Iterator[bytes]:
        match event:
            case TargetData() | TargetErrorData() if event.channel == self._played.channel:
                has_terminal = self._played.terminal is not None
                yield from self._text("o", drawing_of(event, has_terminal=has_terminal))
            case ClientData() if event.channel == self._played.channel:
                yield from self._text("i", event.data)
            case TerminalResized() if event.channel == self._played.channel:
                yield self._line("r", f"{event.columns}x{event.rows}")
            case _:
                if (label := marker(event)) is not None:
                    yield self._line("m", label)

    def _text(self, code: str, data: bytes) -> Iterator[bytes]:
        if text := self._decoders[code].decode(data):
            yield self._line(code, text)

    def _line(self, code: str, data: str) -> bytes:
        return _encoder.encode((self._last_ms / 1000, code, data)) + b"\n"


def marker(event: KnownEvent) -> str | None:
    """Return what a player shows at the moment of `event`, or None where it is no landmark."""
    match event:
        case ChannelRequested(request="exec" | "subsystem"):
            return f"{event.request}: {event.detail.decode(errors='replace')}"
        case InputMasked():
            return "masked input"
        case NoticeShown():
            return f"notice: {event.text}"
        case Became():
            return f"became {event.account}: {event.method}"
        case CommandMatched():
            return f"rule {event.rule} ({event.outcome}): {event.command}"
        case _:
            return None
