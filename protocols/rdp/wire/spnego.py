"""SPNEGO (RFC 4178), of which only NTLM is taken: mstsc wraps its NTLM messages in it."""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber
from protocols.rdp.wire.cursor import Reader

NTLM: Final = bytes.fromhex("2b06010401823702020a")
"""1.3.6.1.4.1.311.2.2.10"""
_SPNEGO: Final = bytes.fromhex("2b0601050502")
_OID: Final = b"\x06"
_APPLICATION: Final = b"\x60"
_INIT: Final = b"\xa0"
_RESPONSE: Final = b"\xa1"
_MAX_MECHANISMS: Final = 16
_MAX_FIELDS: Final = 5


class State(enum.IntEnum):
    """How far the negotiation is (RFC 4178 4.2.2)."""

    ACCEPT_COMPLETED = 0
    ACCEPT_INCOMPLETE = 1
    REQUEST_MIC = 3


class Init(Struct, frozen=True, kw_only=True):
    """A client's first token (RFC 4178 4.2.1)."""

    mechanisms: tuple[bytes, ...]
    mechanism_list: bytes
    """As on the wire: a MIC covers it."""
    token: bytes | None

    @classmethod
    def read(cls, data: bytes) -> "Init":
        """Read one."""
        reader = Reader(ber.read_as(Reader(data), _APPLICATION, "SPNEGO token"))
        if ber.read_as(reader, _OID, "SPNEGO identifier") != _SPNEGO:
            raise RemoteProtocolError("no SPNEGO token where one belongs")
        fields = _fields(ber.read_as(reader, _INIT, "NegTokenInit"))
        mechanism_list = fields.get(0, b"")
        listed = ber.read_as(Reader(mechanism_list), ber.SEQUENCE, "list of mechanisms")
        mechanisms = [one.body for one in ber.read_all(listed, _MAX_MECHANISMS)]
        return cls(
            mechanisms=tuple(mechanisms),
            mechanism_list=mechanism_list,
            token=_octets(fields, 2),
        )


class Response(Struct, frozen=True, kw_only=True):
    """Every other token (RFC 4178 4.2.2)."""

    state: State | None = None
    mechanism: bytes | None = None
    token: bytes | None = None
    mic: bytes | None = None

    @classmethod
    def read(cls, data: bytes) -> "Response":
        """Read what a client sends: a token and perhaps a MIC."""
        fields = _fields(ber.read_as(Reader(data), _RESPONSE, "NegTokenResp"))
        return cls(token=_octets(fields, 2), mic=_octets(fields, 3))

    def write(self) -> bytes:
        """Return the token."""
        body = b""
        if self.state is not None:
            body += ber.tagged(0, ber.write(ber.ENUMERATED, bytes([self.state])))
        if self.mechanism is not None:
            body += ber.tagged(1, ber.write(_OID, self.mechanism))
        if self.token is not None:
            body += ber.tagged(2, ber.write(ber.OCTET_STRING, self.token))
        if self.mic is not None:
            body += ber.tagged(3, ber.write(ber.OCTET_STRING, self.mic))
        return ber.write(_RESPONSE, ber.write(ber.SEQUENCE, body))


def _fields(body: bytes) -> dict[int, bytes]:
    sequence = ber.read_as(Reader(body), ber.SEQUENCE, "SPNEGO sequence")
    return {one.tag[0] & 0x1F: one.body for one in ber.read_all(sequence, _MAX_FIELDS)}


def _octets(fields: dict[int, bytes], number: int) -> bytes | None:
    if number not in fields:
        return None
    return ber.read_as(Reader(fields[number]), ber.OCTET_STRING, "octet string")
