"""Licensing ([MS-RDPBCGR] 2.2.1.12): what a client says of it, and what the proxy itself does.

The proxy writes one PDU: no licence is needed.
"""

from typing import Final

from protocols.rdp.wire.slowpath import TYPE_BITS

_SECURITY_HEADER: Final = b"\x80\x00\x00\x00"
"""`SEC_LICENSE_PKT`."""
_FLAG: Final = 0x0080
_FLAGS: Final = 0x0280
"""With `SEC_LICENSE_ENCRYPT_CS`, which says what the server could have encrypted."""
_SHARE_TYPE: Final = 2
"""Where a share PDU has its type, and this has flags that nobody sets."""
_ERROR_ALERT: Final = 0xFF
_PREAMBLE_VERSION: Final = 3
_STATUS_VALID_CLIENT: Final = 7
_NO_TRANSITION: Final = 2
_EMPTY_BLOB: Final = b"\x04\x00\x00\x00"


def valid_client() -> bytes:
    """Return the licence error message that says that all is well."""
    body = _STATUS_VALID_CLIENT.to_bytes(4, "little") + _NO_TRANSITION.to_bytes(4, "little")
    body += _EMPTY_BLOB
    size = (len(body) + 4).to_bytes(2, "little")
    return _SECURITY_HEADER + bytes([_ERROR_ALERT, _PREAMBLE_VERSION]) + size + body


def is_clients(data: bytes) -> bool:
    """Say whether a client's data are about licensing, and no target reads anything else.

    The length of a share PDU can be such flags, where another is behind it or its version is
    an older one: xrdp reads both.
    """
    flags = int.from_bytes(data[:2], "little")
    about_it = len(data) > _SHARE_TYPE and flags & _FLAG and not flags & ~_FLAGS
    return bool(about_it) and not data[_SHARE_TYPE] & TYPE_BITS
