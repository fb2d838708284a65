"""The one licensing PDU that the proxy writes: no licence is needed ([MS-RDPBCGR] 2.2.1.12)."""

from typing import Final

_SECURITY_HEADER: Final = b"\x80\x00\x00\x00"
"""`SEC_LICENSE_PKT`."""
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
