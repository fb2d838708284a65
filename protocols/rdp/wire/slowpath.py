"""What a client reads on the I/O channel: share PDUs ([MS-RDPBCGR] 2.2.8.1.1) and licensing."""

import enum
from typing import Final

from protocols.rdp.wire.errinfo import ErrorInfo

SERVER_USER: Final = 1002
"""The channel that a server speaks from ([MS-RDPBCGR] 2.2.8.1.1.1.1, pduSource)."""
_VERSION: Final = 0x10
"""In the bits above the type of a share PDU."""
TYPE_BITS: Final = 0x0F
"""Of the byte that says what a share PDU is."""
SHARE_ID: Final = 0x0001_03EA
"""Any would do before the client is active; this is what Windows sends."""
SHARE_HEADER_BYTES: Final = 6
_SHORT_HEADER_BYTES: Final = 4
"""Of a Deactivate All: old targets leave out who sends it, and all behind it."""
_FLOW: Final = 0x8000
"""In place of a length: a FlowPDU (T.128 8.5), which nobody heeds (2.2.8.1.1.1.1)."""
_FLOW_BYTES: Final = 8
_DATA_KIND_OFFSET: Final = 14
_COMPRESSION_OFFSET: Final = 15
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


def share_kind(packet: bytes, start: int = 0) -> int | None:
    """Return the type of the share PDU that begins at `start`; None where none does.

    Licensing and Client Info have a security header there; its flags and the length of a
    share PDU, which is that of the data, do not meet.
    """
    size = len(packet) - start
    if size < _SHORT_HEADER_BYTES or packet[start] | packet[start + 1] << 8 != size:
        return None
    kind = packet[start + 2]
    if size < SHARE_HEADER_BYTES and kind != _VERSION | Share.DEACTIVATE_ALL:
        return None
    if kind & ~TYPE_BITS == _VERSION:
        return kind & TYPE_BITS
    # A redirection alone has version zero (2.2.13.3.1).
    return kind if kind == Share.SERVER_REDIRECT else None


def share_data_kind(packet: bytes, start: int = 0) -> int | None:
    """Return the type of the share data PDU at `start`; None where it is cut off."""
    offset = start + _DATA_KIND_OFFSET
    return packet[offset] if offset < len(packet) else None


def is_compressed(share: bytes) -> bool:
    """Say whether a share data PDU is compressed."""
    return len(share) > _COMPRESSION_OFFSET and bool(share[_COMPRESSION_OFFSET] & COMPRESSED)


def set_error_info(code: ErrorInfo) -> bytes:
    """Return a Set Error Info PDU ([MS-RDPBCGR] 2.2.5.1)."""
    return share_data(ShareData.SET_ERROR_INFO, code.to_bytes(4, "little"))


def share_data(kind: int, body: bytes) -> bytes:
    """Return a share data PDU from the server ([MS-RDPBCGR] 2.2.8.1.1.1.2)."""
    head = SHARE_ID.to_bytes(4, "little") + b"\x00\x01"
    # Uncompressed length counts from pduType2 on: 4 bytes of header and the body.
    head += (4 + len(body)).to_bytes(2, "little") + bytes([kind, 0, 0, 0])
    return share_control(Share.DATA, head + body)


def share_control(kind: Share, body: bytes) -> bytes:
    """Return a share PDU from the server."""
    size = SHARE_HEADER_BYTES + len(body)
    head = size.to_bytes(2, "little") + (_VERSION | kind).to_bytes(2, "little")
    return head + SERVER_USER.to_bytes(2, "little") + body


def is_flow(data: bytes) -> bool:
    """Say whether `data` are a FlowPDU and nothing else."""
    return len(data) == _FLOW_BYTES and int.from_bytes(data[:2], "little") == _FLOW


def split_shares(data: bytes) -> list[bytes] | None:
    """Return the share PDUs that a target put into one packet; None where it holds others.

    FlowPDUs are left out. So is what is behind the last one, and too short for another: it
    is padding.
    """
    parts: list[bytes] = []
    start = 0
    while len(data) - start >= SHARE_HEADER_BYTES:
        size = int.from_bytes(data[start : start + 2], "little")
        if size == _FLOW:
            size = _FLOW_BYTES
        else:
            parts.append(data[start : start + size])
            if share_kind(parts[-1]) is None:
                return None
        start += size
    return parts if 0 < start <= len(data) else None


SHARE_DATA_BYTES: Final = 18
"""Of both headers of a share data PDU."""
_INFO_OFFSET: Final = SHARE_DATA_BYTES
"""Of a Save Session Info's type."""
_EXTENDED_LOGON: Final = 3
_COOKIE_FLAG: Final = 0x1
_FIELDS_OFFSET: Final = 24
_COOKIE_BITS: Final = slice(44, 60)
"""ArcRandomBits, of the first field behind type, length and flags."""


def without_reconnect_cookie(data: bytes) -> bytes | None:
    """Return a Save Session Info without the secret of a cookie; None where it has none.

    It brings auto-reconnect cookies ([MS-RDPBCGR] 2.2.10.1.1.4): whoever holds it comes back
    without a password. Targets are not to send one, since neither side says it takes it.
    """
    if len(data) < _COOKIE_BITS.stop:
        return None
    if is_compressed(data):
        return None
    is_extended = data[_INFO_OFFSET] == _EXTENDED_LOGON
    if not is_extended or not data[_FIELDS_OFFSET] & _COOKIE_FLAG:
        return None
    return data[: _COOKIE_BITS.start] + bytes(16) + data[_COOKIE_BITS.stop :]
