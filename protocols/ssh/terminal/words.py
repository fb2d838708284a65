"""Takes a line apart into words, as a shell would: `'`, `"` and a backslash. Sans-io."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_ESCAPED_IN_QUOTES: Final = '"\\'


class WordsError(Exception):
    """The line ends before its quote does. The message is for whoever typed it."""


class Word(Struct, frozen=True):
    """A word without its quotes; only a bare one can be an option."""

    text: str
    bare: bool = True


def split(line: str) -> list[Word]:
    """Return the words of a line; raise `WordsError`."""
    words: list[Word] = []
    text: str | None = None
    bare = True
    marks = iter(line)
    for mark in marks:
        if mark.isspace():
            if text is not None:
                words.append(Word(text, bare))
            text, bare = None, True
            continue
        text = text or ""
        if mark in "'\"":
            text, bare = text + _quoted(mark, marks), False
        elif mark == "\\":
            text, bare = text + _next(marks, "\\"), False
        else:
            text += mark
    if text is not None:
        words.append(Word(text, bare))
    return words


def _quoted(quote: str, marks: Iterator[str]) -> str:
    text = ""
    while (mark := _next(marks, quote)) != quote:
        if mark == "\\" and quote == '"':
            mark = _next(marks, quote)
            if mark not in _ESCAPED_IN_QUOTES:
                text += "\\"
        text += mark
    return text


def _next(marks: Iterator[str], opened: str) -> str:
    mark = next(marks, None)
    if mark is None:
        raise WordsError(f"the line ends within {opened}; close it, or leave it out")
    return mark


def quote(text: str) -> str:
    """Return `text` as one word that `split` reads back."""
    if text and not any(mark.isspace() or mark in "'\"\\?" for mark in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
