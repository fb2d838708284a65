"""What a target says of who logs on: Save Session Info ([MS-RDPBCGR] 2.2.10.1)."""

import enum
from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import slowpath
from protocols.rdp.wire.cursor import Reader

_LOGGED_ON: Final = frozenset({0, 1, 2})
"""Types of information: version 1, version 2, and a notice without a name."""
_EXTENDED: Final = 3
_COOKIE, _ERRORS = 0x1, 0x2
_MESSAGES: Final = 0xFFFF_FFF8
"""From here on it is a dialogue that is told of, and nothing that failed (2.2.10.1.1.4.1.1)."""


class Told(enum.Enum):
    """What became of a logon."""

    LOGGED_ON = enum.auto()
    FAILED = enum.auto()
    """The target shows its logon screen."""


def told(share: bytes) -> Told | None:
    """Return what the share PDU of a Save Session Info tells of a logon, if anything.

    One that cannot be read tells nothing: it is the client's to judge.
    """
    if slowpath.is_compressed(share):
        return None
    reader = Reader(share, min(slowpath.SHARE_DATA_BYTES, len(share)))
    try:
        kind = reader.u32()
        if kind != _EXTENDED:
            return Told.LOGGED_ON if kind in _LOGGED_ON else None
        reader.take(2)
        fields = reader.u32()
        if fields & _COOKIE:
            reader.take(reader.u32())
        failed = fields & _ERRORS and reader.take(4) and reader.u32() < _MESSAGES
    except RemoteProtocolError:
        return None
    return Told.FAILED if failed else None
