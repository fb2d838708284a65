"""Client Info: who logs on, and how the session is to be ([MS-RDPBCGR] 2.2.1.11.1.1).

It holds a password, so it is never recorded, logged or shown.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

SECURITY_FLAG: Final = 0x0040
"""`SEC_INFO_PKT` in the security header before it ([MS-RDPBCGR] 2.2.8.1.1.2.1)."""
_MAX_STRING_BYTES: Final = 1024
"""512 UTF-16 units, as servers read them ([MS-RDPBCGR] 2.2.1.11.1.1)."""
_MAX_EXTRA_BYTES: Final = 4096
_STRINGS: Final = 5
_TIME_ZONE_AND_SESSION_BYTES: Final = 172 + 4
_PERFORMANCE_BYTES: Final = 4
_MAX_ZONE_NAME_BYTES: Final = 254
_COMPRESSION_SHIFT: Final = 9


class InfoFlag(enum.IntFlag):
    """What a client asks for; only what the proxy reads or sets."""

    AUTOLOGON = 0x0008
    UNICODE = 0x0010
    COMPRESSION = 0x0080
    COMPRESSION_TYPE = 0x1E00
    SINGLE_PROGRAM = 0x8000
    """`INFO_RAIL`: the windows of one program in place of a desktop ([MS-RDPERP])."""
    LOGON_ERRORS = 0x0001_0000
    PASSWORD_IS_PIN = 0x0004_0000
    SINGLE_PROGRAM_IN_COLOUR = 0x0200_0000
    """`INFO_HIDEF_RAIL_SUPPORTED`."""


class Compression(enum.IntEnum):
    """Bulk compression of what the server sends ([MS-RDPBCGR] 3.1.8.2)."""

    MPPC_8K = 0
    MPPC_64K = 1


class ClientInfo(Struct, frozen=True, kw_only=True):
    """One. Its strings are text; what is behind them is kept as it came."""

    code_page: int
    flags: int
    domain: str
    username: str
    password: str
    shell: str
    directory: str
    extra: bytes = b""
    """Address, directory, time zone, performance flags ([MS-RDPBCGR] 2.2.1.11.1.1.1)."""

    def __repr__(self) -> str:
        return "ClientInfo(<redacted>)"

    @property
    def compresses(self) -> bool:
        """Whether the client takes bulk compression with 64 KiB of history."""
        kind = (self.flags & InfoFlag.COMPRESSION_TYPE) >> _COMPRESSION_SHIFT
        return bool(self.flags & InfoFlag.COMPRESSION) and kind >= Compression.MPPC_64K

    @classmethod
    def read(cls, data: bytes) -> "ClientInfo":
        """Read what stands behind the security header."""
        reader = Reader(data)
        code_page, flags = reader.u32(), reader.u32()
        sizes = [reader.u16() for _ in range(_STRINGS)]
        wide = bool(flags & InfoFlag.UNICODE)
        texts = [_read_text(reader, size, wide=wide) for size in sizes]
        extra = reader.rest()
        if len(extra) > _MAX_EXTRA_BYTES:
            raise RemoteProtocolError(f"{len(extra)} bytes of extended Client Info")
        domain, username, password, shell, directory = texts
        return cls(
            code_page=code_page,
            flags=flags,
            domain=domain,
            username=username,
            password=password,
            shell=shell,
            directory=directory,
            extra=extra,
        )

    def write(self) -> bytes:
        """Return it in UTF-16, without an auto-reconnect cookie."""
        texts = (self.domain, self.username, self.password, self.shell, self.directory)
        encoded = [text.encode("utf-16-le", "surrogatepass") for text in texts]
        head = self.code_page.to_bytes(4, "little")
        head += (self.flags | InfoFlag.UNICODE).to_bytes(4, "little")
        head += b"".join(len(text).to_bytes(2, "little") for text in encoded)
        body = b"".join(text + b"\0\0" for text in encoded)
        return head + body + without_cookie(self.extra)


def without_cookie(extra: bytes) -> bytes:
    """Return extended Client Info without the auto-reconnect cookie.

    It would let whoever holds it come back without a password ([MS-RDPBCGR] 5.5). What may
    be behind it is the name of the time zone; anything else goes with the cookie.
    """
    if not extra:
        return extra
    reader = Reader(extra)
    reader.u16()
    for _ in range(2):
        reader.take(reader.u16())
    if reader.left < _TIME_ZONE_AND_SESSION_BYTES + _PERFORMANCE_BYTES:
        return extra[: reader.offset + min(reader.left, _TIME_ZONE_AND_SESSION_BYTES)]
    reader.take(_TIME_ZONE_AND_SESSION_BYTES + _PERFORMANCE_BYTES)
    return extra[: reader.offset] + b"\0\0" + _time_zone_name(reader)


def _time_zone_name(reader: Reader) -> bytes:
    """Return what is behind the cookie where that is as specified; else nothing."""
    try:
        reader.take(reader.u16())
        reserved, size = reader.take(4), reader.u16()
        name, disabled = reader.take(size), reader.take(2)
    except RemoteProtocolError:
        return b""
    if reader.left or size > _MAX_ZONE_NAME_BYTES:
        return b""
    return reserved + size.to_bytes(2, "little") + name + disabled


def _read_text(reader: Reader, size: int, *, wide: bool) -> str:
    if size > _MAX_STRING_BYTES:
        raise RemoteProtocolError(f"a Client Info string of {size} bytes")
    raw = reader.take(size)
    reader.take(2 if wide else 1)
    text = raw.decode("utf-16-le" if wide else "cp1252", "replace")
    return text.partition("\0")[0]
