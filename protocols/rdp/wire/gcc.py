"""T.124 conference create: the blocks that client and server describe themselves with.

A block is kept as (type, bytes) and changed in place, so that what we do not know passes as
it came. Sizes are written in the forms that FreeRDP and mstsc use: xrdp skips the header by
a fixed size.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import per
from protocols.rdp.wire.cursor import Reader

_OBJECT: Final = b"\x00\x05\x00\x14\x7c\x00\x01"
"""The object identifier of T.124, as [MS-RDPBCGR] 4.1.3 shows it."""
_REQUEST: Final = b"\x00\x08\x00\x10\x00\x01\xc0\x00Duca"
_RESPONSE: Final = b"\x14\x76\x0a\x01\x01\x00\x01\xc0\x00McDn"
_RESPONSE_HEADER_BYTES: Final = 15
_CLIENT_KEY: Final = b"Duca"
_SERVER_KEY: Final = b"McDn"
_MAX_BLOCKS: Final = 32
MAX_CHANNELS: Final = 31
"""Static channels of a connection ([MS-RDPBCGR] 2.2.1.3.4)."""
_CHANNEL_BYTES: Final = 12
_NAME_BYTES: Final = 8


class Block(enum.IntEnum):
    """Types of blocks ([MS-RDPBCGR] 2.2.1.3.1)."""

    CLIENT_CORE = 0xC001
    CLIENT_SECURITY = 0xC002
    CLIENT_NETWORK = 0xC003
    CLIENT_CLUSTER = 0xC004
    CLIENT_MONITOR = 0xC005
    CLIENT_MESSAGE_CHANNEL = 0xC006
    CLIENT_MONITOR_EXTENDED = 0xC008
    CLIENT_MULTITRANSPORT = 0xC00A
    SERVER_CORE = 0x0C01
    SERVER_SECURITY = 0x0C02
    SERVER_NETWORK = 0x0C03


Blocks = list[tuple[int, bytes]]


class StaticChannel(Struct, frozen=True):
    """A static virtual channel that a client asks for ([MS-RDPBCGR] 2.2.1.3.4.1)."""

    name: str
    options: int


class ServerNetwork(Struct, frozen=True, kw_only=True):
    """The channel numbers that a server gave ([MS-RDPBCGR] 2.2.1.4.4)."""

    io_channel: int
    channels: tuple[int, ...]


def read_request(user_data: bytes) -> Blocks:
    """Return the blocks of a Conference Create Request."""
    return _read(user_data, _CLIENT_KEY)


def read_response(user_data: bytes) -> Blocks:
    """Return the blocks of a Conference Create Response."""
    return _read(user_data, _SERVER_KEY)


def write_request(blocks: Blocks) -> bytes:
    """Return a Conference Create Request ([MS-RDPBCGR] 2.2.1.3)."""
    joined = _join(blocks)
    inner = _REQUEST + per.write_length(len(joined)) + joined
    return _OBJECT + per.write_length(len(inner)) + inner


def write_response(blocks: Blocks) -> bytes:
    """Return a Conference Create Response ([MS-RDPBCGR] 2.2.1.4)."""
    joined = _join(blocks)
    size_bytes = len(joined) + _RESPONSE_HEADER_BYTES
    # rdesktop skips what stands before the data by a fixed size, which counts one.
    size = per.write_short_length(size_bytes)
    return _OBJECT + size + _RESPONSE + per.write_length(len(joined)) + joined


def find(blocks: Blocks, kind: Block) -> bytes | None:
    """Return the first block of `kind`."""
    return next((body for type_, body in blocks if type_ == kind), None)


def read_channels(block: bytes | None) -> tuple[StaticChannel, ...]:
    """Return what a CLIENT_NETWORK block asks for ([MS-RDPBCGR] 2.2.1.3.4)."""
    if block is None:
        return ()
    reader = Reader(block)
    count = reader.u32()
    if count > MAX_CHANNELS:
        raise RemoteProtocolError(f"{count} static channels")
    return tuple(_read_channel(reader) for _ in range(count))


def write_channels(channels: tuple[StaticChannel, ...]) -> bytes:
    """Return a CLIENT_NETWORK block."""
    body = b"".join(
        one.name.encode("ascii").ljust(_NAME_BYTES, b"\0") + one.options.to_bytes(4, "little")
        for one in channels
    )
    return len(channels).to_bytes(4, "little") + body


def read_server_network(block: bytes | None, asked: int) -> ServerNetwork:
    """Return the numbers that a server gave for `asked` channels."""
    if block is None:
        raise RemoteProtocolError("no network data in the target's conference response")
    reader = Reader(block)
    io_channel, count = reader.u16(), reader.u16()
    if count != asked:
        raise RemoteProtocolError(
            f"{count} static channels for the {asked} that were asked for"
        )
    given = tuple(reader.u16() for _ in range(count))
    if len({io_channel, *given}) != count + 1:
        raise RemoteProtocolError("a channel number was given twice")
    return ServerNetwork(io_channel=io_channel, channels=given)


def write_server_network(network: ServerNetwork) -> bytes:
    """Return a SERVER_NETWORK block, padded to four bytes."""
    numbers = (network.io_channel, len(network.channels), *network.channels)
    body = b"".join(number.to_bytes(2, "little") for number in numbers)
    return body + bytes(-len(body) % 4)


def _read_channel(reader: Reader) -> StaticChannel:
    name, _, _ = reader.take(_NAME_BYTES).partition(b"\0")
    if not name.isascii() or not name.decode("ascii").isprintable():
        raise RemoteProtocolError("the name of a static channel is no ASCII")
    return StaticChannel(name.decode("ascii"), reader.u32())


def _read(user_data: bytes, key: bytes) -> Blocks:
    # What stands before the key has variants; none of it means anything to RDP.
    before, found, _ = user_data.partition(key)
    if not found:
        raise RemoteProtocolError("no conference of RDP's kind")
    reader = Reader(user_data, len(before) + len(key))
    reader = Reader(reader.take(per.read_length(reader)))
    blocks: Blocks = []
    while reader.left:
        kind, size = reader.u16(), reader.u16()
        if len(blocks) == _MAX_BLOCKS:
            raise RemoteProtocolError(f"more than {_MAX_BLOCKS} conference blocks")
        blocks.append((kind, reader.take(size - 4)))
    return blocks


def _join(blocks: Blocks) -> bytes:
    return b"".join(
        kind.to_bytes(2, "little") + (len(body) + 4).to_bytes(2, "little") + body
        for kind, body in blocks
    )
