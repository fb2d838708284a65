"""Cuts what one leg sent into PDUs, and each into what it carries.

After TLS a leg carries TPKT (RFC 2126) and FastPath PDUs in any order; the first byte tells
which ([MS-RDPBCGR] 2.2.9.1.2.1). A TPKT holds an X.224 Data TPDU, that an MCS Send Data PDU
(T.125 7) of one channel.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from recorder.errors import MalformedPduError
from recorder.replay.rdp.cursor import Cursor

_TPKT: Final = 3
_TPKT_HEADER_BYTES: Final = 7
_X224_DATA: Final = 0xF0
_SEND_DATA: Final = frozenset({25, 26})
"""MCS Send Data Request and Indication."""
_LONG_LENGTH: Final = 0x80


class FastPathPdu(Struct, frozen=True):
    """A FastPath PDU, input or output by the leg it came on."""

    header: int
    """Its first byte."""
    body: memoryview
    """What follows the length."""


class ChannelPdu(Struct, frozen=True):
    """What one MCS Send Data PDU carries."""

    channel: int
    """The MCS channel id."""
    body: memoryview


def pdus(data: bytes) -> Iterator[FastPathPdu | ChannelPdu]:
    """Yield the PDUs in `data`, which are whole; other MCS messages are left out.

    Raises `MalformedPduError` at the first byte that is no PDU, after what came before it.
    """
    cursor = Cursor(data)
    while cursor.left:
        start, first = cursor.at, cursor.u8()
        if first & 3 == 0:
            yield FastPathPdu(first, cursor.take(_fast_path_length(cursor, start)))
        elif first == _TPKT:
            cursor.skip(1)
            size = cursor.u16_big()
            pdu = _channel_pdu(cursor.take(size - 4))
            if pdu is not None:
                yield pdu
        else:
            raise MalformedPduError(f"a PDU cannot begin with {first:#04x}")


def _fast_path_length(cursor: Cursor, start: int) -> int:
    size = cursor.u8()
    if size & _LONG_LENGTH:
        size = (size & 0x7F) << 8 | cursor.u8()
    return size - (cursor.at - start)


def _channel_pdu(data: memoryview) -> ChannelPdu | None:
    cursor = Cursor(data)
    cursor.skip(1)
    if cursor.u8() != _X224_DATA:
        return None
    cursor.skip(1)
    if cursor.u8() >> 2 not in _SEND_DATA:
        return None
    cursor.skip(2)
    channel = cursor.u16_big()
    cursor.skip(1)
    size = cursor.u8()
    if size & _LONG_LENGTH:
        size = (size & 0x7F) << 8 | cursor.u8()
    return ChannelPdu(channel, cursor.take(size))
