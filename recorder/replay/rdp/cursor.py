"""Reads numbers and bytes from a PDU, and never past its end."""

import struct
from typing import Final

from recorder.errors import MalformedPduError

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_U16_BIG: Final = struct.Struct(">H")


class Cursor:
    """A place in some bytes. Every read raises `MalformedPduError` where they are too few."""

    __slots__ = ("_data", "_end", "at")

    def __init__(self, data: bytes | memoryview, at: int = 0, end: int | None = None) -> None:
        self._data = memoryview(data)
        self._end = len(data) if end is None else min(end, len(data))
        self.at = at
        """Bytes from the beginning of the data."""

    @property
    def left(self) -> int:
        """How many bytes there still are."""
        return self._end - self.at

    def u8(self) -> int:
        """Return a byte."""
        return self._data[self._passed(1)]

    def u16(self) -> int:
        """Return two bytes, little-endian."""
        value: int = _U16.unpack_from(self._data, self._passed(2))[0]
        return value

    def u16_big(self) -> int:
        """Return two bytes, big-endian."""
        value: int = _U16_BIG.unpack_from(self._data, self._passed(2))[0]
        return value

    def i16(self) -> int:
        """Return two bytes, little-endian, signed."""
        value = self.u16()
        return value - 0x10000 if value & 0x8000 else value

    def u32(self) -> int:
        """Return four bytes, little-endian."""
        value: int = _U32.unpack_from(self._data, self._passed(4))[0]
        return value

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes, not copied."""
        start = self._passed(count)
        return self._data[start : start + count]

    def rest(self) -> memoryview:
        """Return everything that is left, not copied."""
        return self.take(self.left)

    def skip(self, count: int) -> None:
        """Leave out `count` bytes."""
        self._passed(count)

    def _passed(self, count: int) -> int:
        start = self.at
        if count < 0 or count > self._end - start:
            raise MalformedPduError(f"{count} bytes wanted, {self._end - start} left")
        self.at = start + count
        return start
