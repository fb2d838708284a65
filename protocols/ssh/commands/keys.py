r"""The line that keys make, as a shell's line editor would edit it.

What bash, zsh and a terminal that reads lines do by themselves is followed: inserting,
deleting, moving. What a key does beyond that (history, completion, a user's own binding) only
the target knows: the line is not `plain` then, and is read off the screen.

A line is run by Enter, and by less known keys of one program or another:

    ctrl-D              a shell without a line editor: twice, at the end of what it reads
    ctrl-O              readline, zsh
    M-#                 readline, which makes a command of a comment if told a number before
    ctrl-X ctrl-E       readline, once the editor that it starts is left
    ctrl-X e            readline: a macro, of which Enter may be the only key
    M-a, M-z            zsh
    v, #                vi modes, behind Escape
    CSI 13 u and such   Enter as fish and Windows are told of it by some terminals
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from protocols.ssh.commands.edited import ERASING, EditedLine

_ENTERS: Final = frozenset({b"\r", b"\n"})
_MAY_RUN: Final = frozenset(
    {
        *(b"\x04", b"\x0f", b"\x1b#", b"\x18\x05", b"\x18e", b"\x18E"),
        *(b"\x1ba", b"\x1bA", b"\x1bz", b"\x1bv", b"\x1bOM"),
    }
)
_MAY_RUN_IN_VI: Final = frozenset({b"v", b"#"})
_META_HASH: Final = b"\xa3"
"""M-# where letters have seven bits; a part of one where they are UTF-8."""
_ENCODED_ENTER = re.compile(
    rb"\x1b\[(?:(?:10|13|106|109|57414)(?:[:;][0-9:;]*)?u|27;[0-9]+;1[03]~|1[03];[0-9;]*_)"
)
_PARTIAL_BYTES: Final = 64
"""A key's sequence is shorter; what is longer is not waited for."""
_LONG: Final = 8192
_PASTED: Final = 4096
"""Characters of a paste that are kept behind each newline, if it is long."""

_KEY = re.compile(
    rb"\x18[\x05eE]|\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[0-9]*[ -~]|\x1b[ -NP-Z\\-~]"
    rb"|[^\x00-\x1f\x7f#v\xa3]+|[\x00-\x1f\x7f#v\xa3]"
)
_PARTIAL = re.compile(rb"\x18\Z|\x1b(?:\[[0-?]*[ -/]*|O[0-9]*)?\Z")
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
_DISCARD: Final = frozenset({b"\x03", b"\x1a", b"\x1c"})
"""ctrl-C, -Z and -backslash."""
_REDRAW: Final = b"\x0c"


class TypedLine:
    """The line that is being typed on one terminal."""

    def __init__(self) -> None:
        self._line = EditedLine()
        self._keyed, self._erased = EditedLine(), EditedLine(ERASING)
        self._literal = EditedLine(frozenset())
        self.plain = True
        """Whether the keys alone tell what the line is."""
        self.edited = False
        """Whether anything but text was typed."""
        self.ends = True
        """Whether the key that `feed` gave last ends the line for sure."""
        self.pasting = False
        """Whether the terminal says that this is a paste, newlines and all."""
        self.interruptible = False
        """Whether ctrl-C is more than text to whoever reads."""
        self._escaped = False
        """Whether the line editor may be in the command mode of vi."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = b""

    @property
    def text(self) -> str:
        """The line as it stands; of a paste, several lines."""
        return self._line.text

    @property
    def others(self) -> set[str]:
        """What it is to programs that take fewer keys for editing, or none, or no paste."""
        return {one.text for one in (self._keyed, self._erased, self._literal)}

    @property
    def overflowed(self) -> bool:
        """Whether it is too long to be known."""
        return self._line.overflowed or self._literal.overflowed

    @property
    def untouched(self) -> bool:
        """Whether no key was pressed since it began."""
        return not self._line.size and not self.edited and not self._partial

    def doubt(self) -> None:
        """Take it that the target may hold more than what was typed."""
        self.plain, self.edited = False, True

    def begin(self) -> None:
        """Begin the next line."""
        for each in (self._line, self._keyed, self._erased, self._literal):
            each.begin()
        self._decoder.reset()
        self._escaped = False
        self.plain, self.edited = True, False

    def newline(self) -> None:
        """Take an Enter that inserts a newline, or may do so: what is before it was judged."""
        self._line.insert("\n")
        if self._line.size > _LONG:
            self._line.keep(_PASTED)
            self.plain = False
        for each in (self._keyed, self._erased, self._literal):
            each.begin()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Take keys; give them back up to and with each Enter, then what is behind the last.

        At each Enter, or what may be one, the line is what stands before it: look, `begin`
        where it `ends`, and go on. The flag says whether the piece ends with one.
        """
        keys, start = self._partial + data, -len(self._partial)
        partial = _PARTIAL.search(keys[-_PARTIAL_BYTES:])
        self._partial = partial[0] if partial else b""
        taken = 0
        for found in _KEY.finditer(keys, 0, len(keys) - len(self._partial)):
            key = found[0]
            self.ends = key in _ENTERS
            if self.ends or self._may_run(key):
                end = start + found.end()
                yield data[taken:end], True
                taken = end
            if key not in _ENTERS:
                self._press(key)
        yield data[taken:], False

    def _may_run(self, key: bytes) -> bool:
        if key == _META_HASH:
            return self._literal.text.startswith("#")
        return (
            key in _MAY_RUN
            or (self._escaped and key in _MAY_RUN_IN_VI)
            or _ENCODED_ENTER.fullmatch(key) is not None
        )

    def _press(self, key: bytes) -> None:
        if key[0] >= 0x20 and key[0] != 0x7F:  # noqa: PLR2004 - what is no control
            self._insert(self._decoder.decode(key))
            return
        self.edited = True
        self._escaped |= key[:1] == b"\x1b" and key[1:2] not in {b"[", b"O"}
        if key in {_PASTE_BEGINS, _PASTE_ENDS}:
            self.pasting = key == _PASTE_BEGINS
            return
        self._keyed.press(key)
        self._erased.press(key)
        if self.pasting:
            self._line.insert(key.decode())
        elif key in _DISCARD:
            self._discard()
        elif not self._line.press(key) and key != _REDRAW:
            self.plain = False

    def _insert(self, text: str) -> None:
        for each in (self._line, self._keyed, self._erased, self._literal):
            each.insert(text)
        self.plain &= not self._line.overflowed

    def _discard(self) -> None:
        """Forget the line. What takes no notice of that keeps it."""
        for each in (self._line, self._keyed, self._erased):
            each.begin()
        if self.interruptible:
            self._literal.begin()
        self.doubt()
