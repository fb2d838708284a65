"""BER as T.125 and CredSSP use it: definite lengths, tags of one or two bytes (X.690 8.1).

Elements are never nested by recursion: who reads one reads its contents with a `Reader` of
its own, as deep as the structure that is expected and no deeper.
"""

from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

INTEGER: Final = b"\x02"
OCTET_STRING: Final = b"\x04"
ENUMERATED: Final = b"\x0a"
SEQUENCE: Final = b"\x30"

_LONG_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_MAX_LENGTH_BYTES: Final = 3
"""16 MiB: more than anything here may be; the callers' own limits are tighter."""
_MAX_INTEGER_BYTES: Final = 8


class Element(Struct, frozen=True):
    """One element: its tag as on the wire, and its contents."""

    tag: bytes
    body: bytes


def read(reader: Reader) -> Element:
    """Take one element."""
    tag = reader.take(1)
    if tag[0] & _LONG_TAG == _LONG_TAG:
        tag += reader.take(1)
    return Element(tag, reader.take(read_length(reader)))


def read_as(reader: Reader, tag: bytes, what: str) -> bytes:
    """Take the element `tag` and return its contents."""
    element = read(reader)
    if element.tag != tag:
        raise RemoteProtocolError(f"no {what} where one belongs")
    return element.body


def read_all(body: bytes, at_most: int) -> list[Element]:
    """Return the elements that make up `body`."""
    reader = Reader(body)
    elements: list[Element] = []
    while reader.left:
        if len(elements) == at_most:
            raise RemoteProtocolError(f"more than {at_most} elements")
        elements.append(read(reader))
    return elements


def read_length(reader: Reader) -> int:
    """Take a length."""
    first = reader.u8()
    if not first & _LONG_LENGTH:
        return first
    count = first & ~_LONG_LENGTH
    if not 1 <= count <= _MAX_LENGTH_BYTES:
        raise RemoteProtocolError("a BER length of a form that is not used")
    return int.from_bytes(reader.take(count), "big")


def integer_of(body: bytes) -> int:
    """Return the number that the contents of an INTEGER hold."""
    if not 1 <= len(body) <= _MAX_INTEGER_BYTES:
        raise RemoteProtocolError("a BER integer of a size that is not used")
    return int.from_bytes(body, "big", signed=True)


def write(tag: bytes, body: bytes) -> bytes:
    """Return an element."""
    return tag + write_length(len(body)) + body


def write_length(size_bytes: int) -> bytes:
    """Return a length, in as few bytes as it takes."""
    if size_bytes < _LONG_LENGTH:
        return bytes([size_bytes])
    digits = size_bytes.to_bytes((size_bytes.bit_length() + 7) // 8, "big")
    return bytes([_LONG_LENGTH | len(digits)]) + digits


def write_integer(number: int) -> bytes:
    """Return an INTEGER."""
    size = number.bit_length() // 8 + 1
    return write(INTEGER, number.to_bytes(size, "big", signed=True))


def tagged(number: int, body: bytes) -> bytes:
    """Return `body` under the constructed context tag `number`."""
    return write(context_tag(number), body)


def context_tag(number: int) -> bytes:
    """Return the constructed context tag `number`."""
    return bytes([0xA0 | number])
