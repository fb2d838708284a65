"""What keys type on the demo desktop: a US keyboard, and characters sent as such.

Whatever combines with Ctrl, Alt or the Windows key types nothing: there are no programs
here that it would be for.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from protocols.rdp.wire.keys import EXTENDED, NO_SCAN_CODE, KeyMove

ENTER: Final = "\n"
BACKSPACE: Final = "\b"
_SHIFTS: Final = frozenset({0x2A, 0x36})
_OTHERS: Final = frozenset(
    {0x1D, 0x1D | EXTENDED, 0x38, 0x38 | EXTENDED, 0x5B | EXTENDED, 0x5C | EXTENDED}
)
_CAPS_LOCK: Final = 0x3A
_HIGH, _LOW, _SURROGATES_END = 0xD800, 0xDC00, 0xE000
_RUNS: Final = (
    (0x02, "1234567890-=", "!@#$%^&*()_+"),
    (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
    (0x1E, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (0x2B, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (0x39, " ", " "),
    (0x56, "\\", "|"),
    # The pad, as with Num Lock: without it clients send the extended keys as well.
    (0x47, "789-456+1230.", "789-456+1230."),
    (0x37, "*", "*"),
    (0x35 | EXTENDED, "/", "/"),
    (0x0E, BACKSPACE, BACKSPACE),
    (0x0F, " ", " "),
    (0x1C, ENTER, ENTER),
    (0x1C | EXTENDED, ENTER, ENTER),
)
"""First scan code of neighbours, and what they type without and with Shift."""
_TYPES: Final = MappingProxyType(
    {
        first + at: pair
        for first, plain, shifted in _RUNS
        for at, pair in enumerate(zip(plain, shifted, strict=True))
    }
)


class Keyboard:
    """One, with what is held down."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._caps = False
        self._high = 0
        """The first of two UTF-16 units, while the second is to come."""

    def typed(self, moves: Iterable[KeyMove]) -> str:
        """Return what was typed: characters, `ENTER` and `BACKSPACE`."""
        return "".join(map(self._typed, moves))

    def _typed(self, move: KeyMove) -> str:
        code = move.code
        if code == NO_SCAN_CODE:
            return "" if move.released else self._character(move.unit)
        if code in _SHIFTS or code in _OTHERS:
            (self._held.discard if move.released else self._held.add)(code)
            return ""
        if move.released or self._held & _OTHERS:
            return ""
        if code == _CAPS_LOCK:
            self._caps = not self._caps
            return ""
        plain, shifted = _TYPES.get(code, ("", ""))
        shift = bool(self._held & _SHIFTS) ^ (self._caps and plain.isalpha())
        return shifted if shift else plain

    def _character(self, unit: int) -> str:
        high, self._high = self._high, 0
        if _HIGH <= unit < _LOW:
            self._high = unit
            return ""
        if _LOW <= unit < _SURROGATES_END:
            if not high:
                return ""
            unit = 0x10000 + ((high - _HIGH) << 10 | unit - _LOW)
        character = chr(unit)
        if character in "\r\n":
            return ENTER
        return character if character.isprintable() or character == BACKSPACE else ""
