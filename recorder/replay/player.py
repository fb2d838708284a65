"""Plays a recording on a terminal: what to draw, and when.

Sans-io: time that passes goes in, bytes to draw come out. What is drawn has gone
through `ScreenFilter`. An emulated terminal follows along, so that after a jump the
screen can be drawn as it was at that moment.
"""

import codecs
from collections.abc import Callable, Iterator

from recorder.events import KnownEvent, TerminalResized
from recorder.replay.asciicast import PlayedTerminal
from recorder.replay.drawing import Drawn, drawing_of
from recorder.replay.screen_filter import ScreenFilter
from recorder.replay.terminal import Terminal

MOST_BYTES = 256 * 1024
"""Drawn at once; a torrent is drawn in several goes, so that keys are heard in between."""
SLOWEST, FASTEST = 1 / 16, 64
_CLEAR = b"\x1b[0m\x1b[2J\x1b[H"

OpenEvents = Callable[[], Iterator[KnownEvent]]
"""Begins the recording anew, in recorded order."""
_Played = Drawn | TerminalResized


class Player:
    """One recording, at one moment."""

    def __init__(
        self,
        open_events: OpenEvents,
        terminal: PlayedTerminal,
        *,
        speed: float = 1,
        idle_limit_ms: int | None = None,
    ) -> None:
        self._open_events = open_events
        self._terminal = terminal
        self._idle_limit_ms = idle_limit_ms
        self._filter = ScreenFilter()
        self.speed = speed
        self.paused = False
        self.position_ms: float = 0
        self._rewind()

    @property
    def over(self) -> bool:
        """Whether everything has been drawn."""
        return self._next is None

    @property
    def wait_s(self) -> float | None:
        """Seconds until there is something to draw; None while nothing will be."""
        if self._next is None or self.paused:
            return None
        return max(0, self._next.at_ms - self.position_ms) / 1000 / self.speed

    def pass_time(self, seconds: float) -> bytes:
        """Let `seconds` pass; return what to draw."""
        if self.paused:
            return b""
        self.position_ms += seconds * 1000 * self.speed
        drawn, size_bytes = [], 0
        while self._due() and size_bytes < MOST_BYTES:
            data = self._step()
            drawn.append(self._filter.feed(data))
            size_bytes += len(data)
        self._skip_idle()
        return b"".join(drawn)

    def seek(self, at_ms: float) -> bytes:
        """Go to a moment, of which there is none before 0; return what draws its screen."""
        at_ms = max(0, at_ms)
        if at_ms < self.position_ms:
            self._rewind()
        self.position_ms = at_ms
        while self._due():
            self._step()
        return self._redraw()

    def change_speed(self, factor: float) -> None:
        """Play `factor` times as fast as now, within bounds."""
        self.speed = min(max(self.speed * factor, SLOWEST), FASTEST)

    def end(self) -> bytes:
        """Return what puts the terminal back as it was."""
        return self._filter.reset()

    def _rewind(self) -> None:
        self._events = self._open_events()
        self._screen = Terminal(self._terminal.columns, self._terminal.rows, _tell_nobody)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.position_ms = 0
        self._fetch()

    def _fetch(self) -> None:
        played = map(self._played, self._events)
        self._next: _Played | None = next((event for event in played if event), None)

    def _played(self, event: KnownEvent) -> _Played | None:
        if not isinstance(event, _Played):
            return None
        return event if event.channel == self._terminal.channel else None

    def _due(self) -> bool:
        return self._next is not None and self._next.at_ms <= self.position_ms

    def _step(self) -> bytes:
        """Take the next event; return its bytes."""
        event, data = self._next, b""
        if isinstance(event, TerminalResized):
            self._screen.resize(event.at_ms, event.columns, event.rows)
        elif event is not None:
            data = drawing_of(event, has_terminal=self._terminal.terminal is not None)
            self._screen.feed(event.at_ms, self._decoder.decode(data))
        self._fetch()
        return data

    def _skip_idle(self) -> None:
        if self._next is not None and self._idle_limit_ms is not None:
            self.position_ms = max(self.position_ms, self._next.at_ms - self._idle_limit_ms)

    def _redraw(self) -> bytes:
        drawing = self._filter.reset() + _CLEAR
        return drawing + self._filter.feed(self._screen.state().dump.encode())


def _tell_nobody(_at_ms: int, _text: str) -> None:
    """Follow the screen and no lines."""
