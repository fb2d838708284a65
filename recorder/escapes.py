"""Escape sequences in what is typed and in what is shown (ECMA-48 5, xterm's ctlseqs).

Only found and left out here, never obeyed: an engine does not interpret a screen.
"""

import re
from typing import Final

_CONTROLS: Final = bytes([*range(0x20), 0x7F])
_WRAPPED: Final = re.compile(rb"([^\r\n])\r\1| \r(?!\n)")
"""What readline does at the right margin: it writes the character, returns, and writes it
again, or writes a space and returns. Neither was typed twice."""
_CONTROLS_BUT_NEWLINE: Final = _CONTROLS.replace(b"\n", b"")
_PARTIAL_LIMIT_BYTES: Final = 4096
"""A sequence that is longer is not waited for; real titles and replies are far shorter."""

_KEY = re.compile(
    rb"\x1b\[M[\x20-\xff]{3}"  # A mouse report with its three coordinates.
    rb"|\x1b\[\[[ -~]"  # A function key of the Linux console.
    rb"|\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1bO[0-9]*[ -~]"
    rb"|\x1b[\]P^_X][^\x00-\x06\x08-\x1a\x1c-\x1f]*?(?:\x07|\x1b\\)"  # A terminal's reply.
    rb"|\x1b[ -~]"  # Alt and a key.
    rb"|\x1b"
)
_KEY_PARTIAL = re.compile(
    rb"\x1b(?:\[(?:M[\x20-\xff]{0,2}|\[|[0-?]{0,32}[ -/]{0,4})|O[0-9]{0,4}"
    rb"|[\]P^_X][^\x00-\x1f]+\x1b?)?\Z"
)

_SHOWN = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])"
)
_MOVE = re.compile(rb"\x1b\[[0-9;]*[ABCDEFGHdfJr]")
"""Sequences after which text stands somewhere else on the screen."""
_ALTERNATE = re.compile(rb"\x1b\[\?([0-9;]*)([hl])")
_ALTERNATE_MODES: Final = frozenset({b"47", b"1047", b"1049"})


def split_partial_key(data: bytes) -> tuple[bytes, bytes]:
    """Part `data` into what is whole and a key's sequence that may have just begun."""
    last = data.rfind(b"\x1b")
    if last < 0:
        return data, b""
    # The last escape may be the first half of what ends a terminal's reply.
    for start in (data.rfind(b"\x1b", 0, last), last):
        within = start >= 0 and len(data) - start <= _PARTIAL_LIMIT_BYTES
        if within and _KEY_PARTIAL.match(data, start):
            return data[:start], data[start:]
    return data, b""


def without_keys(data: bytes) -> bytes:
    """Return the printable bytes of what was typed, and its newlines; CR counts as one."""
    if b"\x1b" in data:
        data = _KEY.sub(b"", data)
    return data.replace(b"\r", b"\n").translate(None, _CONTROLS_BUT_NEWLINE)


def split_partial_shown(data: bytes) -> tuple[bytes, bytes]:
    """Part `data` into what is whole and a sequence whose end has not come yet."""
    start = data.rfind(b"\x1b")
    if start < 0 or len(data) - start > _PARTIAL_LIMIT_BYTES or _SHOWN.match(data, start):
        return data, b""
    return data[:start], data[start:]


def visible(data: bytes) -> bytes:
    """Return the printable bytes of what was shown, and its newlines."""
    if b"\x1b" in data:
        data = _SHOWN.sub(b"", data)
    if b"\r" in data:
        data = _WRAPPED.sub(b"\\1", data)
    return data.translate(None, _CONTROLS_BUT_NEWLINE)


def visible_pieces(data: bytes) -> bytes:
    """Return `visible(data)` with a newline wherever the cursor was moved."""
    return visible(_MOVE.sub(b"\n", data))


def alternate_screen(data: bytes, *, before: bool) -> bool:
    """Say whether the alternate screen is on after `data`, if it was as `before`."""
    if b"\x1b[?" not in data:
        return before
    for modes, switch in _ALTERNATE.findall(data):
        if not _ALTERNATE_MODES.isdisjoint(modes.split(b";")):
            before = switch == b"h"
    return before
