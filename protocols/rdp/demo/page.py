"""The page of the demo desktop: a grid of characters, on which a user's typing appears."""

import itertools
from typing import Final

from msgspec import Struct

from protocols.rdp.demo.keyboard import BACKSPACE, ENTER

DESK, TITLE, PAPER, CARET = "dtpc"
"""Styles of a cell."""
HEADING: Final = "proxyd demo desktop"
WORDS: Final = (
    "This picture comes through proxyd, from a small desktop on the same machine. "
    "What you type is shown here and recorded: click here and type something. Then close "
    "this window, and find it with session list, play and search, or on the page."
)
MAX_TYPED: Final = 16 * 1024
"""Characters that are kept, or the last half of them: more fit on no screen that is served."""
_MARGIN: Final = 1
"""Columns and rows around what is written."""


class Grid(Struct, frozen=True):
    """What stands in each cell, by row."""

    characters: list[str]
    styles: list[str]


class Page:
    """One, of whole cells: eight rows and columns at least."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns, self._rows = columns, rows
        self._typed: list[str] = []
        inside = max(1, columns - 2 * _MARGIN)
        heading, words = wrapped(HEADING, inside), wrapped(WORDS, inside)
        self._head = [
            *[("", DESK), *((line, TITLE) for line in heading)],
            *[("", DESK), *((line, DESK) for line in words), ("", DESK)],
        ]
        # A small window is for what is typed, above all.
        del self._head[rows // 2 :]

    def type(self, keys: str) -> None:
        """Take what was typed: characters, `ENTER` and `BACKSPACE`."""
        for key in keys:
            if key != BACKSPACE:
                self._typed.append(key)
            elif self._typed:
                self._typed.pop()
        if len(self._typed) > MAX_TYPED:
            # Not one by one: each time all lines are cut elsewhere.
            del self._typed[: -MAX_TYPED // 2]

    def grid(self) -> Grid:
        """Return the page as it stands."""
        characters = [(" " * _MARGIN + line).ljust(self._columns) for line, _ in self._head]
        styles = [style * self._columns for _, style in self._head]
        paper_rows = self._rows - len(self._head) - _MARGIN
        lines = wrapped("".join(self._typed), self._paper_columns, caret=True)
        lines = ["", *lines[1 - paper_rows :]]
        edge, padding = DESK * _MARGIN, " " * (2 * _MARGIN)
        for number in range(paper_rows):
            line = lines[number] if number < len(lines) else ""
            style = PAPER * (self._columns - 2 * _MARGIN)
            if number == len(lines) - 1:
                # The caret stands behind the last character.
                at = min(_MARGIN + len(line), len(style) - 1)
                style = style[:at] + CARET + style[at + 1 :]
            characters.append((padding + line).ljust(self._columns))
            styles.append(edge + style + edge)
        characters += [" " * self._columns] * _MARGIN
        styles += [DESK * self._columns] * _MARGIN
        return Grid(characters, styles)

    @property
    def _paper_columns(self) -> int:
        return max(1, self._columns - 4 * _MARGIN)


def wrapped(text: str, columns: int, *, caret: bool = False) -> list[str]:
    """Return `text` in lines of at most `columns`, cut at spaces where that can be.

    With `caret` the last line leaves a column for it.
    """
    cut = (_lines(line, columns) for line in text.split(ENTER))
    lines = list(itertools.chain.from_iterable(cut))
    if caret and len(lines[-1]) >= columns:
        lines.append("")
    return lines


def _lines(line: str, columns: int) -> list[str]:
    parts: list[str] = []
    while len(line) > columns:
        # A space where a line is cut would show on neither side.
        at = line.rfind(" ", 1, columns + 1)
        cut, rest = (at, at + 1) if at > 0 else (columns, columns)
        parts.append(line[:cut])
        line = line[rest:]
    return [*parts, line]
