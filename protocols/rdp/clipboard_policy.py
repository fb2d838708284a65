"""What may cross the clipboard: all that its messages hold in whole, and no files. Sans-io.

Of a file the contents cross in pieces, on demand and in any order ([MS-RDPECLIP] 2.2.5.3), so
no recording could say what it was. Both sides are told that the other cannot do it, and who
asks for a piece all the same is not heard.
"""

from typing import Final

CHANNEL_NAME: Final = "cliprdr"
_HEADER_BYTES: Final = 8
"""Of each piece of a channel's message: size and flags ([MS-RDPBCGR] 2.2.6.1.1)."""
_FIRST: Final = 0x01
_KIND: Final = slice(_HEADER_BYTES, _HEADER_BYTES + 2)
_CAPABILITIES: Final = 0x0007
_FILE_CONTENTS_REQUEST: Final = 0x0008
_GENERAL_FLAGS: Final = _HEADER_BYTES + 8 + 4 + 8
"""Behind the message's own header, the number of sets, and type, size and version of the
first, which is the general one: there is no other ([MS-RDPECLIP] 2.2.2.1)."""
_FILES: Final = 0x04 | 0x08 | 0x10 | 0x20
"""Stream files, files without paths, locking, huge files."""


def without_files(packet: bytes, start: int) -> bytes | None:
    """Return the packet whose channel data begin at `start`, as the other side may have it.

    It is as long as before; None where it may not have it.
    """
    head = packet[start : start + _KIND.stop]
    if len(head) < _KIND.stop or not head[4] & _FIRST:
        return packet
    kind = int.from_bytes(head[_KIND], "little")
    if kind == _FILE_CONTENTS_REQUEST:
        return None
    place = start + _GENERAL_FLAGS
    if kind != _CAPABILITIES or place >= len(packet):
        return packet
    return packet[:place] + bytes([packet[place] & ~_FILES]) + packet[place + 1 :]
