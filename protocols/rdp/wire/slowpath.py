"""What a client reads on the I/O channel: share PDUs ([MS-RDPBCGR] 2.2.8.1.1) and licensing."""

import enum
from typing import Final

from msgspec import Struct

from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.errinfo import ErrorInfo

SERVER_USER: Final = 1002
"""The channel that a server speaks from ([MS-RDPBCGR] 2.2.8.1.1.1.1, pduSource)."""
_VERSION: Final = 0x10
_TYPE_BITS: Final = 0x0F
_SHARE_ID: Final = 0x0001_03EA
"""Any would do before the client is active; this is what Windows sends."""
SHARE_HEADER_BYTES: Final = 6
COMPRESSED: Final = 0x20


class Share(enum.IntEnum):
    """Types of share control PDUs ([MS-RDPBCGR] 2.2.8.1.1.1.1)."""

    DEMAND_ACTIVE = 0x1
    CONFIRM_ACTIVE = 0x3
    DEACTIVATE_ALL = 0x6
    DATA = 0x7
    SERVER_REDIRECT = 0xA


class ShareData(enum.IntEnum):
    """Types of share data PDUs ([MS-RDPBCGR] 2.2.8.1.1.1.2), that the proxy looks at."""

    SAVE_SESSION_INFO = 38
    SET_ERROR_INFO = 47


class ShareControl(Struct, frozen=True):
    """The header of a share PDU."""

    kind: int
    size_bytes: int

    @classmethod
    def read(cls, data: bytes) -> "ShareControl | None":
        """Read it off the front of an I/O channel's data; None where there is none.

        Licensing and Client Info have a security header there; its flags and the length of
        a share PDU, which is that of the data, do not meet.
        """
        if len(data) < SHARE_HEADER_BYTES:
            return None
        reader = Reader(data)
        size, kind = reader.u16(), reader.u16()
        if size != len(data) or kind & ~_TYPE_BITS & 0xFF != _VERSION:
            return None
        return cls(kind & _TYPE_BITS, size)


def share_data_kind(data: bytes) -> tuple[int, bool]:
    """Return the type of a share data PDU, and whether what follows is compressed."""
    reader = Reader(data, SHARE_HEADER_BYTES)
    reader.take(8)
    kind = reader.u8()
    return kind, bool(reader.u8() & COMPRESSED)


def set_error_info(code: ErrorInfo) -> bytes:
    """Return a Set Error Info PDU ([MS-RDPBCGR] 2.2.5.1)."""
    body = code.to_bytes(4, "little")
    head = _SHARE_ID.to_bytes(4, "little") + b"\x00\x01"
    # Uncompressed length counts from pduType2 on: 4 bytes of header and the body.
    head += (4 + len(body)).to_bytes(2, "little") + bytes([ShareData.SET_ERROR_INFO, 0, 0, 0])
    return share_control(Share.DATA, head + body)


def share_control(kind: Share, body: bytes) -> bytes:
    """Return a share PDU from the server."""
    size = SHARE_HEADER_BYTES + len(body)
    head = size.to_bytes(2, "little") + (_VERSION | kind).to_bytes(2, "little")
    return head + SERVER_USER.to_bytes(2, "little") + body


def split_shares(data: bytes) -> list[bytes]:
    """Return the share PDUs that a target put into one packet; one part where it is none."""
    parts: list[bytes] = []
    start = 0
    while len(data) - start >= SHARE_HEADER_BYTES:
        size = int.from_bytes(data[start : start + 2], "little")
        part = data[start : start + size]
        if ShareControl.read(part) is None:
            return [data]
        parts.append(part)
        start += size
    return parts if start == len(data) else [data]


_INFO_OFFSET: Final = 18
"""Of a Save Session Info's type, behind both share headers."""
_EXTENDED_LOGON: Final = 3
_COOKIE_FLAG: Final = 0x1
_FIELDS_OFFSET: Final = 24
_COOKIE_BITS: Final = slice(44, 60)
"""ArcRandomBits, of the first field behind type, length and flags."""


def without_reconnect_cookie(data: bytes) -> bytes | None:
    """Return a share data PDU without the secret of an auto-reconnect cookie; None: no other.

    Save Session Info brings it ([MS-RDPBCGR] 2.2.10.1.1.4): whoever holds it comes back
    without a password. Targets are not to send one, since neither side says it takes it.
    """
    if len(data) < _COOKIE_BITS.stop:
        return None
    kind, compressed = share_data_kind(data)
    if kind != ShareData.SAVE_SESSION_INFO or compressed:
        return None
    is_extended = data[_INFO_OFFSET] == _EXTENDED_LOGON
    if not is_extended or not data[_FIELDS_OFFSET] & _COOKIE_FLAG:
        return None
    return data[: _COOKIE_BITS.start] + bytes(16) + data[_COOKIE_BITS.stop :]
