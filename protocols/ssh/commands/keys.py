"""The line that keys make, as a shell's line editor would edit it.

What bash, zsh and a terminal that reads lines do by themselves is followed: inserting,
deleting, moving. What a key does beyond that (history, completion, a user's own binding) only
the target knows: the line is not `plain` then, and is read off the screen.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

MAX_CHARACTERS: Final = 8192
"""Of a line; beyond it, it is not plain."""
_ENTERS: Final = frozenset({b"\r", b"\n", b"\x0f"})
"""Return, line feed, and ctrl-O, by which readline runs a line and recalls the next one."""
_PARTIAL_BYTES: Final = 64
"""A key's sequence is shorter; what is longer is not waited for."""

_KEY = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[0-9]*[ -~]|\x1b[ -NP-Z\\-~]"
    rb"|[^\x00-\x1f\x7f]+|[\x00-\x1f\x7f]"
)
_PARTIAL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O[0-9]*)?\Z")
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
_HOME: Final = (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~", b"\x01")
_END: Final = (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~", b"\x05")
_DISCARD: Final = frozenset({b"\x03", b"\x1a", b"\x1c"})
"""ctrl-C, -Z and -backslash."""
_REDRAW: Final = b"\x0c"


class TypedLine:
    """The line that is being typed on one terminal."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._cursor = 0
        self.plain = True
        """Whether the keys alone tell what the line is."""
        self.edited = False
        """Whether anything but text was typed."""
        self.pasting = False
        """Whether the terminal says that this is a paste, newlines and all."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = b""
        self._edits: dict[bytes, Callable[[], None]] = {
            **dict.fromkeys([b"\x1b[D", b"\x1bOD", b"\x02"], self._left),
            **dict.fromkeys([b"\x1b[C", b"\x1bOC", b"\x06"], self._right),
            **dict.fromkeys(_HOME, self._home),
            **dict.fromkeys(_END, self._end),
            **dict.fromkeys([b"\x1b[3~", b"\x04"], self._delete),
            **dict.fromkeys([b"\x7f", b"\x08"], self._backspace),
            b"\x15": self._kill_left,
            b"\x0b": self._kill_right,
            b"\x17": self._rub_out_word,
        }

    @property
    def text(self) -> str:
        """The line as it stands; of a paste, several lines."""
        return "".join(self._text)

    @property
    def untouched(self) -> bool:
        """Whether no key was pressed since it began."""
        return not self._text and not self.edited and not self._partial

    def doubt(self) -> None:
        """Take it that the target may hold more than what was typed."""
        self.plain, self.edited = False, True

    def begin(self) -> None:
        """Begin the next line."""
        self._text.clear()
        self._cursor = 0
        self.plain, self.edited = True, False

    def newline(self) -> None:
        """Take an Enter that inserts a newline, or may do so."""
        self._insert("\n")

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Take keys; give them back up to and with each Enter, then what is behind the last.

        At each Enter the line is what stands before it: look, `begin`, and go on. The flag
        says whether the piece ends with one.
        """
        keys, start = self._partial + data, -len(self._partial)
        partial = _PARTIAL.search(keys[-_PARTIAL_BYTES:])
        self._partial = partial[0] if partial else b""
        taken = 0
        for found in _KEY.finditer(keys, 0, len(keys) - len(self._partial)):
            key = found[0]
            if key in _ENTERS and not (self.pasting and key == b"\x0f"):
                end = start + found.end()
                yield data[taken:end], True
                taken = end
            else:
                self._press(key)
        yield data[taken:], False

    def _press(self, key: bytes) -> None:
        if key[0] >= 0x20 and key[0] != 0x7F:  # noqa: PLR2004 - what is no control
            self._insert(self._decoder.decode(key))
            return
        self.edited = True
        if key in {_PASTE_BEGINS, _PASTE_ENDS}:
            self.pasting = key == _PASTE_BEGINS
        elif self.pasting:
            self._insert(key.decode())
        elif key in _DISCARD:
            # What takes no notice of it keeps its line.
            self.begin()
            self.doubt()
        elif key != _REDRAW and not self._edit(key):
            self.plain = False

    def _edit(self, key: bytes) -> bool:
        """Do what a key does to the line; False where that is not known."""
        act = self._edits.get(key)
        if act is None:
            return False
        act()
        return True

    def _left(self) -> None:
        self._cursor = max(0, self._cursor - 1)

    def _right(self) -> None:
        self._cursor = min(len(self._text), self._cursor + 1)

    def _home(self) -> None:
        self._cursor = 0

    def _end(self) -> None:
        self._cursor = len(self._text)

    def _backspace(self) -> None:
        if self._cursor:
            self._left()
            self._delete()

    def _delete(self) -> None:
        del self._text[self._cursor : self._cursor + 1]

    def _kill_left(self) -> None:
        del self._text[: self._cursor]
        self._cursor = 0

    def _kill_right(self) -> None:
        del self._text[self._cursor :]

    def _rub_out_word(self) -> None:
        left = "".join(self._text[: self._cursor]).rstrip()
        start = left.rfind(" ") + 1
        del self._text[start : self._cursor]
        self._cursor = start

    def _insert(self, key: str) -> None:
        room = MAX_CHARACTERS - len(self._text)
        if len(key) > room:
            self.plain = False
            key = key[:room]
        self._text[self._cursor : self._cursor] = key
        self._cursor += len(key)
