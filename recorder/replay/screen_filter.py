"""Lets through only what acts inside the screen.

A target can send its user's terminal more than text: set the window's title, write
to the clipboard, ask questions whose answers arrive as typed keys, switch the mouse
on. Played back, all that would act on whoever watches. What passes here is text,
colours, cursor moves, erasing, scrolling, the alternate screen and character sets, each
written anew from its parsed form; everything that is not known to be harmless is dropped.

The machine is that of ECMA-48 and of Paul Williams' VT500 parser, on decoded
UTF-8: a byte that is not UTF-8 becomes U+FFFD, so an 8-bit control never passes.
"""

import codecs
import re
from collections.abc import Callable

_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_PARAMETERS = re.compile(r"[\x20-\x3f]+")
_STRING_END = re.compile(r"[\x07\x18\x1a\x1b\x9c]")
_CSI = re.compile(r"(?P<prefix>\??)(?P<numbers>[0-9;:]*)(?P<between>[ !]?)")
_NUMBER = re.compile(r"[0-9]+")
_LONGEST = 128
"""No harmless sequence is longer; more is dropped, not kept."""
_LARGEST = 4
"""Digits of a number; a repeat or a move beyond 9999 serves only to stall a terminal."""

_ESC = "\x1b"
_INSIDE_C0 = frozenset("\b\t\n\v\f\r\x0e\x0f")
_STRINGS = {"P": "\x90", "X": "\x98", "]": "\x9d", "^": "\x9e", "_": "\x9f", "k": "\x90"}
"""What opens a string after ESC, as one control: DCS, SOS, OSC, PM, APC, a title of screen."""
_OSC = "\x9d"
_CANCELS = frozenset("\x18\x1a")
_INSIDE_ESC = frozenset("78DEHM")
_CHARACTER_SETS = frozenset("()*+")
_INSIDE_CSI = frozenset("@ABCDEFGHIKLMPSTXZ`abdefgr")
_INSERT_MODE = "4"
_CURSOR_STYLES = frozenset(["", "0", "1", "2", "3", "4", "5", "6"])
_UNDO_MODES = {
    "5": "l", "6": "l", "7": "h", "12": "l", "25": "h",
    "47": "l", "1047": "l", "1048": "", "1049": "l",
}  # fmt: skip
"""DEC private modes that stay inside the screen, and what puts each back."""


