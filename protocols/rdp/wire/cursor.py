"""Takes fields off the front of a peer's bytes, and never one that is not there.

RDP mixes both byte orders: MCS, TPKT and X.224 are big-endian, everything else of
[MS-RDPBCGR] is little-endian.
"""

from protocols.errors import RemoteProtocolError


class Reader:
    """A position in `data`. Every take raises `RemoteProtocolError` where it is too short."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes | memoryview, offset: int = 0) -> None:
        self._data = data
        self._offset = offset

    @property
    def offset(self) -> int:
        """How many bytes were taken."""
        return self._offset

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._offset

    def take(self, size_bytes: int) -> bytes:
        """Take so many bytes."""
        end = self._offset + size_bytes
        if size_bytes < 0 or end > len(self._data):
            raise RemoteProtocolError(
                f"a field of {size_bytes} bytes, and {self.left} bytes are left"
            )
        taken = self._data[self._offset : end]
        self._offset = end
        return bytes(taken)

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(self.left)

    def u8(self) -> int:
        """Take one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Take 16 bits, little-endian."""
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        """Take 32 bits, little-endian."""
        return int.from_bytes(self.take(4), "little")

    def u16_big(self) -> int:
        """Take 16 bits, big-endian."""
        return int.from_bytes(self.take(2), "big")

    def expect(self, wanted: bytes, what: str) -> None:
        """Take `wanted`; raise where the peer sent something else in place of `what`."""
        if self.take(len(wanted)) != wanted:
            raise RemoteProtocolError(f"no {what} where one belongs")
