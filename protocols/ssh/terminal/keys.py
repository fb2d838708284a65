"""What was pressed, from the bytes that a terminal sends. Sans-io.

xterm, PuTTY and the Linux console agree on what is in here, or it is in here twice.
"""

import codecs
import enum
import re
from typing import Final

_LONGEST_BYTES: Final = 32
"""A sequence that has not ended by then is none."""

_SEQUENCE = re.compile(rb"\x1b(?:\[\[?[0-9;?<>=]*[ -/]*[@-~]|O[0-9;]*[@-~]|[^\[O])", re.DOTALL)
_BEGUN = re.compile(rb"\x1b(?:\[\[?[0-9;?<>=]*[ -/]*|O[0-9;]*)?\Z")


class Key(enum.Enum):
    """A key that is no character."""

    ENTER = enum.auto()
    TAB = enum.auto()
    LEFT = enum.auto()
    RIGHT = enum.auto()
    WORD_LEFT = enum.auto()
    WORD_RIGHT = enum.auto()
    UP = enum.auto()
    DOWN = enum.auto()
    HOME = enum.auto()
    END = enum.auto()
    BACKSPACE = enum.auto()
    DELETE = enum.auto()
    KILL_RIGHT = enum.auto()
    KILL_LEFT = enum.auto()
    KILL_WORD = enum.auto()
    KILL_WORD_RIGHT = enum.auto()
    YANK = enum.auto()
    CLEAR = enum.auto()
    INTERRUPT = enum.auto()
    END_OF_INPUT = enum.auto()
    PASTE_BEGINS = enum.auto()
    PASTE_ENDS = enum.auto()


_CONTROLS: Final = {
    0x0D: Key.ENTER,
    0x0A: Key.ENTER,
    0x09: Key.TAB,
    0x02: Key.LEFT,
    0x06: Key.RIGHT,
    0x10: Key.UP,
    0x0E: Key.DOWN,
    0x01: Key.HOME,
    0x05: Key.END,
    0x08: Key.BACKSPACE,
    0x7F: Key.BACKSPACE,
    0x04: Key.END_OF_INPUT,
    0x0B: Key.KILL_RIGHT,
    0x15: Key.KILL_LEFT,
    0x17: Key.KILL_WORD,
    0x19: Key.YANK,
    0x0C: Key.CLEAR,
    0x03: Key.INTERRUPT,
}
_SEQUENCES: Final = {
    **dict.fromkeys((b"[A", b"OA"), Key.UP),
    **dict.fromkeys((b"[B", b"OB"), Key.DOWN),
    **dict.fromkeys((b"[C", b"OC"), Key.RIGHT),
    **dict.fromkeys((b"[D", b"OD"), Key.LEFT),
    **dict.fromkeys((b"[H", b"OH", b"[1~", b"[7~"), Key.HOME),
    **dict.fromkeys((b"[F", b"OF", b"[4~", b"[8~"), Key.END),
    b"[3~": Key.DELETE,
    **dict.fromkeys((b"[1;5C", b"[1;3C", b"OC;5", b"[5C", b"f"), Key.WORD_RIGHT),
    **dict.fromkeys((b"[1;5D", b"[1;3D", b"[5D", b"b"), Key.WORD_LEFT),
    b"d": Key.KILL_WORD_RIGHT,
    **dict.fromkeys((b"\x7f", b"\x08"), Key.KILL_WORD),
    b"[200~": Key.PASTE_BEGINS,
    b"[201~": Key.PASTE_ENDS,
}


class KeyReader:
    """Takes bytes, in any pieces, and gives back what was pressed."""

    def __init__(self) -> None:
        self._held = b""
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, data: bytes) -> tuple[Key | str | None, bytes]:
        """Return the first thing that was pressed, and the bytes behind it.

        None where that is not all there yet, or nothing that is known.
        """
        data = self._held + data
        self._held = b""
        if not data:
            return None, b""
        if data[0] == 0x1B:  # noqa: PLR2004 - ESC
            return self._escape(data)
        if (key := _CONTROLS.get(data[0])) is not None:
            self._text.reset()
            return key, data[1:]
        text = self._text.decode(data[:1])
        return (text if text.isprintable() and text else None), data[1:]

    def _escape(self, data: bytes) -> tuple[Key | None, bytes]:
        self._text.reset()
        if found := _SEQUENCE.match(data):
            return _SEQUENCES.get(found[0][1:]), data[found.end() :]
        if _BEGUN.match(data) and len(data) < _LONGEST_BYTES:
            self._held = data
            return None, b""
        return None, data[1:]
