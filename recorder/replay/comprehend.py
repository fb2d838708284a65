"""What a chunk means: the lines that were shown, typed and run, each with its time.

A pure function from one chunk and the state that the chunk before left, so that it
can run in a process of its own and resume at any chunk. Whatever bytes a target or a
user sends, it raises nothing and its memory is bounded; its time is for the caller
to limit.
"""

import hashlib
import re
from operator import itemgetter

import msgspec
from msgspec import Struct

from recorder.chunk import decode
from recorder.events import (
    Became,
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    CommandMatched,
    DesktopStarted,
    Event,
    FileTouched,
    InputMasked,
    RecordingGap,
    SessionEnded,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
)
from recorder.replay.channel import Channel, ChannelState
from recorder.replay.desktop import CLICKED, TYPED, Desktop, DesktopState
from recorder.replay.outline import encode_outline, outline_of
from recorder.replay.rdp.bitmaps import BitmapDecoder, PureDecoder
from recorder.replay.terminal import MAX_LINE

STATE_VERSION = 1
MAX_LINES = 200_000
"""Rendered lines kept of a session, and as many of all other kinds together."""
REPEAT_MS = 30_000
"""The same line shown again within this time of its last showing is a redraw."""
_MAX_REMEMBERED = 1024
_MAX_CHANNELS = 256
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MASKED = "(proxyd: what was typed here is not kept: a screen asked for a password)"
_OVERFLOW = "(this session shows more than is indexed: the rest is only in the recording)"


class Line(Struct, frozen=True, kw_only=True):
    """A line of the index."""

    at_ms: int
    kind: str
    """`output input command title file clipboard`."""
    channel: int | None
    text: str


class Comprehension(Struct, frozen=True, kw_only=True):
    """What a chunk meant, and what the next one needs to know."""

    state: bytes
    lines: list[Line]
    outline: bytes = b""
    """What `recorder.replay.outline` reads; empty where the chunk was given up."""


class Screen(Struct, frozen=True, kw_only=True):
    """A terminal as a chunk opens."""

    channel: int
    columns: int
    rows: int
    dump: str
    """VT text that draws the screen on an empty terminal of that size."""
    held: str = ""
    """The beginning of an escape sequence."""
    tail: bytes = b""
    """The beginning of a character."""
    has_terminal: bool = True
    """Whether the target was asked for one."""


class _State(Struct, array_like=True):
    version: int = STATE_VERSION
    channels: dict[int, ChannelState] = {}
    shown: int = 0
    others: int = 0
    shown_last: dict[int, int] = {}
    """Digest of a line to the `at_ms` of its last showing, oldest first."""
    desktop: DesktopState | None = None
    """Of an RDP session, from its start on."""


_OPENING, _KEYS, _DATA = range(3)
"""What goes first within a millisecond."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


def comprehend(
    state: bytes | None,
    encoded_chunk: bytes,
    data_key: bytes = b"",
    *,
    with_screens: bool = True,
    decoder: BitmapDecoder | None = None,
) -> Comprehension:
    """Return what `encoded_chunk` means after `state`; raise `CorruptChunkError`.

    `state` is what the chunk before left, or None at a session's first chunk, or
    where that was lost: then screens begin empty. Without screens nothing is emulated,
    for a chunk that breaks the emulator: what was sent stands for what was shown, and
    the screens of the next chunk begin empty. Bitmaps of desktops are left to `decoder`.
    """
    events = decode(encoded_chunk, data_key).unpack()
    draws = (decoder or PureDecoder()) if with_screens else None
    reading = _Reading(_decoded(state), draws)
    for event in _as_happened(events):
        reading.take(event)
    finished = reading.finish()
    outline = outline_of(events, reading.with_screens)
    return Comprehension(state=finished, lines=reading.lines, outline=encode_outline(outline))


def screens(state: bytes) -> list[Screen]:
    """Return the terminals in a keyframe's state."""
    return [
        Screen(
            channel=number,
            columns=terminal.columns,
            rows=terminal.rows,
            dump=terminal.dump,
            held=terminal.held,
            tail=channel.drawn.tail if channel.terminal is None else channel.shown.tail,
            has_terminal=channel.terminal is not None,
        )
        for number, channel in _decoded(state).channels.items()
        if (terminal := channel.screen) is not None
    ]


