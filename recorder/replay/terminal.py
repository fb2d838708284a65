"""One emulated terminal: told what the target sent, it says which lines people saw.

A row is remembered with the moment it came to read as it does. Its text is told once,
when it is overwritten, cleared or scrolled away, or when somebody asks for the rest.

The emulator is avt, the one inside the player, and its scrollback is off: it would
grow without bound. Nothing a target sends may cost more than a bounded amount of
memory: sizes and repeat counts are clamped here.
"""

import functools
import re
from collections.abc import Callable, Iterator

import avt
from msgspec import Struct

MAX_COLUMNS = 1000
MAX_ROWS = 500
MAX_LINE = 1000
"""Characters kept of a line."""
_PIECE = 4096
"""Characters fed at once; bounds what scrolls off in one call."""
_MAX_REPEATS = {"b": 65_536, "S": 4096, "T": 4096, "L": 4096, "M": 4096}
"""How often one piece may ask to repeat a character or to move lines."""
_REPEATING = re.compile(r"(?:\x1b[\x00-\x1a\x1c-\x1f]*\[|\x9b)([^@-~\x1b\x9b]*)([bSTLM])")
_SWITCH = re.compile(r"\x1b\[\?(?:1049|1047|47)([hl])|\x1b\[[23]J|\x1bc")
"""Where a screenful goes: to the other screen, or away."""

_Drawn = tuple[list[int], list[avt.Line]]
"""The rows that changed, and the lines that scrolled away."""
Tell = Callable[[int, str], None]
"""Is told a line and the `at_ms` at which it first read so."""


class Row(Struct, array_like=True):
    """What a row reads, since when, and whether that has been told."""

    text: str = ""
    since_ms: int = 0
    told: bool = False


class TerminalState(Struct, frozen=True, array_like=True):
    """What carries a terminal over to the next chunk."""

    columns: int
    rows: int
    dump: str
    """VT text that draws the screen on an empty terminal of that size."""
    shown: list[Row]
    hidden: list[Row]
    """What the primary screen reads while the alternate one is shown."""
    alternate: bool
    held: str
    """The beginning of an escape sequence."""


class Terminal:
    """Follows one terminal. Lines go to `tell`."""

    def __init__(self, columns: int, rows: int, tell: Tell) -> None:
        columns, rows = clamp(columns, rows)
        self._vt = avt.Vt(columns, rows, 0)
        self._tell = tell
        self._rows = _blank(rows)
        self._hidden = _blank(rows)
        self._held = ""
        self._open: Row | None = None
        self.alternate = False

    @classmethod
    def restored(cls, state: TerminalState, tell: Tell) -> "Terminal":
        """Return the terminal as `state` left it."""
        terminal = cls(state.columns, state.rows, tell)
        terminal._draw(0, functools.partial(avt.Vt.feed_str, s=state.dump))
        terminal._rows = _sized(state.shown, len(terminal._rows))
        terminal._hidden = _sized(state.hidden, len(terminal._rows))
        terminal.alternate = state.alternate
        terminal._held = state.held
        return terminal

    def state(self) -> TerminalState:
        """Return what carries this terminal over."""
        columns, rows = self._vt.size
        return TerminalState(
            columns=columns,
            rows=rows,
            dump=self._vt.dump(),
            shown=self._rows,
            hidden=self._hidden,
            alternate=self.alternate,
            held=self._held,
        )

    def feed(self, at_ms: int, text: str) -> None:
        """Take what the target sent, decoded."""
        for start in range(0, len(text), _PIECE):
            whole, self._held = split_whole(self._held + text[start : start + _PIECE])
            for part in _screenfuls(_bounded(whole)):
                self._switch(part)
                self._draw(at_ms, functools.partial(avt.Vt.feed_str, s=part))

    def resize(self, at_ms: int, columns: int, rows: int) -> None:
        """Take a new size; lines are wrapped anew."""
        columns, rows = clamp(columns, rows)
        self._hidden = _sized(self._hidden, rows)
        self._draw(at_ms, functools.partial(avt.Vt.resize, cols=columns, rows=rows))

    @property
    def cursor_line(self) -> str:
        """The line the cursor is in, up to the cursor; wrapped rows are joined."""
        cursor = self._vt.cursor
        return self._above(cursor.row) + self._vt[cursor.row].text[: cursor.col]

    @property
    def line(self) -> str:
        """The whole line the cursor is in; wrapped rows are joined."""
        row = self._vt.cursor.row
        return (self._above(row) + self._vt[row].text).rstrip()

    def tell_shown(self, *, with_cursor: bool) -> None:
        """Tell what is on the screen; the cursor's line only if asked: it may not be done."""
        self._close_open()
        rows, cursor = self._rows, self._vt.cursor.row
        first = cursor
        while first > 0 and len(rows[first - 1].text) >= self._vt.size[0]:
            first -= 1
        self._tell_rows(rows if with_cursor else rows[:first] + rows[cursor + 1 :])

    def _above(self, row: int) -> str:
        columns, _ = self._vt.size
        text = ""
        while row > 0 and len(text) < MAX_LINE:
            above = self._vt[row - 1].text.rstrip()
            if len(above) < columns:
                break
            text, row = above + text, row - 1
        return text

    def _switch(self, part: str) -> None:
        match = _SWITCH.match(part)
        to = match and match[1]
        if to == "h" and not self.alternate:
            self.tell_shown(with_cursor=True)
            self._rows, self._hidden = _blank(len(self._rows)), self._rows
            self.alternate = True
        elif to == "l" and self.alternate:
            self.tell_shown(with_cursor=True)
            self._rows = self._hidden
            self.alternate = False

    def _draw(self, at_ms: int, act: Callable[[avt.Vt], _Drawn]) -> None:
        size = self._vt.size
        try:
            changed, scrolled = act(self._vt)
        except BaseException as error:
            # A panic inside avt derives from BaseException and has no importable name.
            if type(error).__name__ != "PanicException":
                raise
            self._vt = avt.Vt(*size, 0)
            changed, scrolled = list(range(size[1])), []
        if scrolled:
            self._scroll(at_ms, [line.text.rstrip() for line in scrolled])
        self._rows = _sized(self._rows, self._vt.size[1])
        self._replace(at_ms, changed)

    def _scroll(self, at_ms: int, texts: list[str]) -> None:
        columns, _ = self._vt.size
        leaving, self._rows = self._rows[: len(texts)], self._rows[len(texts) :]
        for number, text in enumerate(texts):
            row = leaving[number] if number < len(leaving) else None
            if row is None and number and text == texts[number - 1] and self._open is None:
                continue  # A flood of one line is one line.
            if row is None or row.text != text:
                if row is not None and not text.startswith(row.text):
                    self._tell_rows([row])
                row = Row(text, at_ms)
            self._leave(row, is_full=len(text) >= columns)
        self._rows += _blank(len(leaving))

    def _leave(self, row: Row, *, is_full: bool) -> None:
        """Tell a row that scrolls away, joined with the rows it was wrapped from."""
        if self._open is not None:
            self._open.text = (self._open.text + row.text)[:MAX_LINE]
            self._open.told = self._open.told and row.told
            row, self._open = self._open, None
        if is_full and len(row.text) < MAX_LINE:
            self._open = Row(row.text, row.since_ms, row.told)
        else:
            self._tell_rows([row])

    def _close_open(self) -> None:
        if self._open is not None:
            row, self._open = self._open, None
            self._tell_rows([row])

    def _replace(self, at_ms: int, changed: list[int]) -> None:
        fresh = {}
        for number in changed:
            text = self._vt[number].text.rstrip()
            if text != self._rows[number].text:
                fresh[number] = text
        if not fresh:
            return
        before = {self._rows[number].text: self._rows[number] for number in fresh}
        after = set(fresh.values())
        gone = []
        for number, text in fresh.items():
            old = self._rows[number]
            if old.text not in after and not text.startswith(old.text):
                gone.append(old)
            moved = before.get(text) if text else None
            self._rows[number] = moved or Row(text, at_ms)
        self._tell_rows(gone)

    def _tell_rows(self, rows: list[Row]) -> None:
        columns, _ = self._vt.size
        line, since_ms = "", 0
        for row in rows:
            if row.told or not row.text:
                continue
            row.told = True
            line, since_ms = line + row.text, max(since_ms, row.since_ms)
            if len(row.text) < columns or len(line) >= MAX_LINE:
                self._tell(since_ms, line[:MAX_LINE])
                line, since_ms = "", 0
        if line:
            self._tell(since_ms, line[:MAX_LINE])


