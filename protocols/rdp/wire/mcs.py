"""T.125, the multipoint service under RDP: connect, join, send data ([MS-RDPBCGR] 2.2.1.3 on).

Domain PDUs are aligned PER and start with a byte whose upper six bits are their number.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber, per
from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.framing import data_of, data_packet

_CONNECT_INITIAL: Final = b"\x7f\x65"
_CONNECT_RESPONSE: Final = b"\x7f\x66"
_MAX_ELEMENTS: Final = 16
USER_BASE: Final = 1001
"""User channels are written less this (T.125 7, UserId)."""
_NUMBER: Final = 7
"""Offset of the byte that holds a domain PDU's number."""
_IDS: Final = slice(8, 12)
"""Initiator and channel of sent data."""
_PRIORITY_HIGH_WHOLE: Final = b"\x70"
"""Priority high, and begin and end of the data in this packet."""
_SENT_SIZE: Final = 13
"""Where the length of sent data begins, behind TPKT, X.224, number, ids and priority."""
_SENT_BYTES: Final = 15
"""The header of sent data, with a length of two bytes."""


class Domain(enum.IntEnum):
    """The numbers of domain PDUs (T.125 7)."""

    ERECT_DOMAIN = 1
    DISCONNECT = 8
    ATTACH_USER = 10
    ATTACH_USER_CONFIRM = 11
    JOIN = 14
    JOIN_CONFIRM = 15
    SEND_DATA_REQUEST = 25
    SEND_DATA_INDICATION = 26


class ConnectInitial(Struct, frozen=True, kw_only=True):
    """A client's first words: T.125 elements as they came, and the GCC request."""

    before: tuple[ber.Element, ...]
    """Selectors, upward flag and three sets of domain parameters."""
    user_data: bytes

    def write(self) -> bytes:
        """Return the packet."""
        elements = b"".join(ber.write(one.tag, one.body) for one in self.before)
        body = elements + ber.write(ber.OCTET_STRING, self.user_data)
        return data_packet(ber.write(_CONNECT_INITIAL, body))

    @classmethod
    def read(cls, packet: bytes) -> "ConnectInitial":
        """Read one."""
        body = ber.read_as(Reader(data_of(packet)), _CONNECT_INITIAL, "MCS Connect-Initial")
        elements = ber.read_all(body, _MAX_ELEMENTS)
        if not elements or elements[-1].tag != ber.OCTET_STRING:
            raise RemoteProtocolError("an MCS Connect-Initial without user data")
        return cls(before=tuple(elements[:-1]), user_data=elements[-1].body)


def connect_response(user_data: bytes) -> bytes:
    """Return the packet that accepts a Connect-Initial ([MS-RDPBCGR] 2.2.1.4)."""
    # Channels, users, tokens, priorities, throughput, height, PDU size, version.
    numbers = (34, 3, 0, 1, 0, 1, 65528, 2)
    parameters = b"".join(ber.write_integer(number) for number in numbers)
    body = ber.write(ber.ENUMERATED, b"\0") + ber.write_integer(0)
    body += ber.write(ber.SEQUENCE, parameters) + ber.write(ber.OCTET_STRING, user_data)
    return data_packet(ber.write(_CONNECT_RESPONSE, body))


def read_connect_response(packet: bytes) -> bytes:
    """Return the user data of a Connect-Response that accepts."""
    body = ber.read_as(Reader(data_of(packet)), _CONNECT_RESPONSE, "MCS Connect-Response")
    match ber.read_all(body, _MAX_ELEMENTS):
        case [ber.Element(tag=ber.ENUMERATED, body=b"\0"), *_, last] if (
            last.tag == ber.OCTET_STRING
        ):
            return last.body
    raise RemoteProtocolError("an MCS Connect-Response that does not accept")


def domain_of(packet: bytes) -> tuple[int, Reader]:
    """Return the number of a domain PDU, and a reader behind it."""
    reader = Reader(data_of(packet))
    return reader.u8() >> 2, reader


def erect_domain() -> bytes:
    """Return an Erect Domain Request ([MS-RDPBCGR] 2.2.1.5)."""
    return data_packet(b"\x04\x01\x00\x01\x00")


def attach_user() -> bytes:
    """Return an Attach User Request ([MS-RDPBCGR] 2.2.1.6)."""
    return data_packet(b"\x28")


