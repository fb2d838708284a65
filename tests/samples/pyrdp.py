"""What we find in input, in the words of `oracles/pyrdp_answers.py`; bitmaps to try both on."""

from collections.abc import Iterable
from random import Random
from typing import Any, Final

from protocols.rdp.wire.keys import EXTENDED, NO_SCAN_CODE, KeyMove
from recorder.replay.rdp.input import Character, Input, Key, Pointer

UNREAD_BUTTONS, UNREAD_LOCKS, UNREAD_TIME = (["unread", kind] for kind in (2, 3, 6))
"""FastPath events that PyRDP passes over."""
_LENGTHS: Final = (1, 2, 3, 5, 8, 14, 15, 16, 24, 31, 32, 33, 40, 255, 300)
_SHORT: Final = {
    0xF0: 0x00,
    0xF1: 0x20,
    0xF2: 0x40,
    0xF3: 0x60,
    0xF4: 0x80,
    0xF6: 0xC0,
    0xF7: 0xD0,
    0xF8: 0xE0,
}
"""Orders by their MEGA_MEGA code, and their shorter one ([MS-RDPBCGR] 2.2.9.1.1.3.1.2.4)."""
_IMAGES, _DITHERED, _OF_EIGHT, _OF_ONE = (0xF2, 0xF7), 0xF8, (0xF9, 0xFA), (0xFD, 0xFE)
_COLOURS: Final = {0xF3: 1, 0xF6: 1, 0xF7: 1, _DITHERED: 2}


def told_of(event: Input) -> list[Any]:
    """Return what PyRDP is to say of an event on the fast path."""
    match event:
        case Key(code, released, extended, extended_1):
            return ["key", code, released, extended, extended_1]
        case Character(unit, released):
            return ["character", chr(unit), released]
        case Pointer(flags, x, y, extra_buttons=False):
            return ["pointer", flags, x, y]
        case Pointer():
            return UNREAD_BUTTONS
        case _:
            return UNREAD_LOCKS


def moves_of(told: Iterable[list[Any]]) -> list[KeyMove]:
    """Return what the guard of typed secrets is to see in PyRDP's events."""
    moves = []
    for kind, *fields in told:
        if kind == "key":
            code, released, extended, _ = fields
            moves.append(KeyMove(code | (EXTENDED if extended else 0), released))
        elif kind == "character":
            text, released = fields
            moves.append(KeyMove(NO_SCAN_CODE, released, ord(text)))
    return moves


def interleaved(random: Random, width: int, height: int, pixel_bytes: int) -> bytes:
    """Return orders of all kinds and forms; none begins in the first row and ends behind it."""
    data, done = b"", 0
    while done < width * height:
        room = width - done if done < width else width * height - done
        kind = random.choice((*_SHORT, *_OF_EIGHT, *_OF_ONE))
        length = min(room, random.choice(_LENGTHS))
        if kind in _OF_EIGHT or kind in _OF_ONE:
            size = 8 if kind in _OF_EIGHT else 1
            if size <= room:
                data, done = data + bytes([kind]), done + size
            continue
        if kind == _DITHERED:
            length //= 2
        if not length:
            continue
        data += _header(random, kind, length)
        data += random.randbytes(_COLOURS.get(kind, 0) * pixel_bytes)
        if kind in _IMAGES:
            data += random.randbytes((length + 7) // 8)
        elif kind == 0xF4:
            data += random.randbytes(length * pixel_bytes)
        done += 2 * length if kind == _DITHERED else length
    return data


def _header(random: Random, kind: int, length: int) -> bytes:
    """Return an order's header in one of the forms that hold its length."""
    short, forms = _SHORT[kind], [bytes([kind]) + length.to_bytes(2, "little")]
    mask = 0x0F if short >= 0xC0 else 0x1F
    if kind in _IMAGES:
        if length % 8 == 0 and length // 8 <= mask:
            forms.append(bytes([short | length // 8]))
        if length <= 0x100:
            forms.append(bytes([short, length - 1]))
    elif length <= mask:
        forms.append(bytes([short | length]))
    elif length - mask <= 0x100:
        forms.append(bytes([short, length - mask - 1]))
    return random.choice(forms)


def planar(random: Random, width: int, height: int) -> bytes:
    """Return four planes in runs, the first of them alpha."""
    return b"\x10" + b"".join(_row_of_runs(random, width) for _ in range(4 * height))


def with_alpha(data: bytes, width: int, height: int) -> bytes:
    """Return planes in runs that came without alpha, with one of zeros."""
    row, left = b"", width
    while left:
        run = min(left, 47)
        if run > 15:
            row += bytes([run % 16 << 4 | run // 16])
        else:  # Runs of one and two cannot be written.
            row += bytes([run]) if run > 2 else bytes([run << 4]) + bytes(run)
        left -= run
    return b"\x10" + row * height + data[1:]


def _row_of_runs(random: Random, width: int) -> bytes:
    data = b""
    while width:
        run, raw = random.randrange(48), random.randrange(16)
        if run > 15:  # Runs so long have no values before them.
            control, raw = run % 16 << 4 | run // 16, 0
        else:
            control = raw << 4 | run
            if run in (1, 2):  # Which say that the run is long.
                continue
        if 0 < run + raw <= width:
            data += bytes([control]) + random.randbytes(raw)
            width -= run + raw
    return data
