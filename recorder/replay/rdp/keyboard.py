"""What keys type: scan codes by the client's keyboard layout, to characters and key names.

A key that types gives its characters; every other gives its name in brackets: `[Left]`,
`[Ctrl+C]`. The layout is what the client said; the target may have another one set, which
only its screen shows.
"""

import unicodedata
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from recorder.replay.rdp.input import Character, Key
from recorder.replay.rdp.layout_data import LAYOUTS, SCAN_CODES, TABLES

_PLAIN, _SHIFT, _ALTGR, _SHIFT_ALTGR = range(4)
_NO_CHARACTER: Final = "\0"
_ANY_REGION: Final = 0x03FF
"""The language in a layout's identifier, without its region."""
ENTER: Final = "\n"
BACKSPACE: Final = "[Backspace]"

_EXTENDED: Final = 0x100
"""Added to the scan code of an extended key."""
_PAUSE: Final = 0x1D
_NUM_LOCK: Final = 0x45
_CAPS_LOCK: Final = 0x3A
_SHIFTS: Final = frozenset({0x2A, 0x36})
_CONTROLS: Final = frozenset({0x1D, 0x11D})
_LEFT_ALT: Final = 0x38
_RIGHT_ALT: Final = 0x138
_WINDOWS: Final = frozenset({0x15B, 0x15C})
_MODIFIERS: Final = _SHIFTS | _CONTROLS | _WINDOWS | {_LEFT_ALT, _RIGHT_ALT}
_FAKE_SHIFTS: Final = frozenset({0x12A, 0x136})
"""Sent around navigation keys by keyboards of old; they mean nothing."""
_NUM_TOGGLE: Final = 2
_CAPS_TOGGLE: Final = 4
_MAX_HELD: Final = 16

_PAD: Final = MappingProxyType(
    {
        0x47: ("7", "Home"),
        0x48: ("8", "Up"),
        0x49: ("9", "PageUp"),
        0x4B: ("4", "Left"),
        0x4C: ("5", "Clear"),
        0x4D: ("6", "Right"),
        0x4F: ("1", "End"),
        0x50: ("2", "Down"),
        0x51: ("3", "PageDown"),
        0x52: ("0", "Insert"),
        0x53: ("", "Delete"),
    }
)
"""What the pad types with Num Lock, and what it is without. Its comma is the layout's."""
_SIGNS: Final = MappingProxyType({0x37: "*", 0x4A: "-", 0x4E: "+", 0x135: "/"})
_NAMES: Final = MappingProxyType(
    {
        0x01: "Escape",
        0x0E: "Backspace",
        0x0F: "Tab",
        **{0x3B + number: f"F{number + 1}" for number in range(10)},
        _NUM_LOCK: "NumLock",
        0x46: "ScrollLock",
        _CAPS_LOCK: "CapsLock",
        0x54: "SysRq",
        0x57: "F11",
        0x58: "F12",
        **{_EXTENDED + code: name for code, (_, name) in _PAD.items() if name != "Clear"},
        0x137: "PrintScreen",
        0x146: "Break",
        0x15D: "Menu",
    }
)


