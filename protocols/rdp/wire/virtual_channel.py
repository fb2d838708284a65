"""Pieces of messages on static virtual channels ([MS-RDPBCGR] 2.2.6.1)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError

HEADER_BYTES: Final = 8
SHOW_PROTOCOL_OPTION: Final = 0x0020_0000
"""Of a channel that a client asks for ([MS-RDPBCGR] 2.2.1.3.4.1)."""
_PIECE_BYTES: Final = 1600
"""`CHANNEL_CHUNK_LENGTH`: what every peer takes in one piece."""
_FIRST, _LAST, _SHOW_PROTOCOL = 0x01, 0x02, 0x10
_SUSPEND_OR_RESUME: Final = 0x20 | 0x40
_COMPRESSED: Final = 0x0020_0000


class Piece(Struct, frozen=True):
    """One piece."""

    whole_bytes: int
    """Of the message that it is of."""
    is_first: bool
    is_last: bool
    data: bytes
    is_signal: bool = False
    """Whether it only says that the channel rests, or goes on."""


def read_piece(data: bytes) -> Piece:
    """Read a piece; raise `RemoteProtocolError` where it cannot be read.

    So it is with what is compressed: neither side was told that the other one takes that.
    """
    if len(data) < HEADER_BYTES:
        raise RemoteProtocolError("channel data without their header")
    flags = int.from_bytes(data[4:8], "little")
    if flags & _COMPRESSED:
        raise RemoteProtocolError("channel data that are compressed, which was not agreed")
    return Piece(
        whole_bytes=int.from_bytes(data[:4], "little"),
        is_first=bool(flags & _FIRST),
        is_last=bool(flags & _LAST),
        data=data[HEADER_BYTES:],
        is_signal=bool(flags & _SUSPEND_OR_RESUME) and len(data) == HEADER_BYTES,
    )


def pieces(message: bytes, *, show_protocol: bool = True) -> Iterator[bytes]:
    """Yield a message in pieces; `show_protocol` is as the channel was asked for."""
    size = len(message)
    shown = _SHOW_PROTOCOL if show_protocol else 0
    for start in range(0, size, _PIECE_BYTES):
        end = start + _PIECE_BYTES
        flags = shown | (0 if start else _FIRST) | (_LAST if end >= size else 0)
        yield size.to_bytes(4, "little") + flags.to_bytes(4, "little") + message[start:end]


class Pieces:
    """The pieces of one direction: they make whole messages, of the size that was said.

    What both ends put together is then what we saw.
    """

    def __init__(self) -> None:
        self._left_bytes = 0

    def read(self, data: bytes) -> Piece:
        """Read the next piece; raise `RemoteProtocolError` where it does not fit."""
        piece = read_piece(data)
        if piece.is_signal:
            return piece
        if piece.is_first == bool(self._left_bytes) or not piece.data:
            raise RemoteProtocolError("a piece of channel data that is not in its place")
        left_bytes = (self._left_bytes or piece.whole_bytes) - len(piece.data)
        if left_bytes < 0 or piece.is_last != (left_bytes == 0):
            raise RemoteProtocolError("a message on a channel of another size than it said")
        self._left_bytes = left_bytes
        return piece
