"""Pieces of messages on static virtual channels ([MS-RDPBCGR] 2.2.6.1)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError

HEADER_BYTES: Final = 8
_PIECE_BYTES: Final = 1600
"""`CHANNEL_CHUNK_LENGTH`: what every peer takes in one piece."""
_FIRST, _LAST, _SHOW_PROTOCOL = 0x01, 0x02, 0x10


class Piece(Struct, frozen=True):
    """One piece."""

    whole_bytes: int
    """Of the message that it is of."""
    is_first: bool
    is_last: bool
    data: bytes


def read_piece(data: bytes) -> Piece:
    """Read a piece; raise `RemoteProtocolError` where it has no header."""
    if len(data) < HEADER_BYTES:
        raise RemoteProtocolError("channel data without their header")
    flags = data[4]
    return Piece(
        whole_bytes=int.from_bytes(data[:4], "little"),
        is_first=bool(flags & _FIRST),
        is_last=bool(flags & _LAST),
        data=data[HEADER_BYTES:],
    )


def pieces(message: bytes) -> Iterator[bytes]:
    """Yield a message in pieces."""
    size = len(message)
    for start in range(0, size, _PIECE_BYTES):
        end = start + _PIECE_BYTES
        flags = _SHOW_PROTOCOL | (0 if start else _FIRST) | (_LAST if end >= size else 0)
        yield size.to_bytes(4, "little") + flags.to_bytes(4, "little") + message[start:end]