def clamp(columns: int, rows: int) -> tuple[int, int]:
    """Return a size that an emulator can bear; 0, "unknown" (RFC 4254 6.2), is 80 by 24."""
    return min(columns or 80, MAX_COLUMNS), min(rows or 24, MAX_ROWS)


def split_whole(text: str) -> tuple[str, str]:
    """Return `text` up to an escape sequence that is not complete, and the rest."""
    start = text.rfind("\x1b]")
    if start < 0 or re.search(r"[\x07\x9c]|\x1b\\", text[start + 2 :]):
        start = max(text.rfind("\x1b"), text.rfind("\x9b"))
    if start < 0 or len(text) - start > _PIECE or _is_whole(text[start:]):
        return text, ""
    return text[:start], text[start:]


def _is_whole(sequence: str) -> bool:
    if sequence.startswith("\x1b]"):
        return re.search(r"[\x07\x9c]|\x1b\\", sequence) is not None
    if control := re.match(r"\x9b|\x1b[\x00-\x1f]*\[", sequence):
        return re.search(r"[@-~]", sequence[control.end() :]) is not None
    return re.match(r"\x1b[\x00-\x1f]*[^\x00-\x1f]", sequence) is not None


def _bounded(text: str) -> str:
    left = dict(_MAX_REPEATS)

    def clamped(match: re.Match[str]) -> str:
        parameters = re.sub(r"[^ -?]", "", match[1])
        if re.search(r"[^0-9;:]", parameters):
            return ""  # A private sequence, which moves nothing.
        asked = re.match(r"[0-9]*", parameters)
        count = int(asked[0][:6]) if asked and asked[0] else 1
        count = max(1, min(count, left[match[2]]))
        left[match[2]] -= count
        return f"\x1b[{count}{match[2]}"

    return _REPEATING.sub(clamped, text) if "\x1b" in text or "\x9b" in text else text


def _screenfuls(text: str) -> Iterator[str]:
    """Split before everything that takes a screenful away, so that none is missed."""
    start = 0
    for match in _SWITCH.finditer(text):
        if match.start() > start:
            yield text[start : match.start()]
        start = match.start()
    if text[start:]:
        yield text[start:]


def _blank(rows: int) -> list[Row]:
    return [Row() for _ in range(rows)]


def _sized(rows: list[Row], wanted: int) -> list[Row]:
    return rows if len(rows) == wanted else rows[:wanted] + _blank(wanted - len(rows))
