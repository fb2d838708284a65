"""Lines of typed text, from keys and clicks, each with the time of its first key.

A line ends with Enter, with a click, which may put the next key elsewhere, and with a long
pause. Backspace takes back what was typed right before it; whatever else a key does to the
text only the screen knows, so its name stays in the line.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from recorder.replay.rdp.input import Character, Input, Key, Pointer, Synchronised
from recorder.replay.rdp.keyboard import BACKSPACE, ENTER, Keyboard

PAUSE_MS: Final = 30_000
MAX_LINE: Final = 900
"""Characters."""
LACK: Final = "[…]"
"""Stands in a line where the recording has a gap."""
_DOWN: Final = 0x8000
_MOVED: Final = 0x0800
_WHEELS: Final = 0x0600
_BUTTONS: Final = ((0x1000, "Click"), (0x2000, "Right click"), (0x4000, "Middle click"))
_EXTRA_BUTTONS: Final = ((0x0001, "Back button"), (0x0002, "Forward button"))
"""What each button's bit means ([MS-RDPBCGR] 2.2.8.1.1.3.1.1.3 and .4)."""


class Line(Struct, frozen=True):
    """Something typed, or clicked."""

    at_ms: int
    text: str
    typed: bool = True
    """Whether keys made it; a click's text is only a description."""


class Typing(Struct, array_like=True):
    """The line that is being typed, and the keyboard."""

    keyboard: Keyboard = field(default_factory=Keyboard)
    keys: list[str] = []
    """Characters and names, one for each key."""
    began_ms: int = 0
    last_ms: int = 0

    def take(self, at_ms: int, event: Input) -> Iterator[Line]:
        """Take an input event; yield the lines that it ended."""
        match event:
            case Synchronised(toggles):
                self.keyboard.synchronise(toggles)
            case Key():
                yield from self._add(at_ms, self.keyboard.press(event))
            case Character():
                yield from self._add(at_ms, self.keyboard.type(event))
            case Pointer():
                yield from self._point(at_ms, event)

    def lose(self) -> None:
        """Note that keys may be missing here, and that none is known to be down."""
        self.keyboard.let_go()
        if self.keys and self.keys[-1] != LACK:
            self.keys = [*self.keys, LACK]

    def finish(self) -> Iterator[Line]:
        """Yield the line as it stands."""
        keys, self.keys = self.keys, []
        if keys:
            yield Line(self.began_ms, "".join(keys))

    def _add(self, at_ms: int, key: str) -> Iterator[Line]:
        if not key:
            return
        if at_ms - self.last_ms > PAUSE_MS or sum(map(len, self.keys)) >= MAX_LINE:
            yield from self.finish()
        self.last_ms = at_ms
        if key == ENTER:
            yield from self.finish()
        elif key == BACKSPACE and self.keys and len(self.keys[-1]) == 1:
            self.keys = self.keys[:-1]
        else:
            if not self.keys:
                self.began_ms = at_ms
            self.keys = [*self.keys, key]

    def _point(self, at_ms: int, event: Pointer) -> Iterator[Line]:
        if event.flags & _WHEELS or not event.flags & _DOWN:
            return
        for bit, name in _EXTRA_BUTTONS if event.extra_buttons else _BUTTONS:
            if event.flags & bit:
                yield from self.finish()
                yield Line(at_ms, f"[{name} {event.x_px},{event.y_px}]", typed=False)