class Keyboard(Struct, array_like=True):
    """A keyboard, with what is held down and locked."""

    layout: int = 0x409
    held: list[int] = []
    """Modifiers that are down."""
    caps: bool = False
    num: bool = True
    dead: str = ""
    """A combining character that waits for its letter."""
    high_surrogate: int = 0
    pause: bool = False
    """Whether the rest of Pause is still to come."""
    windows_alone: bool = False
    """Whether the Windows key went down and nothing since."""

    def synchronise(self, toggles: int) -> None:
        """Take the locks; no key is down any more."""
        self.held = []
        self.num, self.caps = bool(toggles & _NUM_TOGGLE), bool(toggles & _CAPS_TOGGLE)

    def let_go(self) -> None:
        """Take it that no key is down, and that nothing is begun."""
        self.held, self.dead, self.high_surrogate = [], "", 0
        self.pause = self.windows_alone = False

    def type(self, character: Character) -> str:
        """Take a UTF-16 unit; return the character once it is whole."""
        if character.released:
            return ""
        unit, high = character.unit, self.high_surrogate
        self.high_surrogate = 0
        if 0xD800 <= unit < 0xDC00:  # noqa: PLR2004 - the range of the first of two units
            self.high_surrogate = unit
            return ""
        if 0xDC00 <= unit < 0xE000:  # noqa: PLR2004 - and of the second
            if not high:
                return ""
            unit = 0x10000 + ((high & 0x3FF) << 10 | unit & 0x3FF)
        return ENTER if unit == 0x0D else chr(unit)  # noqa: PLR2004 - a carriage return

    def press(self, key: Key) -> str:
        """Take a key; return what it typed, or its name; nothing where it did neither."""
        code = key.scan_code | (_EXTENDED if key.extended else 0)
        if self._is_of_pause(key) or code in _FAKE_SHIFTS:
            return ""
        if key.extended_1 and key.scan_code == _PAUSE:
            self.pause = not key.released
            return "" if key.released else "[Pause]"
        if code in _MODIFIERS:
            return self._hold(code, released=key.released)
        if key.released:
            return ""
        self.windows_alone = False
        if code == _CAPS_LOCK:
            self.caps = not self.caps
        elif code == _NUM_LOCK:
            self.num = not self.num
        return self._pressed(code)

    def _is_of_pause(self, key: Key) -> bool:
        """Pause comes as two keys: 0xE1 0x1D, then that of Num Lock."""
        if not self.pause or key.scan_code != _NUM_LOCK:
            return False
        self.pause = not key.released
        return True

    def _hold(self, code: int, *, released: bool) -> str:
        alone = released and self.windows_alone and code in _WINDOWS
        self.windows_alone = not released and code in _WINDOWS and not self.held
        if released:
            self.held = [one for one in self.held if one != code]
        elif code not in self.held:
            self.held = [*self.held, code][-_MAX_HELD:]
        return "[Win]" if alone else ""

    def _pressed(self, code: int) -> str:
        held = set(self.held)
        shift, control = bool(held & _SHIFTS), bool(held & _CONTROLS)
        alt = _LEFT_ALT in held
        # Windows takes Ctrl+Alt for AltGr, and a client may send AltGr as both.
        character = (
            self._character(code, shift=shift, altgr=True)
            if (_RIGHT_ALT in held or (control and alt))
            else _NO_CHARACTER
        )
        if character == _NO_CHARACTER:
            combined = control or alt or _RIGHT_ALT in held or bool(held & _WINDOWS)
            if combined:
                return self._combination(code, held)
            character = self._character(code, shift=shift, altgr=False)
        if character == _NO_CHARACTER:
            return self._combination(code, held)
        return self._composed(character)

    def _character(self, code: int, *, shift: bool, altgr: bool) -> str:
        """Return what the key types, a combining character for a dead key, or NUL."""
        if code in _SIGNS and not altgr:
            return _SIGNS[code]
        if code in (0x1C, 0x11C):
            return _NO_CHARACTER if altgr else ENTER
        if code in _PAD and (altgr or not self.num or shift):
            return _NO_CHARACTER
        if code in _PAD and _PAD[code][0]:
            return _PAD[code][0]
        place = SCAN_CODES.find(code) if code < _EXTENDED else -1
        if place < 0:
            return _NO_CHARACTER
        table = TABLES[layout_name(self.layout)]
        plain = table[_PLAIN][place]
        if self.caps and plain.upper() == table[_SHIFT][place] != plain:
            shift = not shift
        level = (_SHIFT_ALTGR if shift else _ALTGR) if altgr else int(shift)
        return table[level][place]

    def _composed(self, character: str) -> str:
        """Join a dead key and the letter behind it."""
        dead, self.dead = self.dead, ""
        if unicodedata.combining(character):
            if not dead:
                self.dead = character
                return ""
            return _alone(dead) + _alone(character)
        if not dead:
            return character
        if character == " ":
            return _alone(dead)
        joined = unicodedata.normalize("NFC", character + dead)
        return joined if len(joined) == 1 else _alone(dead) + character

    def _combination(self, code: int, held: set[int]) -> str:
        dead, self.dead = self.dead, ""
        name = self._name(code)
        parts = [
            ("Ctrl", held & _CONTROLS),
            ("Alt", held & {_LEFT_ALT, _RIGHT_ALT}),
            ("Shift", held & _SHIFTS),
            ("Win", held & _WINDOWS),
        ]
        modifiers = [word for word, keys in parts if keys]
        return (_alone(dead) if dead else "") + f"[{'+'.join([*modifiers, name])}]"

    def _name(self, code: int) -> str:
        if code in _NAMES:
            return _NAMES[code]
        if code in (0x1C, 0x11C):
            return "Enter"
        if code == 0x39:  # noqa: PLR2004 - the space bar
            return "Space"
        if code in _PAD and not self.num:
            return _PAD[code][1]
        character = self._character(code, shift=False, altgr=False)
        if character == _NO_CHARACTER:
            return _PAD[code][1] if code in _PAD else f"Key {code & 0xFF:02X}"
        return _alone(character) if unicodedata.combining(character) else character.upper()


def layout_name(identifier: int) -> str:
    """Return the table for a Windows layout: of its language at least, else the US one."""
    name = LAYOUTS.get(identifier) or LAYOUTS.get(identifier & 0xFFFF)
    if name is not None:
        return name
    language = identifier & _ANY_REGION
    alike = (name for one, name in LAYOUTS.items() if one & _ANY_REGION == language)
    return next(alike, "us")


_ALONE: Final = MappingProxyType(
    {
        "\u0300": "`",
        "\u0301": "´",  # noqa: RUF001
        "\u0302": "^",
        "\u0303": "~",
        "\u0304": "¯",
        "\u0306": "˘",
        "\u0307": "˙",
        "\u0308": "¨",
        "\u030a": "°",
        "\u030b": "˝",
        "\u030c": "ˇ",
        "\u0327": "¸",  # noqa: RUF001
        "\u0328": "˛",  # noqa: RUF001
    }
)


def _alone(dead: str) -> str:
    """Return a dead key's own sign."""
    return _ALONE.get(dead, dead)
