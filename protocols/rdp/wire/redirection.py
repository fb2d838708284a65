"""Where a target sends its client instead: Server Redirection ([MS-RDPBCGR] 2.2.13.1).

Credentials that it carries are skipped unread: the proxy logs on with what it has.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

_PACKET: Final = 0x0400
"""`SEC_REDIRECTION_PKT`: what the packet begins with."""
_FIXED_BYTES: Final = 12
MAX_TOKEN_BYTES: Final = 238
"""A token goes into the connection request, whose length is one byte (X.224 13.3)."""
_MAX_HOST_CHARS: Final = 255


class Has(enum.IntFlag):
    """What a redirection carries, and says ([MS-RDPBCGR] 2.2.13.1, RedirFlags)."""

    ADDRESS = 0x1
    TOKEN = 0x2
    USERNAME = 0x4
    DOMAIN = 0x8
    PASSWORD = 0x10
    FOR_INFORMATION = 0x80
    """`LB_NOREDIRECT`: nobody is to go anywhere."""
    FULL_NAME = 0x100
    SHORT_NAME = 0x200


class Redirection(Struct, frozen=True, kw_only=True):
    """Where to go, and what to say there."""

    session_id: int
    host: str = ""
    """Empty where the same host is to be asked again, with the token."""
    token: bytes = b""

    @classmethod
    def read(cls, packet: bytes) -> "Redirection | None":
        """Read one; None where it is only for information.

        Raises `RemoteProtocolError` where it cannot be read, or says nowhere to go.
        """
        reader = Reader(packet)
        reader.expect(_PACKET.to_bytes(2, "little"), "Server Redirection")
        size = reader.u16()
        if not _FIXED_BYTES <= size <= len(packet):
            raise RemoteProtocolError(f"a Server Redirection of {size} bytes")
        reader = Reader(packet[:size], reader.offset)
        session_id, flags = reader.u32(), Has(reader.u32())
        fields = {
            has: reader.take(reader.u32())
            # In the order of the specification; what comes behind is not for us.
            for has in (
                Has.ADDRESS,
                Has.TOKEN,
                Has.USERNAME,
                Has.DOMAIN,
                Has.PASSWORD,
                Has.FULL_NAME,
                Has.SHORT_NAME,
            )
            if flags & has
        }
        if flags & Has.FOR_INFORMATION:
            return None
        token = fields.get(Has.TOKEN, b"")
        if len(token) > MAX_TOKEN_BYTES:
            raise RemoteProtocolError(f"a routing token of {len(token)} bytes")
        # Who balances load is asked again, with the token that it gave.
        named = b"" if token else fields.get(Has.FULL_NAME) or fields.get(Has.ADDRESS, b"")
        host = _host(named)
        if not host and not token:
            raise RemoteProtocolError("a Server Redirection that says nowhere to go")
        return cls(session_id=session_id, host=host, token=token)


def _host(field: bytes) -> str:
    try:
        host = field.decode("utf-16-le").rstrip("\0")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("a Server Redirection to a name that is no text") from error
    if len(host) > _MAX_HOST_CHARS or not all(
        char.isascii() and (char.isalnum() or char in "-._:") for char in host
    ):
        raise RemoteProtocolError("a Server Redirection to a name that no host has")
    return host
