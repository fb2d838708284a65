"""Cuts a stream into packets: TPKT (RFC 1006 6), FastPath ([MS-RDPBCGR] 2.2.8.1.2), DER.

INVARIANT: however the bytes were fragmented on their way, the packets are the same.
"""

from typing import Final

from protocols.errors import LocalProtocolError, RemoteProtocolError

_TPKT_VERSION: Final = 3
_FASTPATH_ACTION: Final = 0b11
"""The two lowest bits of a packet's first byte: 0 is FastPath, 3 is TPKT."""
_LONG: Final = 0x80
TPKT_BYTES: Final = 4
_MIN_TPKT_BYTES: Final = 7
"""TPKT and the shortest X.224 header."""
MAX_TPKT_BYTES: Final = 0xFFFF
MAX_DER_BYTES: Final = 64 * 1024
"""A TSRequest with the largest token that anybody sends is a tenth of it."""
_DER_SEQUENCE: Final = 0x30
_DER_LENGTH_BYTES: Final = 3

_X224_DATA: Final = b"\x02\xf0\x80"
"""X.224 data: length 2, code DT, end of transmission."""


class Splitter:
    """Cuts what one peer sends into TPKT and FastPath packets."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the packets that they completed, in order."""
        # Nothing is copied but the packets themselves: a read may be a hundred of them.
        packets: list[bytes] = []
        start, end, rest = 0, len(data), self._rest
        if rest:
            begun = rest + data[:TPKT_BYTES]
            size = _size(begun, 0, len(begun))
            start = size - len(rest)
            if not size or start > end:
                self._rest = rest + data
                return packets
            packets.append(rest + data[:start])
        while size := _size(data, start, end):
            if end - start < size:
                break
            packets.append(data[start : start + size])
            start += size
        self._rest = data[start:]
        return packets

    def take_rest(self) -> bytes:
        """Return what is not a whole packet yet, and forget it."""
        rest, self._rest = self._rest, b""
        return rest


def _size(source: bytes, start: int, end: int) -> int:
    """Return the size of the packet at `start`; 0 where too little of it is here."""
    if end - start < 2:  # noqa: PLR2004 - the least that tells a size
        return 0
    first = source[start]
    if first == _TPKT_VERSION:
        if end - start < TPKT_BYTES:
            return 0
        size = source[start + 2] << 8 | source[start + 3]
        if size < _MIN_TPKT_BYTES:
            raise RemoteProtocolError(f"a TPKT packet of {size} bytes")
        return size
    if first & _FASTPATH_ACTION:
        raise RemoteProtocolError("neither a TPKT nor a FastPath packet")
    return _fastpath_size(source, start, end)


def _fastpath_size(source: bytes, start: int, end: int) -> int:
    size, header = source[start + 1], 2
    if size & _LONG:
        if end - start < 3:  # noqa: PLR2004 - a size of two bytes
            return 0
        size, header = (size & ~_LONG) << 8 | source[start + 2], 3
    if size <= header:
        raise RemoteProtocolError(f"a FastPath packet of {size} bytes")
    return size


class DERSplitter:
    """Cuts what one peer sends into DER sequences: CredSSP's TSRequests."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; return one sequence once it is whole, else None.

        Feed no bytes to ask for the next one.
        """
        self._buffer += data
        size = self._size()
        if not size or len(self._buffer) < size:
            return None
        packet = bytes(self._buffer[:size])
        del self._buffer[:size]
        return packet

    def take_rest(self) -> bytes:
        """Return what came behind the last sequence, and forget it."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _size(self) -> int:
        buffer = self._buffer
        if buffer and buffer[0] != _DER_SEQUENCE:
            raise RemoteProtocolError("no TSRequest where one belongs")
        if len(buffer) < 2:  # noqa: PLR2004 - tag and the first byte of a length
            return 0
        size, count = buffer[1], 0
        if size & _LONG:
            count = size & ~_LONG
            if not 1 <= count <= _DER_LENGTH_BYTES:
                raise RemoteProtocolError("a DER length of a form that is not used")
            if len(buffer) < 2 + count:
                return 0
            size = int.from_bytes(buffer[2 : 2 + count], "big")
        if size > MAX_DER_BYTES:
            raise RemoteProtocolError(f"a TSRequest of {size} bytes")
        return 2 + count + size


def tpkt(payload: bytes) -> bytes:
    """Return a TPKT packet."""
    size = len(payload) + TPKT_BYTES
    if size > MAX_TPKT_BYTES:
        raise LocalProtocolError(f"a TPKT packet of {size} bytes")
    return b"\x03\x00" + size.to_bytes(2, "big") + payload


def data_packet(payload: bytes) -> bytes:
    """Return a TPKT packet with an X.224 data header (X.224 13.7)."""
    return tpkt(_X224_DATA + payload)


def data_of(packet: bytes) -> bytes:
    """Return what an X.224 data packet carries."""
    if packet[0] != _TPKT_VERSION or packet[TPKT_BYTES : TPKT_BYTES + 3] != _X224_DATA:
        raise RemoteProtocolError("no X.224 data where it belongs")
    return packet[TPKT_BYTES + 3 :]