def desktop_of(state: bytes) -> DesktopState | None:
    """Return the desktop in a keyframe's state; None where there is none."""
    return _decoded(state).desktop


def without_screens(state: bytes | None) -> bytes:
    """Return `state` with empty screens, to go on with behind a chunk that was given up."""
    loose = _decoded(state)
    for channel in loose.channels.values():
        channel.forget_screen()
    if loose.desktop is not None:
        loose.desktop.lose()
    return _encoder.encode(loose)


def behind_gap(state: bytes | None) -> bytes | None:
    """Return what is left of `state` for a chunk that does not follow: a desktop, lost."""
    desktop = _decoded(state).desktop
    if desktop is None:
        return None
    desktop.lose()
    return _encoder.encode(_State(desktop=desktop))


class _Reading:
    """One pass over a chunk."""

    def __init__(self, state: _State, decoder: BitmapDecoder | None) -> None:
        self._state = state
        self._decoder = decoder
        self._channels: dict[int, Channel] = {}
        self._desktop: Desktop | None = None
        if state.desktop is not None:
            self._desktop = self._desktop_of(state.desktop)
        self._now_ms = 0
        self.lines: list[Line] = []

    def take(self, event: Event) -> None:
        match event:
            case ChannelOpened(channel=number, kind=kind):
                self._open(number, kind)
            case TerminalRequested() | TerminalResized():
                self._channel(event.channel).resize(event.at_ms, event.columns, event.rows)
            case ChannelRequested(request=request, detail=detail):
                self._channel(event.channel).request(event.at_ms, request, detail)
            case TargetData(at_ms=at_ms, data=data):
                shown = self._desktop_at(event.channel) or self._channel(event.channel)
                shown.show(at_ms, data)
            case TargetErrorData(at_ms=at_ms, data=data):
                self._channel(event.channel).show_error(at_ms, data)
            case CommandMatched() | Became():
                self.tell(event.at_ms, "command", event.channel, _told(event))
            case ClientData(data=data):
                typed = self._desktop_at(event.channel) or self._channel(event.channel)
                typed.type(event.at_ms - event.held_ms, data)
            case _:
                self._take_rare(event)

    def _take_rare(self, event: Event) -> None:
        match event:
            case ChannelClosed(at_ms=at_ms, channel=number):
                self._channel(number).close(at_ms)
                self._forget(number)
            case FileTouched():
                self.tell(event.at_ms, "file", event.channel, _done_to_a_file(event))
            case SessionEnded(at_ms=at_ms):
                for number in list(self._state.channels):
                    self._channel(number).close(at_ms)
                if self._desktop is not None:
                    self._desktop.close()
            case DesktopStarted():
                self._state.desktop = DesktopState.begun(event)
                self._desktop = self._desktop_of(self._state.desktop)
                self._desktop.resize(event.at_ms, event.width_px, event.height_px)
            case InputMasked() | RecordingGap() if self._desktop is not None:
                self._lack(self._desktop, event)
            case _:
                pass

    def _lack(self, desktop: Desktop, event: InputMasked | RecordingGap) -> None:
        """Take note of what is not in the recording of a desktop."""
        if isinstance(event, RecordingGap):
            desktop.lose(event.at_ms)
        else:
            self.tell(event.at_ms, TYPED, event.channel, _MASKED)

    def tell(self, at_ms: int, kind: str, channel: int | None, text: str) -> None:
        """Add a line, unless it is a redraw or past the limit."""
        if not text.isprintable():
            # Lines are shown to auditors: what acts on a terminal must not be in them.
            text = _CONTROLS.sub(" ", text)
        text = text[:MAX_LINE].rstrip()
        if not text or (kind == "output" and self._is_redraw(at_ms, text)):
            return
        count = self._state.shown if kind == "output" else self._state.others
        if count > MAX_LINES:
            return
        if kind == "output":
            self._state.shown += 1
        else:
            self._state.others += 1
        if count == MAX_LINES:
            text = _OVERFLOW
        self.lines.append(Line(at_ms=max(at_ms, 0), kind=kind, channel=channel, text=text))

    @property
    def with_screens(self) -> list[int]:
        """The channels whose screens the state holds."""
        channels = self._state.channels
        return [number for number in channels if channels[number].screen is not None]

    def finish(self) -> bytes:
        """Tell what the screens show by now; return the state for the next chunk."""
        for number, channel in self._channels.items():
            self._state.channels[number] = channel.suspend()
        if self._desktop is not None:
            self._state.desktop = self._desktop.suspend()
        return _encoder.encode(self._state)

    def _is_redraw(self, at_ms: int, text: str) -> bool:
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
        last_ms = self._state.shown_last.pop(key, None)
        is_redraw = last_ms is not None and abs(at_ms - last_ms) < REPEAT_MS
        self._state.shown_last[key] = last_ms if is_redraw and last_ms is not None else at_ms
        if len(self._state.shown_last) > _MAX_REMEMBERED:
            del self._state.shown_last[next(iter(self._state.shown_last))]
        return is_redraw

    def _open(self, number: int, kind: str) -> None:
        self._channels.pop(number, None)
        self._state.channels[number] = ChannelState(kind=kind)
        if len(self._state.channels) > _MAX_CHANNELS:
            self._forget(next(iter(self._state.channels)))

    def _forget(self, number: int) -> None:
        self._channels.pop(number, None)
        self._state.channels.pop(number, None)

    def _desktop_of(self, state: DesktopState) -> Desktop:
        def tell(at_ms: int, kind: str, text: str) -> None:
            # A click is found among what was typed, which it parts.
            self.tell(at_ms, TYPED if kind == CLICKED else kind, state.channel, text)

        return Desktop(state, tell, self._decoder)

    def _desktop_at(self, number: int) -> Desktop | None:
        desktop = self._state.desktop
        return self._desktop if desktop is not None and desktop.channel == number else None

    def _channel(self, number: int) -> Channel:
        if number not in self._channels:
            state = self._state.channels.get(number)
            if state is None:
                self._open(number, "session")
                state = self._state.channels[number]
            self._channels[number] = Channel(
                state,
                lambda at_ms, kind, text: self.tell(at_ms, kind, number, text),
                with_screen=self._decoder is not None,
            )
        return self._channels[number]


