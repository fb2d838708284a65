"""A line's text and where the cursor is in it: what each key that edits does to them."""

from collections.abc import Callable
from typing import Final

MAX_CHARACTERS: Final = 64 * 1024
"""Of a line; what is longer is not kept, and nobody knows the line."""
_HOME: Final = (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~", b"\x01")
_END: Final = (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~", b"\x05")
ERASING: Final = frozenset({b"\x7f", b"\x08", b"\x15", b"\x17"})
"""What a terminal that reads lines does by itself; all other keys are text to it."""


class EditedLine:
    """One line, for whom some keys edit and the others do nothing."""

    def __init__(self, edits: frozenset[bytes] | None = None) -> None:
        """`edits` are the keys that do something; None: all that are known."""
        self._text: list[str] = []
        self._cursor = 0
        self.overflowed = False
        """Whether there was more than is kept."""
        every: dict[bytes, Callable[[], None]] = {
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
        self._edits = {key: do for key, do in every.items() if edits is None or key in edits}

    @property
    def text(self) -> str:
        """The line as it stands."""
        return "".join(self._text)

    @property
    def size(self) -> int:
        """How many characters it has."""
        return len(self._text)

    def begin(self) -> None:
        """Begin the next line."""
        self._text.clear()
        self._cursor, self.overflowed = 0, False

    def keep(self, characters: int) -> None:
        """Forget all but the last characters."""
        del self._text[:-characters]
        self._cursor = len(self._text)

    def press(self, key: bytes) -> bool:
        """Do what a key does to the line; False where that is not known."""
        act = self._edits.get(key)
        if act is None:
            return False
        act()
        return True

    def insert(self, text: str) -> None:
        """Put in what was typed."""
        room = MAX_CHARACTERS - len(self._text)
        if len(text) > room:
            self.overflowed = True
            text = text[:room]
        self._text[self._cursor : self._cursor] = text
        self._cursor += len(text)

    # --- inside

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