def attach_user_confirm(user: int) -> bytes:
    """Return the confirm that names the user channel ([MS-RDPBCGR] 2.2.1.7)."""
    return data_packet(b"\x2e\x00" + (user - USER_BASE).to_bytes(2, "big"))


def read_attach_user_confirm(packet: bytes) -> int:
    """Return the user channel."""
    number, reader = domain_of(packet)
    if number != Domain.ATTACH_USER_CONFIRM or reader.u8() != 0:
        raise RemoteProtocolError("no MCS Attach User Confirm that accepts")
    return reader.u16_big() + USER_BASE


def join(user: int, channel: int) -> bytes:
    """Return a Channel Join Request ([MS-RDPBCGR] 2.2.1.8)."""
    initiator = (user - USER_BASE).to_bytes(2, "big")
    return data_packet(b"\x38" + initiator + channel.to_bytes(2, "big"))


def read_join(reader: Reader) -> tuple[int, int]:
    """Return user and channel of a Channel Join Request."""
    return reader.u16_big() + USER_BASE, reader.u16_big()


def join_confirm(user: int, channel: int) -> bytes:
    """Return the confirm of a join ([MS-RDPBCGR] 2.2.1.9)."""
    wanted = channel.to_bytes(2, "big")
    return data_packet(b"\x3e\x00" + (user - USER_BASE).to_bytes(2, "big") + wanted + wanted)


def read_join_confirm(packet: bytes, channel: int) -> None:
    """Return where the join of `channel` was confirmed; raise where it was not."""
    number, reader = domain_of(packet)
    if number != Domain.JOIN_CONFIRM or reader.u8() != 0:
        raise RemoteProtocolError(f"the join of channel {channel} was refused")
    reader.take(2)
    if reader.u16_big() != channel:
        raise RemoteProtocolError("the confirm of a join that was not asked for")


def number_of(packet: bytes) -> int:
    """Return the number of the domain PDU in a packet; raise where there is none."""
    if len(packet) <= _NUMBER:
        raise RemoteProtocolError("a TPKT packet with nothing in it")
    return packet[_NUMBER] >> 2


def renumbered(packet: bytes, initiator: int, channel: int) -> bytes:
    """Return sent data in the numbers of the other leg; the same bytes where they are."""
    ids = (initiator - USER_BASE).to_bytes(2, "big") + channel.to_bytes(2, "big")
    if packet[_IDS] == ids:
        return packet
    return packet[: _IDS.start] + ids + packet[_IDS.stop :]


class SentData(Struct, frozen=True):
    """A Send Data Request or Indication: who, on which channel, and where its data begins."""

    initiator: int
    channel: int
    offset: int
    """Of the data, in the packet."""


def read_sent(packet: bytes) -> SentData:
    """Read a Send Data Request or Indication ([MS-RDPBCGR] 2.2.1.10 on)."""
    # Most of what crosses comes by here, so this reads without a `Reader`.
    if len(packet) < _SENT_BYTES:
        raise RemoteProtocolError("MCS data without its header")
    size, offset = packet[_SENT_SIZE], _SENT_BYTES - 1
    if size & 0x80:
        size, offset = (size & 0x7F) << 8 | packet[_SENT_SIZE + 1], _SENT_BYTES
    if size != len(packet) - offset:
        # So is a fragmented length, which nobody sends.
        raise RemoteProtocolError("MCS data of another length than its packet")
    initiator = (packet[8] << 8 | packet[9]) + USER_BASE
    return SentData(initiator, packet[10] << 8 | packet[11], offset)


def send_request(user: int, channel: int, data: bytes) -> bytes:
    """Return what a client sends."""
    return _send(b"\x64", user, channel, data)


def send_indication(user: int, channel: int, data: bytes) -> bytes:
    """Return what a server sends."""
    return _send(b"\x68", user, channel, data)


def _send(code: bytes, user: int, channel: int, data: bytes) -> bytes:
    head = code + (user - USER_BASE).to_bytes(2, "big") + channel.to_bytes(2, "big")
    return data_packet(head + _PRIORITY_HIGH_WHOLE + per.write_length(len(data)) + data)


def disconnect() -> bytes:
    """Return a Disconnect Provider Ultimatum, user requested ([MS-RDPBCGR] 2.2.2.3)."""
    return data_packet(b"\x21\x80")