def _as_happened(events: list[Event]) -> list[Event]:
    """Put keys before their echo: they are recorded when it is clear that they may be kept."""
    if not any(isinstance(event, ClientData) and event.held_ms for event in events):
        return events
    opened_ms = 0
    ordered = []
    for event in events:
        happened_ms, rank = event.at_ms, _DATA
        if isinstance(event, ChannelOpened | ChannelRequested | TerminalRequested):
            opened_ms, rank = event.at_ms, _OPENING
        elif isinstance(event, ClientData):
            happened_ms, rank = max(opened_ms, event.at_ms - event.held_ms), _KEYS
        ordered.append((happened_ms, rank, event))
    ordered.sort(key=itemgetter(0, 1))
    return [event for _, _, event in ordered]


def _decoded(state: bytes | None) -> _State:
    if state is None:
        return _State()
    try:
        decoded = _decoder.decode(state)
    except msgspec.DecodeError:
        return _State()
    return decoded if decoded.version == STATE_VERSION else _State()


def _done_to_a_file(touched: FileTouched) -> str:
    text = f"{touched.operation} {touched.path} {touched.new_path}".strip()
    return text if touched.outcome == "ok" else f"{text} ({touched.outcome})"


def _told(event: CommandMatched | Became) -> str:
    if isinstance(event, Became):
        return f"became {event.account} by {event.method}"
    return f"rule {event.rule} ({event.action}, {event.outcome}): {event.command}"
