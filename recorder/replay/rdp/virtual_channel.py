"""Puts together what crosses a static virtual channel ([MS-RDPBCGR] 2.2.6.1, 3.1.5.2)."""

from typing import Final

from msgspec import Struct, field

from recorder.errors import MalformedPduError
from recorder.replay.rdp.cursor import Cursor

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Longer messages are passed over: they are bitmaps and files, not text."""
_FIRST: Final = 0x01
_LAST: Final = 0x02
_COMPRESSED: Final = 0x0020_0000


class Reassembly(Struct, array_like=True):
    """One direction of one channel."""

    message: bytearray = field(default_factory=bytearray)
    """As far as it came."""
    skipping: bool = True
    """Whether the message that comes is not wanted, or has lost its beginning."""

    def add(self, data: memoryview) -> bytes | None:
        """Take what one PDU carries; return the message once it is whole.

        Raises `MalformedPduError`; a channel is not compressed, for that was not agreed.
        """
        cursor = Cursor(data)
        size, flags = cursor.u32(), cursor.u32()
        if flags & _COMPRESSED:
            self.skipping = True
            raise MalformedPduError("a virtual channel was compressed, which was not agreed")
        if flags & _FIRST:
            self.message, self.skipping = bytearray(), size > MAX_MESSAGE_BYTES
        if self.skipping:
            return None
        self.message += cursor.rest()
        if len(self.message) > size:
            self.message, self.skipping = bytearray(), True
            raise MalformedPduError("a message is longer than it said")
        if not flags & _LAST:
            return None
        whole = bytes(self.message)
        self.message, self.skipping = bytearray(), True
        return whole
