"""What a target has its client keep of a printer ([MS-RDPEPC] 2.2.2.3 to 2.2.2.6).

The settings themselves are the driver's, and nobody else reads them: the client hands them to
the next target that it lends the printer to.
"""

import enum

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.devices import HEADER_BYTES, read_port, text_of


class Event(enum.IntEnum):
    """What is to become of them (2.2.1.1)."""

    ADD = 1
    UPDATE = 2
    DELETE = 3
    RENAME = 4


class Settings(Struct, frozen=True, kw_only=True):
    """Of one printer."""

    event: int
    printer: str
    port: str = ""
    """Where an added printer is."""
    new_name: str = ""
    data: bytes = b""
    size_bytes: int
    """Of the message, without what may be behind it."""


def read_settings(message: bytes) -> Settings:
    """Read a whole message; raise `RemoteProtocolError` where it makes no sense."""
    reader = Reader(message, HEADER_BYTES)
    event = reader.u32()
    port, new_name, data = "", "", b""
    match event:
        case Event.ADD:
            port = read_port(reader.take(8))
            sizes = [reader.u32() for _ in range(4)]
            _, _, name, data = (reader.take(size) for size in sizes)
        case Event.UPDATE:
            sizes = [reader.u32() for _ in range(2)]
            name, data = (reader.take(size) for size in sizes)
        case Event.DELETE:
            name = reader.take(reader.u32())
        case Event.RENAME:
            sizes = [reader.u32() for _ in range(2)]
            name, new = (reader.take(size) for size in sizes)
            new_name = text_of(new)
        case _:
            raise RemoteProtocolError(f"printer settings with which to do {event}")
    return Settings(
        event=event,
        printer=text_of(name),
        port=port,
        new_name=new_name,
        data=data,
        size_bytes=reader.offset,
    )
