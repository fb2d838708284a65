"""Capability sets in Demand Active and Confirm Active ([MS-RDPBCGR] 2.2.1.13, 2.2.7).

A set is kept as (type, bytes), so that what we do not know passes as it came.
"""

import enum
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.slowpath import SHARE_HEADER_BYTES

_MAX_SETS: Final = 64


class Capability(enum.IntEnum):
    """Types of capability sets ([MS-RDPBCGR] 2.2.1.13.1.1.1)."""

    GENERAL = 0x01
    BITMAP = 0x02
    ORDER = 0x03
    BITMAP_CACHE = 0x04
    POINTER = 0x08
    SHARE = 0x09
    COLOUR_CACHE = 0x0A
    INPUT = 0x0D
    FONT = 0x0E
    OFFSCREEN_CACHE = 0x11
    BITMAP_CACHE_HOST = 0x12
    BITMAP_CACHE_2 = 0x13
    VIRTUAL_CHANNEL = 0x14
    NINE_GRID = 0x15
    GDI_PLUS = 0x16
    REMOTE_PROGRAMS = 0x17
    WINDOW_LIST = 0x18
    DESKTOP_COMPOSITION = 0x19
    GLYPH_CACHE = 0x10
    SURFACE_COMMANDS = 0x1C
    BITMAP_CODECS = 0x1D
    FRAME_ACKNOWLEDGE = 0x1E


Sets = list[tuple[int, bytes]]
Change = Callable[[Sets], Sets]


class Active(Struct, frozen=True, kw_only=True):
    """A Demand Active or Confirm Active PDU, taken apart."""

    header: bytes
    """The share control header without its length."""
    ids: bytes
    """The share id, and in a Confirm Active the originator."""
    source: bytes
    sets: tuple[tuple[int, bytes], ...]
    after: bytes
    """The session id, behind a Demand Active."""

    @classmethod
    def read(cls, share: bytes, *, confirm: bool) -> "Active":
        """Read a whole share control PDU; `confirm` says which of the two it is."""
        reader = Reader(share)
        reader.u16()
        header = reader.take(SHARE_HEADER_BYTES - 2)
        ids = reader.take(6 if confirm else 4)
        source_bytes, combined_bytes = reader.u16(), reader.u16()
        source = reader.take(source_bytes)
        combined = Reader(reader.take(combined_bytes))
        return cls(
            header=header,
            ids=ids,
            source=source,
            sets=tuple(_read_sets(combined)),
            after=reader.rest(),
        )

    def write(self, sets: Sets) -> bytes:
        """Return the PDU with other capability sets."""
        joined = b"".join(
            kind.to_bytes(2, "little") + (len(body) + 4).to_bytes(2, "little") + body
            for kind, body in sets
        )
        body = self.ids + len(self.source).to_bytes(2, "little")
        body += (len(joined) + 4).to_bytes(2, "little") + self.source
        body += len(sets).to_bytes(2, "little") + b"\0\0" + joined + self.after
        return (SHARE_HEADER_BYTES + len(body)).to_bytes(2, "little") + self.header + body


def _read_sets(reader: Reader) -> Sets:
    count = reader.u16()
    reader.u16()
    if count > _MAX_SETS:
        raise RemoteProtocolError(f"{count} capability sets")
    sets: Sets = []
    for _ in range(count):
        kind, size = reader.u16(), reader.u16()
        sets.append((kind, reader.take(size - 4)))
    return sets
