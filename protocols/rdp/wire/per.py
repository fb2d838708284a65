"""The little of aligned PER that T.124 and T.125 need (X.691 10.9): lengths."""

from typing import Final

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

_TWO_BYTES: Final = 0x80
_FRAGMENTED: Final = 0x40
MAX_LENGTH: Final = 0x3FFF
"""Longer ones would be in fragments, which nobody sends."""


def read_length(reader: Reader) -> int:
    """Take a length of one byte or two."""
    first = reader.u8()
    if not first & _TWO_BYTES:
        return first
    if first & _FRAGMENTED:
        raise RemoteProtocolError("a fragmented PER length")
    return (first & ~_TWO_BYTES) << 8 | reader.u8()


def write_length(size_bytes: int) -> bytes:
    """Return a length, always in two bytes.

    xrdp skips what stands before the GCC data by a fixed size, which counts two.
    """
    if size_bytes > MAX_LENGTH:
        raise LocalProtocolError(f"{size_bytes} bytes do not fit a PER length")
    return (size_bytes | 0x8000).to_bytes(2, "big")


def write_short_length(size_bytes: int) -> bytes:
    """Return a length in as few bytes as it takes."""
    return bytes([size_bytes]) if size_bytes < _TWO_BYTES else write_length(size_bytes)