class ScreenFilter:
    """One stream of a terminal's output. `feed` may be handed it in any pieces."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._state: Callable[[str, int], int] = self._ground
        self._collected = ""
        self._string = ""
        self._passed: list[str] = []
        self._undo: dict[str, str] = {}

    def feed(self, data: bytes) -> bytes:
        """Return what of `data` acts inside the screen."""
        text = self._decode(data)
        at = 0
        while at < len(text):
            at = self._state(text, at)
        return self._take()

    def reset(self) -> bytes:
        """Return what puts the terminal back as it was; forget what was half received."""
        self._decode(b"", True)  # noqa: FBT003 - the codec's own signature
        self._state = self._ground
        self._put_back()
        return self._take()

    def _take(self) -> bytes:
        passed = "".join(self._passed).encode()
        self._passed.clear()
        return passed

    def _put_back(self) -> None:
        self._passed.extend([f"{_ESC}[0m", *self._undo.values()])
        self._undo.clear()

    # Each state takes the text and a place in it, and returns the place to go on from.

    def _ground(self, text: str, at: int) -> int:
        if plain := _PLAIN.match(text, at):
            self._passed.append(plain[0])
            return plain.end()
        self._control(text[at])
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        character = text[at]
        if _is_control(character):
            self._control(character)
        elif "\x20" <= character <= "\x2f":
            self._collected = (self._collected + character)[:_LONGEST]
        elif not self._collected and character == "[":
            self._state = self._control_sequence
        elif not self._collected and character in _STRINGS:
            self._open_string(_STRINGS[character])
        else:
            self._state = self._ground
            if character > "\x7e":
                return at
            self._end_escape(character)
        return at + 1

    def _control_sequence(self, text: str, at: int) -> int:
        if parameters := _PARAMETERS.match(text, at):
            self._collected = (self._collected + parameters[0])[: _LONGEST + 1]
            return parameters.end()
        character = text[at]
        if _is_control(character):
            self._control(character)
            return at + 1
        self._state = self._ground
        if character > "\x7e":
            return at
        self._end_control_sequence(character)
        return at + 1

    def _in_string(self, text: str, at: int) -> int:
        end = _STRING_END.search(text, at)
        if end is None:
            return len(text)
        if end[0] == "\x07" and self._string != _OSC:
            return end.end()
        self._state = self._ground
        if end[0] == _ESC:
            self._control(_ESC)
        return end.end()

    # What ends a sequence.

    def _control(self, character: str) -> None:
        if character == _ESC:
            self._collected = ""
            self._state = self._escape
        elif character == "\x9b":
            self._collected = ""
            self._state = self._control_sequence
        elif character in _STRINGS.values():
            self._open_string(character)
        elif character in _CANCELS or character >= "\x80":
            self._state = self._ground
        elif character in _INSIDE_C0:
            self._pass_c0(character)

    def _pass_c0(self, character: str) -> None:
        self._passed.append(character)
        if character == "\x0e":
            self._undo["shift"] = "\x0f"
        elif character == "\x0f":
            self._undo.pop("shift", None)

    def _open_string(self, kind: str) -> None:
        self._string = kind
        self._state = self._in_string

    def _end_escape(self, final: str) -> None:
        between = self._collected
        if between in _CHARACTER_SETS and final.isalnum():
            self._passed.append(f"{_ESC}{between}{final}")
            self._undo[between] = f"{_ESC}{between}B"
        elif between == "#" and final in "34568":
            self._passed.append(f"{_ESC}#{final}")
        elif not between and final in _INSIDE_ESC:
            self._passed.append(f"{_ESC}{final}")
        elif not between and final == "c":
            # A full reset would also take back what the watcher has set up.
            self._put_back()
            self._passed.append(f"{_ESC}[2J{_ESC}[H")

    def _end_control_sequence(self, final: str) -> None:
        match = _CSI.fullmatch(self._collected)
        if match is None or len(self._collected) > _LONGEST:
            return
        numbers = match["numbers"]
        if len(numbers) > _LARGEST and any(map(_is_large, _NUMBER.findall(numbers))):
            return
        match match["prefix"] + match["between"]:
            case "":
                self._pass_sequence(numbers, final)
            case "?" if final in {"h", "l"}:
                self._pass_modes(numbers.split(";"), final)
            case "?" if final in {"J", "K"} and numbers in {"", "0", "1", "2"}:
                self._passed.append(f"{_ESC}[?{numbers}{final}")
            case " " if final == "q" and numbers in _CURSOR_STYLES:
                self._passed.append(f"{_ESC}[{numbers} q")
                self._undo["cursor"] = f"{_ESC}[0 q"
            case "!" if final == "p" and not numbers:
                self._put_back()
            case _:
                pass

    def _pass_sequence(self, numbers: str, final: str) -> None:
        if not _stays_inside(numbers, final):
            return
        self._passed.append(f"{_ESC}[{numbers}{final}")
        if final == "r":
            self._undo["margins"] = f"{_ESC}7{_ESC}[r{_ESC}8"
        elif final == "h":
            self._undo["insert"] = f"{_ESC}[4l"

    def _pass_modes(self, modes: list[str], final: str) -> None:
        for mode in modes:
            if mode not in _UNDO_MODES:
                continue
            self._passed.append(f"{_ESC}[?{mode}{final}")
            undo = _UNDO_MODES[mode]
            if undo in {"", final}:
                self._undo.pop(f"mode {mode}", None)
            else:
                self._undo[f"mode {mode}"] = f"{_ESC}[?{mode}{undo}"


def _stays_inside(numbers: str, final: str) -> bool:
    match final:
        case "m":
            return True
        case "h" | "l":
            return numbers == _INSERT_MODE
        case "J":
            # Erasing the scrollback takes away what the watcher had before.
            return numbers in {"", "0", "1", "2"}
        case "s" | "u":
            # With numbers they set the side margins, and report a key.
            return not numbers
        case "T" if ";" in numbers:
            return False  # With more than one number it tracks the mouse.
        case _:
            return final in _INSIDE_CSI and ":" not in numbers


def _is_large(number: str) -> bool:
    return len(number) > _LARGEST


def _is_control(character: str) -> bool:
    return character < "\x20" or "\x7f" <= character <= "\x9f"
