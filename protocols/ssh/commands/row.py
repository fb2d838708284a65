"""What stands on the line where the cursor is: enough of a terminal to read a prompt's line.

A line that is longer than the terminal is wide goes on in the next row, and counts as one.
Anything that leaves it (a newline, the cursor set elsewhere) begins another: there is no
screen here, and what a full-screen program draws is seen only as far as it is drawn in one go.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable
from typing import Final

MAX_CELLS: Final = 16 * 1024
_LARGE_BYTES: Final = 1024
"""Of a larger burst only what is behind its last newline is looked at."""
_PARTIAL_BYTES: Final = 4096
_MAX_COLUMNS: Final = 2000
_TAB: Final = 8
_MOST_DIGITS: Final = 6
_ELSEWHERE: Final = frozenset("HfdEFSTLMru")
"""Sequences after which the cursor is on another line, or the line is another."""

_TOKEN = re.compile(
    r"\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]|\x1b|([^\x00-\x1f\x7f]+)|([\x00-\x1f\x7f])"
)
_PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]P^_X][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
_ALTERNATE: Final = frozenset({"47", "1047", "1049"})


class Row:
    """The line at the cursor of one terminal."""

    def __init__(self, columns: int) -> None:
        self.alternate = False
        """Whether a program has the whole screen."""
        self._cells: list[str] = []
        self._at = 0
        self._pending = False
        """Whether the last column was written, and the cursor is still in it."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""
        self._moves: dict[str, Callable[[int], None]] = {
            **dict.fromkeys("G`", self._to_column),
            **dict.fromkeys("Be", self._downward),
            "A": self._up,
            "C": self._forward,
            "D": self._back,
            "P": self._delete,
            "@": self._insert,
            "X": self._blank,
        }
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Take the terminal's width."""
        self._columns = min(columns, _MAX_COLUMNS) or 80

    @property
    def text(self) -> str:
        """What stands there."""
        return "".join(self._cells).rstrip()

    @property
    def left(self) -> str:
        """What stands left of the cursor."""
        return "".join(self._cells[: self._at])

    def feed(self, data: bytes) -> None:
        """Take what the target has shown."""
        text = self._partial + self._decoder.decode(data)
        start = text.rfind("\n") if len(text) > _LARGE_BYTES else -1
        for modes in re.findall(r"\x1b\[\?([0-9;]*[hl])", text[: max(0, start)]):
            self._switch("?" + modes[:-1], modes[-1])
        if start >= 0:
            self._anew()
            text = text[start:]
        found = _PARTIAL.search(text[-_PARTIAL_BYTES:])
        self._partial = found[0] if found else ""
        for token in _TOKEN.finditer(text, 0, len(text) - len(self._partial)):
            if token[3]:
                self._print(token[3])
            elif token[4]:
                self._control(token[4])
            elif token[2]:
                self._sequence(token[1], token[2])

    # --- inside

    def _anew(self, column: int = 0) -> None:
        self._cells = [" "] * column
        self._at, self._pending = column, False

    def _print(self, text: str) -> None:
        cells = self._cells
        if len(cells) + len(text) > MAX_CELLS:
            self._anew()
            cells = self._cells
            text = text[-MAX_CELLS // 2 :]
        if text.isascii():
            end = self._at + len(text)
            cells[self._at : end] = text
            self._at = end
        else:
            for mark in text:
                self._put(mark)
        self._pending = self._at % self._columns == 0

    def _put(self, mark: str) -> None:
        if unicodedata.combining(mark) and self._at:
            self._cells[self._at - 1] += mark
            return
        wide = unicodedata.east_asian_width(mark) in {"W", "F"}
        fill = [mark, ""] if wide else [mark]
        self._cells[self._at : self._at + len(fill)] = fill
        self._at += len(fill)

    @property
    def _row_start(self) -> int:
        return (self._at - self._pending) // self._columns * self._columns

    def _control(self, mark: str) -> None:
        match mark:
            case "\r":
                self._move(self._row_start)
            case "\n":
                self._down()
            case "\b":
                self._move(max(self._row_start, self._at - self._pending - 1))
            case "\t":
                self._move(self._at + _TAB - self._at % self._columns % _TAB)

    def _down(self) -> None:
        """Go to the next row: of this line, where it has one more, else to another line."""
        below = self._at - self._pending + self._columns
        if below // self._columns * self._columns < len(self._cells):
            self._move(below)
        else:
            self._anew()

    def _move(self, at: int) -> None:
        if at < 0 or at > MAX_CELLS:
            self._anew()
            return
        self._at, self._pending = at, False
        self._cells += [" "] * (at - len(self._cells))

    def _sequence(self, parameters: str, final: str) -> None:
        """Do what a control sequence does (ECMA-48 8.3), as far as it is about this line."""
        first, _, second = parameters.partition(";")
        if final in _ELSEWHERE:
            self._anew(min(_number(second) or 1, self._columns) - 1)
        elif final in "hl":
            self._switch(parameters, final)
        elif final in "KJ":
            self._erase(final, _number(first))
        elif act := self._moves.get(final):
            act(min(max(1, _number(first)), _MAX_COLUMNS))

    @property
    def _column_at(self) -> int:
        return self._at - self._pending

    @property
    def _row_end(self) -> int:
        return self._row_start + self._columns

    def _forward(self, count: int) -> None:
        self._move(min(self._column_at + count, self._row_end - 1))

    def _back(self, count: int) -> None:
        self._move(max(self._column_at - count, self._row_start))

    def _to_column(self, count: int) -> None:
        self._move(self._row_start + min(count, self._columns) - 1)

    def _up(self, count: int) -> None:
        self._move(self._column_at - count * self._columns)

    def _downward(self, count: int) -> None:
        for _ in range(min(count, 100)):
            self._down()

    def _delete(self, count: int) -> None:
        at = self._column_at
        del self._cells[at : min(at + count, self._row_end)]

    def _insert(self, count: int) -> None:
        at = self._column_at
        self._cells[at:at] = [" "] * min(count, self._columns)

    def _blank(self, count: int) -> None:
        at = self._column_at
        count = min(count, max(0, len(self._cells) - at))
        self._cells[at : at + count] = [" "] * count

    def _erase(self, final: str, kind: int) -> None:
        """Erase a row (`K`) or the rest of the screen (`J`): behind, before the cursor, all."""
        start = self._row_start if kind else self._column_at
        end = self._column_at + 1 if kind == 1 else self._row_end
        if final == "J" and kind != 1:
            start, end = self._column_at if not kind else 0, len(self._cells)
        if end >= len(self._cells):
            del self._cells[start:]
            self._cells += [" "] * (self._at - len(self._cells))
        else:
            self._cells[start:end] = [" "] * (end - start)

    def _switch(self, parameters: str, final: str) -> None:
        if parameters.startswith("?") and not _ALTERNATE.isdisjoint(parameters[1:].split(";")):
            self.alternate = final == "h"
            self._anew()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0
