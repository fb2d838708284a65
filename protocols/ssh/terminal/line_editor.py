"""One line, edited: what to show for every key. Sans-io.

The line may be wider than the terminal; it is then drawn over as many rows as it takes.
Nothing is asked of the terminal, and only what PuTTY, xterm and the Linux console all do
is asked for: up, right, carriage return, and to clear all that is below.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from wcwidth import wcwidth

from protocols.ssh.terminal.keys import Key, KeyReader

LONGEST_CHARACTERS: Final = 4096
"""Of a line; more is not taken."""
HISTORY_LINES: Final = 200

_MOVES: Final = frozenset(
    (Key.LEFT, Key.RIGHT, Key.HOME, Key.END, Key.WORD_LEFT, Key.WORD_RIGHT)
)
_SHOWING: Final = frozenset((Key.CLEAR, Key.INTERRUPT, Key.TAB))
"""Each may show more than the line; what comes behind one waits until that is on its way."""

Complete = Callable[[str], Sequence[str]]
"""Is handed what stands left of the cursor; returns what it may become."""


class Typed(Struct, frozen=True):
    """What a burst of keys has led to."""

    shown: str
    rest: bytes
    """What came behind, and is for whoever reads next."""
    line: str | None = None
    """Set once the line is entered."""
    left: bool = False
    """Whether it was given up with control-D."""
    help: str | None = None
    """What stands left of a `?` that asks for help."""


class LineEditor:
    """Reads lines, one after the other, with their history."""

    def __init__(self, complete: Complete = lambda _text: ()) -> None:
        self.complete = complete
        """What Tab asks."""
        self._keys = KeyReader()
        self._history: list[str] = []
        self._killed = ""
        self.columns = 80
        self.echoes = True
        """Whether there is a terminal that shows nothing of itself."""
        self._begin("", hidden=False, keeps=False)

    def begin(self, prompt: str, *, hidden: bool = False, keeps: bool = True) -> str:
        """Start a line; return what to show. What is `hidden` is neither shown nor kept."""
        self._begin(prompt, hidden=hidden, keeps=keeps and not hidden)
        return prompt

    def _begin(self, prompt: str, *, hidden: bool, keeps: bool) -> None:
        self._prompt, self._hidden, self._keeps = prompt, hidden, keeps
        self._text = ""
        self._at = 0
        self._row = 0
        self._recalled = len(self._history)
        self._draft = ""
        self._pasting = False
        self._stale = False
        """Whether the line has changed other than at its end since it was drawn."""
        self._appended = ""
        """What was added at its end, and is not shown yet."""
        self._rings = False

    def again(self) -> str:
        """Return what shows prompt and line once more, below something else."""
        self._row = 0
        return self._drawn()

    def take(self, data: bytes) -> Typed:
        """Take what was typed, up to the end of the line, a question or a key that shows much.

        The line is drawn once, however many keys there were: a long one takes its time.
        """
        while data:
            key, data = self._keys.take(data)
            if key is None:
                continue
            if isinstance(key, str):
                if key == "?" and self._asks():
                    return Typed(self._finished(), data, help=self._text[: self._at])
                self._insert(key)
            elif key is Key.ENTER:
                return Typed(self._finished(), data, line=self._entered())
            elif key is Key.END_OF_INPUT and not self._text:
                return Typed(self._finished(), data, left=True)
            elif key in _SHOWING:
                return Typed(self._due() + self._show(key), data)
            else:
                self._press(key)
        return Typed(self._due(), b"")

    # --- keys

    def _asks(self) -> bool:
        """Whether a `?` asks for help: not within quotes, nor where it is pasted."""
        left = self._text[: self._at]
        return not (self._hidden or self._pasting or left.count('"') % 2 or left.count("'") % 2)

    def _entered(self) -> str:
        line = self._text
        if self._keeps and line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY_LINES:]
        return line

    def _press(self, key: Key) -> None:
        if key in _MOVES:
            self._move(key)
        elif key in {Key.UP, Key.DOWN}:
            self._recall(-1 if key is Key.UP else 1)
        elif key in {Key.PASTE_BEGINS, Key.PASTE_ENDS}:
            self._pasting = key is Key.PASTE_BEGINS
        elif key is Key.YANK:
            self._insert(self._killed)
        else:
            self._delete(Key.DELETE if key is Key.END_OF_INPUT else key)

    def _show(self, key: Key) -> str:
        if key is Key.TAB:
            return self._completed()
        if key is Key.CLEAR:
            return "\x1b[H\x1b[2J" + self.again() if self.echoes else ""
        below = self._below()
        self._begin(self._prompt, hidden=self._hidden, keeps=self._keeps)
        return below + self._prompt

    def _move(self, key: Key) -> None:
        text, at = self._text, self._at
        self._at = {
            Key.LEFT: max(0, at - 1),
            Key.RIGHT: min(len(text), at + 1),
            Key.HOME: 0,
            Key.END: len(text),
            Key.WORD_LEFT: _word_left(text, at),
            Key.WORD_RIGHT: _word_right(text, at),
        }[key]
        self._stale = True

    def _delete(self, key: Key) -> None:
        text, at = self._text, self._at
        start, end = {
            Key.BACKSPACE: (max(0, at - 1), at),
            Key.DELETE: (at, at + 1),
            Key.KILL_LEFT: (0, at),
            Key.KILL_RIGHT: (at, len(text)),
            Key.KILL_WORD: (_word_left(text, at), at),
            Key.KILL_WORD_RIGHT: (at, _word_right(text, at)),
        }[key]
        if not self._hidden and key not in {Key.BACKSPACE, Key.DELETE}:
            self._killed = text[start:end]
        self._text, self._at = text[:start] + text[end:], start
        self._stale = True

    def _insert(self, text: str) -> None:
        if len(self._text) + len(text) > LONGEST_CHARACTERS:
            self._rings = True
            return
        before, behind = self._text[: self._at], self._text[self._at :]
        self._text, self._at = before + text + behind, self._at + len(text)
        self._appended += text
        self._stale = self._stale or bool(behind)

    def _recall(self, step: int) -> None:
        if self._hidden:
            return
        wanted = self._recalled + step
        if not 0 <= wanted <= len(self._history):
            self._rings = True
            return
        if self._recalled == len(self._history):
            self._draft = self._text
        self._recalled = wanted
        lines = [*self._history, self._draft]
        self._text = lines[wanted]
        self._at = len(self._text)
        self._stale = True

    def _completed(self) -> str:
        if self._hidden or not self.echoes:
            return ""
        left, behind = self._text[: self._at], self._text[self._at :]
        whole = list(self.complete(left))
        if not whole:
            return "\a"
        stem = _stem(whole)
        if len(whole) == 1 or len(stem) > len(left):
            more = " " if len(whole) == 1 and not behind and not stem.endswith("=") else ""
            self._text, self._at = stem + more + behind, len(stem + more)
            return self._drawn()
        listed = "  ".join(each[_last_word(left) :] for each in whole[:100])
        return self._below() + listed + "\r\n" + self.again()

    # --- drawing

    def _due(self) -> str:
        """Return what shows what the keys have done since it was last asked."""
        bell = "\a" if self._rings and self.echoes else ""
        appended, stale = self._appended, self._stale
        self._rings, self._stale, self._appended = False, False, ""
        if not (appended or stale):
            return bell
        if stale or not self.echoes or self._hidden:
            return self._drawn() + bell
        # The usual case: more at the end, which the terminal draws itself.
        row, _ = self._place(self._prompt + self._text[: -len(appended)])
        end_row, end_column = self._place(self._prompt + self._text)
        if end_row == row and end_column:
            return appended + bell
        self._row = row
        return self._drawn() + bell

    def _finished(self) -> str:
        return self._due() + self._below()

    def _below(self) -> str:
        """Return what leads to a fresh row below the line."""
        if not self.echoes:
            return ""
        if self._hidden:
            return "\r\n"
        end_row, _ = self._place(self._prompt + self._text)
        here, _ = self._place(self._prompt + self._text[: self._at])
        down = f"\x1b[{end_row - here}B" if end_row > here else ""
        return down + "\r\n"

    def _drawn(self) -> str:
        """Return what draws the line anew, wherever the cursor stood in it."""
        if not self.echoes or self._hidden:
            return ""
        whole = self._prompt + self._text
        end_row, end_column = self._place(whole)
        row, column = self._place(self._prompt + self._text[: self._at])
        up = f"\x1b[{self._row}A" if self._row else ""
        # A row that is just full leaves the cursor on it: move on, as it counts here.
        full = "\r\n" if whole and not end_column else ""
        back = f"\x1b[{end_row - row}A" if end_row > row else ""
        right = f"\x1b[{column}C" if column else ""
        self._row = row
        return f"{up}\r\x1b[J{whole}{full}{back}\r{right}"

    def _place(self, text: str) -> tuple[int, int]:
        """Return row and column of the cursor behind `text`."""
        row, column, columns = 0, 0, max(2, self.columns)
        if text.isascii() and text.isprintable():
            return divmod(len(text), columns)
        for mark in text:
            width = max(0, wcwidth(mark))
            if column + width > columns:
                row, column = row + 1, 0
            column += width
            if column >= columns:
                row, column = row + 1, 0
        return row, column


def _word_left(text: str, at: int) -> int:
    return text[:at].rstrip(" ").rfind(" ") + 1


def _word_right(text: str, at: int) -> int:
    begins = len(text) - len(text[at:].lstrip(" "))
    ends = text.find(" ", begins)
    return len(text) if ends < 0 else ends


def _last_word(text: str) -> int:
    return text.rfind(" ") + 1


def _stem(texts: Sequence[str]) -> str:
    """Return what all of them begin with."""
    first, last = min(texts), max(texts)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]
