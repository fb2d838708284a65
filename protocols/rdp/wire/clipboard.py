"""Messages of the clipboard's channel, as far as the proxy reads them ([MS-RDPECLIP] 2.2)."""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

HEADER_BYTES: Final = 8
_CAPABILITIES_BYTES: Final = HEADER_BYTES + 4 + 8
"""Up to the flags of the first set, which is the general one: there is no other (2.2.2.1)."""
_LONG_NAMES: Final = 0x02
_FILES: Final = 0x04 | 0x08 | 0x10 | 0x20
"""Stream files, files without paths, locking, huge files."""
_SHORT_NAME_BYTES: Final = 32


class Kind(enum.IntEnum):
    """Types of messages (2.2.1)."""

    FORMAT_LIST = 2
    DATA_REQUEST = 4
    DATA_RESPONSE = 5
    CAPABILITIES = 7
    FILE_REQUEST = 8
    FILE_RESPONSE = 9


class Format(Struct, frozen=True):
    """A format that one side has."""

    number: int
    written: bytes
    """As it stands in the list, with its name."""


def kind_of(message: bytes) -> int:
    """Return the type of a message."""
    return Reader(message).u16()


def asked_format(message: bytes) -> int:
    """Return which format a Format Data Request is for (2.2.5.1)."""
    return Reader(message, HEADER_BYTES).u32()


def has_long_names(message: bytes) -> bool:
    """Say whether Clipboard Capabilities announce long names (2.2.2.1.1.1)."""
    place = _CAPABILITIES_BYTES
    return len(message) > place and bool(message[place] & _LONG_NAMES)


def without_files(message: bytes) -> bytes:
    """Return Clipboard Capabilities that take no files; the same bytes where they take none."""
    place = _CAPABILITIES_BYTES
    if len(message) <= place or not message[place] & _FILES:
        return message
    return message[:place] + bytes([message[place] & ~_FILES]) + message[place + 1 :]


def read_formats(message: bytes, *, long_names: bool) -> list[Format]:
    """Return what a Format List holds (2.2.3.1)."""
    reader = Reader(message, HEADER_BYTES)
    formats: list[Format] = []
    while reader.left:
        start = reader.offset
        number = reader.u32()
        if long_names:
            while reader.take(2) != b"\0\0":
                pass
        else:
            reader.take(_SHORT_NAME_BYTES)
        formats.append(Format(number, message[start : reader.offset]))
    return formats


def format_list(message: bytes, formats: list[Format]) -> bytes:
    """Return a Format List with these formats, and else as `message`."""
    body = b"".join(one.written for one in formats)
    return message[:4] + len(body).to_bytes(4, "little") + body


def check_size(message: bytes) -> bytes:
    """Return a message without padding; raise where it is shorter than it says."""
    size = HEADER_BYTES + Reader(message, 4).u32()
    if size > len(message):
        raise RemoteProtocolError("a clipboard message that is cut off")
    return message[:size]
