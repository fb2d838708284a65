"""Messages of the channel that dynamic channels are in ([MS-RDPEDYC] 2.2)."""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

_ID_BYTES: Final = (1, 2, 4)
"""By the two lowest bits of the first byte."""
_MAX_NAME_BYTES: Final = 256
_VERSION: Final = slice(2, 4)
_FAILED: Final = 0x8007_0005
"""`E_ACCESSDENIED` ([MS-ERREF] 2.1)."""


class Command(enum.IntEnum):
    """Types of messages (2.2)."""

    CREATE = 1
    DATA_FIRST = 2
    DATA = 3
    CLOSE = 4
    CAPABILITIES = 5


class Header(Struct, frozen=True):
    """What a message begins with."""

    command: int
    channel: int
    """Its number; 0 where the message is of none."""
    size_bytes: int


def read_header(message: bytes) -> Header:
    """Read the first byte and the channel's number."""
    reader = Reader(message)
    first = reader.u8()
    command, width = first >> 4, first & 0b11
    if command not in {Command.CREATE, Command.DATA_FIRST, Command.DATA, Command.CLOSE}:
        return Header(command, 0, 1)
    if width >= len(_ID_BYTES):
        raise RemoteProtocolError("a dynamic channel without a number")
    number = int.from_bytes(reader.take(_ID_BYTES[width]), "little")
    return Header(command, number, reader.offset)


def read_name(message: bytes, header: Header) -> str:
    """Return which channel a Create Request is for (2.2.2.1)."""
    name, end, rest = message[header.size_bytes :].partition(b"\0")
    if not end or rest or len(name) > _MAX_NAME_BYTES:
        raise RemoteProtocolError("a dynamic channel without a name")
    return name.decode("ascii", "replace")


def is_created(message: bytes, header: Header) -> bool:
    """Say whether a Create Response accepts (2.2.2.2)."""
    return not Reader(message, header.size_bytes).u32() & 0x8000_0000


def not_created(message: bytes, header: Header) -> bytes:
    """Return the Create Response that refuses a request (2.2.2.2)."""
    width = message[0] & 0b11
    number = message[1 : header.size_bytes]
    return bytes([Command.CREATE << 4 | width]) + number + _FAILED.to_bytes(4, "little")


def read_data(message: bytes, header: Header) -> tuple[int, int | None]:
    """Return where a message's data begin, and the whole size where it says so (2.2.3)."""
    if header.command != Command.DATA_FIRST:
        return header.size_bytes, None
    reader = Reader(message, header.size_bytes)
    width = message[0] >> 2 & 0b11
    if width >= len(_ID_BYTES):
        raise RemoteProtocolError("data of a dynamic channel without a size")
    whole_bytes = int.from_bytes(reader.take(_ID_BYTES[width]), "little")
    return reader.offset, whole_bytes


def of_version_2(message: bytes) -> bytes:
    """Return capabilities of no more than version 2: the next one compresses (2.2.1)."""
    if len(message) < _VERSION.stop:
        raise RemoteProtocolError("capabilities of dynamic channels that are cut off")
    version = min(int.from_bytes(message[_VERSION], "little"), 2)
    return message[: _VERSION.start] + version.to_bytes(2, "little") + message[_VERSION.stop :]
