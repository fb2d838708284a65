"""A live terminal as frames of asciinema's live stream, ALiS version 1.

A stream is the magic string, a reset with the screen as it is, and what happens from then
on; a later reset starts over. Numbers are LEB128, times microseconds, each behind the
first told by its distance from the one before. Sans-io.
"""

from typing import Final

MAGIC: Final = b"ALiS\x01"
SUBPROTOCOL: Final = "v1.alis"
_RESET, _END = b"\x01", b"\x04"
_NO_THEME = b"\x00"


class LiveStream:
    """Writes one stream."""

    def __init__(self) -> None:
        self._last_us = 0
        self._number = 0

    def reset(self, at_ms: int, size: tuple[int, int], screen: bytes) -> bytes:
        """Return what shows `screen` on an empty terminal of this size."""
        self._last_us = at_ms * 1000
        columns, rows = size
        numbers = (self._number, self._last_us, columns, rows)
        return _RESET + b"".join(map(_leb128, numbers)) + _NO_THEME + _counted(screen)

    def output(self, at_ms: int, text: bytes) -> bytes:
        """Return what draws whole characters."""
        return b"o" + self._when(at_ms) + _counted(text)

    def typed(self, at_ms: int, text: bytes) -> bytes:
        """Return what tells of keys."""
        return b"i" + self._when(at_ms) + _counted(text)

    def resized(self, at_ms: int, size: tuple[int, int]) -> bytes:
        """Return what gives the terminal a new size."""
        return b"r" + self._when(at_ms) + b"".join(map(_leb128, size))

    def end(self, at_ms: int) -> bytes:
        """Return what ends the stream."""
        return _END + _leb128(max(0, at_ms * 1000 - self._last_us))

    def _when(self, at_ms: int) -> bytes:
        self._number += 1
        # A key is recorded late, and its time is before that of what it showed.
        at_us = max(at_ms * 1000, self._last_us)
        since_us, self._last_us = at_us - self._last_us, at_us
        return _leb128(self._number) + _leb128(since_us)


def _counted(text: bytes) -> bytes:
    return _leb128(len(text)) + text


def _leb128(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
