"""What was typed, line by line, from the bytes that keys send.

Escape sequences are keys that leave no text; backspace and the kill keys of every
line editor are applied. What a key does beyond that (history, completion) only the
screen knows: such a line is not `plain`.
"""

import re

from msgspec import Struct

MAX_TYPED = 4096
"""Characters kept of a line that is still being typed."""
_PASTE = re.compile(r"\x1b\[20[01]~")
_KEYS = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[O\]])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_PARTIAL_KEY = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O|\][^\x07\x1b]*)?$")
_LINE_END = re.compile(r"\r\n?|\n")
_BACKSPACES = "\x7f\x08"
_KILL_LINE, _KILL_WORD = "\x15", "\x17"
_ABANDON = "\x03\x04"


class TypedLine(Struct, frozen=True):
    """A line that Enter, or the end, completed."""

    text: str
    plain: bool
    """Whether the keys alone tell what the line was."""


class Keystrokes(Struct, array_like=True):
    """The line being typed on one channel."""

    text: str = ""
    plain: bool = True
    held: str = ""
    """The beginning of an escape sequence."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed since the last line ended."""
        return not self.text and self.plain and not self.held

    def feed(self, data: str) -> list[TypedLine]:
        """Take keys; return the lines that Enter completed, empty ones too."""
        data = _PASTE.sub("", self.held + data)
        partial = _PARTIAL_KEY.search(data[-MAX_TYPED:])
        self.held = partial[0] if partial else ""
        data = data[: len(data) - len(self.held)]
        *complete, rest = _LINE_END.split(data)
        lines = []
        for part in complete:
            self._type(part)
            lines.append(self.finish())
        self._type(rest)
        return lines

    def finish(self) -> TypedLine:
        """Return the line as it stands, and begin the next."""
        line = TypedLine(self.text.strip(), self.plain)
        self.text, self.plain = "", True
        return line

    def _type(self, keys: str) -> None:
        keys, functions = _KEYS.subn("", keys)
        self.plain = self.plain and not functions
        if keys.isprintable():
            self.text = (self.text + keys)[:MAX_TYPED]
            return
        typed = list(self.text)
        for key in keys:
            self._press(typed, key)
        self.text = "".join(typed)[:MAX_TYPED]

    def _press(self, typed: list[str], key: str) -> None:
        if key.isprintable():
            typed.append(key)
        elif key in _BACKSPACES:
            del typed[-1:]
        elif key == _KILL_LINE:
            typed.clear()
        elif key == _KILL_WORD:
            before, space, _ = "".join(typed).rstrip().rpartition(" ")
            del typed[len(before + space) :]
        elif key in _ABANDON:
            typed.clear()
            self.plain = True
        else:
            self.plain = False
