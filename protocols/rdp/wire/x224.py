"""The first two packets: X.224 connection request and confirm ([MS-RDPBCGR] 2.2.1.1 on)."""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.framing import TPKT_BYTES, tpkt

_TPKT: Final = 3
_REQUEST: Final = 0xE0
_CONFIRM: Final = 0xD0
_HEADER_BYTES: Final = 6
"""Of X.224 behind its length: code, both references, class."""
_NEGOTIATION_BYTES: Final = 8
_TOKEN_END: Final = b"\r\n"


class Security(enum.IntFlag):
    """What is to protect the connection ([MS-RDPBCGR] 2.2.1.1.1); 0 is RDP's own."""

    TLS = 0x1
    NLA = 0x2
    RDSTLS = 0x4
    NLA_EARLY_RESULT = 0x8
    """`PROTOCOL_HYBRID_EX`: NLA, then four bytes that say whether the user may log on."""


class RequestFlag(enum.IntFlag):
    """What a client may ask for with its request ([MS-RDPBCGR] 2.2.1.1.1)."""

    RESTRICTED_ADMIN = 0x1
    REMOTE_GUARD = 0x2


class ResponseFlag(enum.IntFlag):
    """What a target says of itself with its answer ([MS-RDPBCGR] 2.2.1.2.1)."""

    EXTENDED_CLIENT_DATA = 0x1


class FailureCode(enum.IntEnum):
    """Why no protection was agreed on ([MS-RDPBCGR] 2.2.1.2.2)."""

    TLS_REQUIRED = 1
    TLS_NOT_ALLOWED = 2
    NO_CERTIFICATE = 3
    INCONSISTENT_FLAGS = 4
    NLA_REQUIRED = 5


class ConnectionRequest(Struct, frozen=True, kw_only=True):
    """What a client offers."""

    protocols: Security
    """0, too, where the client does not negotiate at all."""
    flags: RequestFlag = RequestFlag(0)
    token: bytes = b""
    """Of a redirection: where to be routed to. It is written, and skipped when read."""

    def write(self) -> bytes:
        """Return the packet."""
        token = self.token
        if token and not token.endswith(_TOKEN_END):
            token += _TOKEN_END
        return _packet(_REQUEST, token + _negotiation(1, self.flags, self.protocols))

    @classmethod
    def read(cls, packet: bytes) -> "ConnectionRequest":
        """Return what `packet` asks for; a cookie or routing token is skipped."""
        body = _body(packet, _REQUEST, "connection request")
        if not body.startswith(b"\x01"):
            _, _, body = body.partition(_TOKEN_END)
        if not body:
            return cls(protocols=Security(0))
        reader = Reader(body)
        reader.expect(b"\x01", "negotiation request")
        flags = reader.u8()
        reader.expect(b"\x08\x00", "negotiation request")
        known = RequestFlag.RESTRICTED_ADMIN | RequestFlag.REMOTE_GUARD
        return cls(protocols=Security(reader.u32()), flags=RequestFlag(flags) & known)


class ConnectionConfirm(Struct, frozen=True, kw_only=True):
    """What a server chose."""

    selected: Security
    flags: ResponseFlag = ResponseFlag(0)

    def write(self) -> bytes:
        """Return the packet."""
        return _packet(_CONFIRM, _negotiation(2, self.flags, self.selected))


class ConnectionRefusal(Struct, frozen=True):
    """That nothing fits."""

    code: int

    def write(self) -> bytes:
        """Return the packet."""
        return _packet(_CONFIRM, _negotiation(3, 0, self.code))


def read_answer(packet: bytes) -> ConnectionConfirm | ConnectionRefusal:
    """Return what a target answered; without negotiation it speaks RDP's own security."""
    body = _body(packet, _CONFIRM, "connection confirm")
    if not body:
        return ConnectionConfirm(selected=Security(0))
    reader = Reader(body)
    kind, flags = reader.u8(), reader.u8()
    reader.expect(b"\x08\x00", "negotiation response")
    value = reader.u32()
    match kind:
        case 2:
            known = ResponseFlag(flags) & ResponseFlag.EXTENDED_CLIENT_DATA
            return ConnectionConfirm(selected=Security(value), flags=known)
        case 3:
            return ConnectionRefusal(value)
    raise RemoteProtocolError("no negotiation response where one belongs")


def _body(packet: bytes, code: int, what: str) -> bytes:
    reader = Reader(packet, TPKT_BYTES)
    size = reader.u8()
    if packet[0] != _TPKT or size != reader.left or size < _HEADER_BYTES or reader.u8() != code:
        raise RemoteProtocolError(f"no X.224 {what} where one belongs")
    reader.take(_HEADER_BYTES - 1)
    return reader.rest()


def _packet(code: int, body: bytes) -> bytes:
    return tpkt(bytes([_HEADER_BYTES + len(body), code]) + bytes(5) + body)


def _negotiation(kind: int, flags: int, value: int) -> bytes:
    size = _NEGOTIATION_BYTES.to_bytes(2, "little")
    return bytes([kind, flags]) + size + value.to_bytes(4, "little")
