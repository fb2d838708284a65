"""PDUs of the I/O channel: Share Control and Share Data ([MS-RDPBCGR] 2.2.8.1.1)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from recorder.replay.rdp.cursor import Cursor

DEMAND_ACTIVE: Final = 1
DATA: Final = 7
UPDATE: Final = 2
"""Kinds of a Share Data PDU ([MS-RDPBCGR] 2.2.8.1.1.1.2)."""
INPUT: Final = 28

_FLOW: Final = 0x8000
_FLOW_BYTES: Final = 8
_CONTROL_HEADER_BYTES: Final = 6
_KIND: Final = 0x0F
_VERSION: Final = 0x10
_BITMAP_CAPABILITY: Final = 2


class ShareControl(Struct, frozen=True):
    """One Share Control PDU."""

    kind: int
    body: memoryview
    """What follows its header."""


class ShareData(Struct, frozen=True):
    """One Share Data PDU, still compressed where its flags say so."""

    kind: int
    compression: int
    body: memoryview


class DesktopSize(Struct, frozen=True):
    """What a target says of its desktop each time it is activated."""

    width_px: int
    height_px: int
    colour_depth_bits: int


def share_controls(data: memoryview) -> Iterator[ShareControl]:
    """Yield the Share Control PDUs in what an I/O channel PDU carries.

    What begins with a security header instead (licensing) is none of them and is left out.
    """
    cursor = Cursor(data)
    while cursor.left >= _CONTROL_HEADER_BYTES:
        size = cursor.u16()
        if size == _FLOW:
            cursor.skip(_FLOW_BYTES - 2)
            continue
        kind = cursor.u16()
        is_control = kind & ~_KIND == _VERSION and size >= _CONTROL_HEADER_BYTES
        if not is_control or size - 4 > cursor.left:
            return
        cursor.skip(2)
        yield ShareControl(kind & _KIND, cursor.take(size - _CONTROL_HEADER_BYTES))


def share_data(body: memoryview) -> ShareData:
    """Read a Share Data header; raise `MalformedPduError`."""
    cursor = Cursor(body)
    cursor.skip(8)
    kind, compression = cursor.u8(), cursor.u8()
    cursor.skip(2)
    return ShareData(kind, compression, cursor.rest())


def desktop_size(body: memoryview) -> DesktopSize | None:
    """Read the Bitmap Capability Set (2.2.7.1.2) of a Demand Active PDU (2.2.1.13.1)."""
    cursor = Cursor(body)
    cursor.skip(4)
    source_size = cursor.u16()
    cursor.skip(2)
    cursor.skip(source_size)
    count = cursor.u16()
    cursor.skip(2)
    for _ in range(count):
        kind, size = cursor.u16(), cursor.u16()
        capability = Cursor(cursor.take(size - 4))
        if kind == _BITMAP_CAPABILITY:
            depth = capability.u16()
            capability.skip(6)
            return DesktopSize(capability.u16(), capability.u16(), depth)
    return None
