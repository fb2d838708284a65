"""Input events as a client sends them, on both paths ([MS-RDPBCGR] 2.2.8.1.1.3, 2.2.8.1.2)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from recorder.replay.rdp import share
from recorder.replay.rdp.bulk import COMPRESSED
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.pdus import FastPathPdu

_FAST_KEY, _FAST_POINTER, _FAST_POINTER_X, _FAST_SYNC, _FAST_UNICODE = range(5)
_FAST_MOVED: Final = 5
"""A pointer that only says how far it moved, so not where it is."""
_FAST_TIMESTAMP: Final = 6
_FAST_SKIPPED: Final = {_FAST_MOVED: 6, _FAST_TIMESTAMP: 4}
"""Bytes behind the header of events that say nothing of keys or places."""
_FAST_RELEASED: Final = 0x01
_FAST_EXTENDED: Final = 0x02
_FAST_EXTENDED_1: Final = 0x04
_SLOW_SYNC: Final = 0
_SLOW_KEY: Final = 4
_SLOW_UNICODE: Final = 5
_SLOW_POINTER: Final = 0x8001
_SLOW_POINTER_X: Final = 0x8002
_SLOW_BODY_BYTES: Final = 6
_EXTENDED: Final = 0x0100
_EXTENDED_1: Final = 0x0200
_RELEASED: Final = 0x8000


class Key(Struct, frozen=True):
    """A key went down or up: its set 1 scan code, with what came before it."""

    scan_code: int
    released: bool = False
    extended: bool = False
    """0xE0 came before it."""
    extended_1: bool = False
    """0xE1 came before it: Pause."""


class Character(Struct, frozen=True):
    """A UTF-16 unit that no key stands for."""

    unit: int
    released: bool = False


class Pointer(Struct, frozen=True):
    """The pointer moved, a button went down or up, a wheel turned."""

    flags: int
    x_px: int
    y_px: int
    extra_buttons: bool = False
    """Whether `flags` are of the fourth and fifth button."""


class Synchronised(Struct, frozen=True):
    """No key is down; these locks are on: 1 Scroll, 2 Num, 4 Caps, 8 Kana."""

    toggles: int


Input = Key | Character | Pointer | Synchronised


def fast_path_input(pdu: FastPathPdu) -> Iterator[Input]:
    """Yield the events of a FastPath input PDU; raise `MalformedPduError`."""
    cursor = Cursor(pdu.body)
    count = pdu.header >> 2 & 0x0F or cursor.u8()
    for _ in range(count):
        header = cursor.u8()
        kind, flags = header >> 5, header & 0x1F
        if kind == _FAST_KEY:
            yield Key(
                cursor.u8(),
                bool(flags & _FAST_RELEASED),
                bool(flags & _FAST_EXTENDED),
                bool(flags & _FAST_EXTENDED_1),
            )
        elif kind in (_FAST_POINTER, _FAST_POINTER_X):
            yield _pointer(cursor, extra=kind == _FAST_POINTER_X)
        elif kind == _FAST_SYNC:
            yield Synchronised(flags)
        elif kind == _FAST_UNICODE:
            yield Character(cursor.u16(), bool(flags & _FAST_RELEASED))
        elif kind in _FAST_SKIPPED:
            cursor.skip(_FAST_SKIPPED[kind])
        else:
            return  # How long it is, and so where the next one begins, is not known.


def io_channel_input(data: memoryview) -> Iterator[Input]:
    """Yield the input events in what a client sent on the I/O channel."""
    for control in share.share_controls(data):
        if control.kind != share.DATA:
            continue
        one = share.share_data(control.body)
        if one.kind == share.INPUT and not one.compression & COMPRESSED:
            yield from _slow_path_input(Cursor(one.body))


def _slow_path_input(cursor: Cursor) -> Iterator[Input]:
    count = cursor.u16()
    cursor.skip(2)
    for _ in range(count):
        cursor.skip(4)
        kind = cursor.u16()
        event = _slow_path_event(kind, Cursor(cursor.take(_SLOW_BODY_BYTES)))
        if event is not None:
            yield event


def _slow_path_event(kind: int, body: Cursor) -> Input | None:
    if kind in (_SLOW_POINTER, _SLOW_POINTER_X):
        return _pointer(body, extra=kind == _SLOW_POINTER_X)
    flags, code = body.u16(), body.u16()
    released = bool(flags & _RELEASED)
    if kind == _SLOW_KEY:
        extended, extended_1 = bool(flags & _EXTENDED), bool(flags & _EXTENDED_1)
        return Key(code & 0xFF, released, extended, extended_1)
    if kind == _SLOW_UNICODE:
        return Character(code, released)
    if kind == _SLOW_SYNC:
        return Synchronised(code)
    return None


def _pointer(cursor: Cursor, *, extra: bool) -> Pointer:
    return Pointer(cursor.u16(), cursor.u16(), cursor.u16(), extra)
