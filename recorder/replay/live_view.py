"""Follows a session that is going on, from the middle, without losing or doubling a byte.

Three things overlap: the chunks that are stored, the segment that is still open on
the engine, and the live feed, which begins at some moment inside that segment. The
feed is drawn at once. What lies before its beginning arrives with the next chunk; then
the chunk's frames are matched with the feed's, and the screen is drawn anew, whole.

A frame is matched by its bytes, which hold its milliseconds. Sans-io.
"""

import codecs

from recorder.chunk import Chunk, read_frames
from recorder.events import (
    ChannelClosed,
    ChannelId,
    ChannelOpened,
    Event,
    NoticeShown,
    SessionEnded,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
    decode_burst,
)
from recorder.replay.asciicast import PLAIN_COLUMNS, PLAIN_ROWS
from recorder.replay.comprehend import Screen
from recorder.replay.drawing import Drawn, drawing_of
from recorder.replay.export import SESSION_CHANNEL
from recorder.replay.screen_filter import ScreenFilter
from recorder.replay.terminal import Terminal, clamp

MAX_TAIL_BYTES = 32 * 1024 * 1024
"""How much of the feed is remembered while its beginning is not stored yet."""
_CLEAR = b"\x1b[0m\x1b[2J\x1b[H"


class LiveView:
    """One watched session."""

    def __init__(
        self,
        channel: ChannelId | None = None,
        *,
        next_sequence: int = 0,
        screen: Screen | None = None,
    ) -> None:
        """Watch from the first chunk on; or from a later one, which begins with `screen`."""
        self._filter = ScreenFilter()
        self._stored = _Watched(channel)
        if screen is not None:
            self._stored.restore(screen)
        """The screen behind everything that is known without a hole."""
        self._ahead = self._stored.without_screen()
        """What is drawn while there is one."""
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._known: list[bytes] = []
        """Frames that a chunk brought before the feed did, the next one last."""
        self._newest: list[bytes] = []
        """The frames of the newest stored chunk: the feed may begin inside it."""
        self.joined = False
        """Whether feed and chunks have met, so that no further chunk is needed."""
        self.next_sequence = next_sequence
        """The chunk to ask for."""
        self.ended = False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of what is drawn on."""
        return (self._stored if self.joined else self._ahead).size

    @property
    def channel(self) -> ChannelId | None:
        """The channel that is watched; None before it was opened."""
        return (self._stored if self.joined else self._ahead).channel

    def store(self, chunk: Chunk) -> None:
        """Take the next stored chunk; raise `CorruptChunkError`. Nothing is drawn yet."""
        if self.joined:
            return
        self.next_sequence = chunk.header.sequence + 1
        bodies = list(read_frames(chunk.frames()))
        meeting = self._meeting(bodies)
        for body in bodies[:meeting]:
            self._take_stored(body)
        if meeting < len(bodies):
            self._join(bodies[meeting:])
        else:
            self._newest = bodies

    def feed(self, body: bytes) -> bytes:
        """Take the next frame of the live feed; return what to draw."""
        if not self.joined and not self._tail and body in self._newest:
            self._known = self._newest[self._newest.index(body) :][::-1]
            self._newest, self.joined = [], True
        while self._known:
            # Two equal frames within one millisecond: the feed began with the second.
            if self._known.pop() == body:
                return b""
        if self.joined:
            return self._draw(self._stored, body)
        self._tail.append(body)
        self._tail_bytes += len(body)
        if self._tail_bytes > MAX_TAIL_BYTES:
            self._join([])
        return self._draw(self._ahead, body)

    def redraw(self) -> bytes:
        """Return what draws the whole screen anew."""
        drawing = self._filter.reset() + _CLEAR + self._filter.feed(self._stored.dump())
        if self.joined:
            return drawing
        self._ahead = self._stored.without_screen()
        return drawing + b"".join(self._draw(self._ahead, body) for body in self._tail)

    def end(self) -> bytes:
        """Return what puts the terminal back as it was."""
        return self._filter.reset()

    def _meeting(self, bodies: list[bytes]) -> int:
        """Return where in `bodies` the feed begins; behind them all if it does not."""
        if not self._tail:
            return len(bodies)
        for start, body in enumerate(bodies):
            length = min(len(bodies) - start, len(self._tail))
            if body == self._tail[0] and bodies[start : start + length] == self._tail[:length]:
                return start
        return len(bodies)

    def _join(self, bodies: list[bytes]) -> None:
        self._known = bodies[len(self._tail) :][::-1]
        for body in self._tail + self._known[::-1]:
            self._take_stored(body)
        self._tail.clear()
        self._newest.clear()
        self.joined = True

    def _take_stored(self, body: bytes) -> None:
        for event in decode_burst(body):
            self._stored.take(event)
            self.ended = self.ended or isinstance(event, SessionEnded)

    def _draw(self, watched: "_Watched", body: bytes) -> bytes:
        drawn = []
        for event in decode_burst(body):
            drawn.append(self._filter.feed(watched.take(event)))
            self.ended = self.ended or isinstance(event, SessionEnded)
        return b"".join(drawn)


class _Watched:
    """The channel that is watched: the wanted one, else the first with a terminal."""

    def __init__(self, wanted: ChannelId | None) -> None:
        self._wanted = wanted
        self.channel: ChannelId | None = None
        self.size = (PLAIN_COLUMNS, PLAIN_ROWS)
        self._has_terminal = False
        self._screen: Terminal | None = _new_screen(0, 0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def without_screen(self) -> "_Watched":
        """Return a copy that knows the channel and draws nothing."""
        copy = _Watched(self._wanted)
        copy.channel, copy._has_terminal = self.channel, self._has_terminal
        copy._screen, copy.size = None, self.size
        return copy

    def restore(self, screen: Screen) -> None:
        """Begin with what a terminal showed."""
        self.channel, self._has_terminal = screen.channel, screen.has_terminal
        self.size = clamp(screen.columns, screen.rows)
        self._screen = _new_screen(*self.size)
        self._screen.feed(0, screen.dump + screen.held)
        self._decoder.decode(screen.tail)

    def take(self, event: Event) -> bytes:
        """Take the next event; return what it draws."""
        match event:
            case TargetData() | TargetErrorData() | NoticeShown() if (
                event.channel == self.channel
            ):
                return self._show(event)
            case TargetData() if self.channel is None and self._screen is None:
                # Its opening is not stored yet: better a guess than an empty screen.
                self._has_terminal = self._choose(event.channel)
                return event.data if self._has_terminal else b""
            case _:
                self._follow(event)
                return b""

    def _follow(self, event: Event) -> None:
        match event:
            case ChannelOpened(kind=kind) if kind == SESSION_CHANNEL:
                if self.channel is None:
                    self._choose(event.channel)
            case TerminalRequested() if not self._has_terminal:
                if self._choose(event.channel):
                    self._begin_terminal(event)
            case TerminalResized() if event.channel == self.channel:
                self.size = clamp(event.columns, event.rows)
                if self._screen is not None:
                    self._screen.resize(event.at_ms, event.columns, event.rows)
            case ChannelClosed() if event.channel == self.channel:
                self.channel, self._has_terminal = None, False
            case _:
                pass

    def dump(self) -> bytes:
        """Return what draws the screen on an empty terminal."""
        return b"" if self._screen is None else self._screen.state().dump.encode()

    def _choose(self, channel: ChannelId) -> bool:
        if self._wanted not in {None, channel}:
            return False
        self.channel = channel
        return True

    def _begin_terminal(self, event: TerminalRequested) -> None:
        self._has_terminal = True
        self.size = clamp(event.columns, event.rows)
        if self._screen is not None:
            self._screen = _new_screen(event.columns, event.rows)

    def _show(self, event: Drawn) -> bytes:
        data = drawing_of(event, has_terminal=self._has_terminal)
        if self._screen is not None:
            self._screen.feed(event.at_ms, self._decoder.decode(data))
        return data


def _new_screen(columns: int, rows: int) -> Terminal:
    return Terminal(columns or PLAIN_COLUMNS, rows or PLAIN_ROWS, lambda _at_ms, _text: None)
