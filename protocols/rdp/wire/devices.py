"""Messages of the channel for devices, as far as the proxy reads them ([MS-RDPEFS] 2.2).

The target asks (`Request`), the client answers (`Completion`), each with the number that the
target gave the request. Printers and ports are on the same channel ([MS-RDPEPC] 2.2.2.1).
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader

HEADER_BYTES: Final = 4
REQUEST_BYTES: Final = 24
SPAN_BYTES: Final = REQUEST_BYTES + 32
"""Of a request to read or write, up to what is written (2.2.1.4.3, 2.2.1.4.4)."""
ANSWER_BYTES: Final = 20
"""Of a completion, up to what was read (2.2.1.5.3)."""
APPEND: Final = 0xFFFF_FFFF_FFFF_FFFF
"""An offset that means the end of the file (2.2.1.4.4)."""
_CORE, _PRINTERS = 0x4472, 0x5052
_MAX_DEVICES: Final = 256
_MAX_SETS: Final = 64
_MAX_TEXT: Final = 1024
"""Of characters that are kept of a path or name."""
_GENERAL: Final = 1
_GENERAL_BYTES: Final = 36
"""Of the general capability set with its header, up to `extraFlags1` (2.2.2.7.1)."""
_IO_CODES: Final = 20
_SECURITY_QUESTIONS: Final = 0x4000 | 0x8000
_EXTRA_FLAGS: Final = 32
_SIMULTANEOUS: Final = 0x0001


class Kind(enum.IntEnum):
    """Kinds of messages: component and packet id (2.2.1.1), the latter above."""

    SERVER_ANNOUNCE = 0x496E << 16 | _CORE
    CLIENT_ID = 0x4343 << 16 | _CORE
    CLIENT_NAME = 0x434E << 16 | _CORE
    DEVICES = 0x4441 << 16 | _CORE
    DEVICES_GONE = 0x444D << 16 | _CORE
    DEVICE_REPLY = 0x6472 << 16 | _CORE
    REQUEST = 0x4952 << 16 | _CORE
    COMPLETION = 0x4943 << 16 | _CORE
    SERVER_CAPABILITIES = 0x5350 << 16 | _CORE
    CLIENT_CAPABILITIES = 0x4350 << 16 | _CORE
    LOGGED_ON = 0x554C << 16 | _CORE
    USES_XPS = 0x5543 << 16 | _PRINTERS
    PRINTER_SETTINGS = 0x5043 << 16 | _PRINTERS


class DeviceKind(enum.IntEnum):
    """Types of devices (2.2.1.3)."""

    SERIAL_PORT = 0x01
    PARALLEL_PORT = 0x02
    PRINTER = 0x04
    DRIVE = 0x08
    SMART_CARD = 0x20


class Major(enum.IntEnum):
    """What a request is for (2.2.1.4)."""

    CREATE = 0x00
    CLOSE = 0x02
    READ = 0x03
    WRITE = 0x04
    QUERY_INFORMATION = 0x05
    SET_INFORMATION = 0x06
    QUERY_VOLUME = 0x0A
    DIRECTORY = 0x0C
    CONTROL = 0x0E
    LOCK = 0x11


class Status(enum.IntEnum):
    """Results ([MS-ERREF] 2.3)."""

    OK = 0
    NO_MORE_FILES = 0x8000_0006
    INVALID_HANDLE = 0xC000_0008
    NO_SUCH_DEVICE = 0xC000_000E
    NO_SUCH_FILE = 0xC000_000F
    INVALID_DEVICE_REQUEST = 0xC000_0010
    END_OF_FILE = 0xC000_0011
    ACCESS_DENIED = 0xC000_0022
    NAME_NOT_FOUND = 0xC000_0034
    NAME_COLLISION = 0xC000_0035
    PATH_NOT_FOUND = 0xC000_003A
    SHARING_VIOLATION = 0xC000_0043
    DISK_FULL = 0xC000_007F
    INSUFFICIENT_RESOURCES = 0xC000_009A
    DIRECTORY_NOT_EMPTY = 0xC000_0101
    CANCELLED = 0xC000_0120


class Setting(enum.IntEnum):
    """What of a file is set (2.2.3.3.9; [MS-FSCC] 2.4)."""

    BASIC = 0x04
    RENAME = 0x0A
    DISPOSITION = 0x0D
    ALLOCATION = 0x13
    END_OF_FILE = 0x14


class Access(enum.IntFlag):
    """Rights that are asked for in a create request ([MS-SMB2] 2.2.13.1.1)."""

    WRITE_DATA = 0x02
    APPEND_DATA = 0x04
    GENERIC_ALL = 0x1000_0000
    GENERIC_WRITE = 0x4000_0000


class Option(enum.IntFlag):
    """Options of a create request ([MS-SMB2] 2.2.13)."""

    DIRECTORY = 0x01
    DELETE_ON_CLOSE = 0x1000


OPEN: Final = 1
"""The one disposition of a create request that makes and empties no file."""
EMPTYING: Final = frozenset({0, 2, 4, 5})
"""Those after which a file is new or empty: all but this one and `FILE_OPEN_IF`."""


class Device(Struct, frozen=True):
    """A device that a client announces."""

    kind: int
    number: int
    name: str
    written: bytes
    """As it stands in the list."""

    @property
    def port(self) -> str:
        """Return its DOS name, by which printers are found (2.2.1.3)."""
        return read_port(self.written[8:])


class Request(Struct, frozen=True):
    """What the target asks of a device (2.2.1.4)."""

    device: int
    file: int
    completion: int
    major: int


class Create(Struct, frozen=True):
    """A file that is to be opened (2.2.1.4.1)."""

    access: int
    disposition: int
    options: int
    path: str


class Span(Struct, frozen=True):
    """Where a file is to be read or written (2.2.1.4.3, 2.2.1.4.4)."""

    size_bytes: int
    offset: int


class Completion(Struct, frozen=True):
    """A client's answer (2.2.1.5)."""

    device: int
    completion: int
    status: int


def kind_of(message: bytes) -> int:
    """Return the kind of a message."""
    return Reader(message).u32()


def read_request(message: bytes) -> Request:
    """Read the header of a request."""
    reader = Reader(message, HEADER_BYTES)
    request = Request(reader.u32(), reader.u32(), reader.u32(), reader.u32())
    reader.u32()
    return request


def read_create(message: bytes) -> Create:
    """Read a whole create request."""
    reader = Reader(message, REQUEST_BYTES)
    access = reader.u32()
    reader.take(16)
    disposition, options = reader.u32(), reader.u32()
    return Create(access, disposition, options, text_of(reader.take(reader.u32())))


def read_span(message: bytes) -> Span:
    """Read what a read or write request is for."""
    reader = Reader(message, REQUEST_BYTES)
    return Span(reader.u32(), int.from_bytes(reader.take(8), "little"))


def read_setting(message: bytes) -> tuple[int, bytes]:
    """Return what a whole set information request sets, and to what."""
    reader = Reader(message, REQUEST_BYTES)
    kind, size_bytes = reader.u32(), reader.u32()
    reader.take(24)
    return kind, reader.take(size_bytes)


def read_new_path(setting: bytes) -> str:
    """Return where a file is to be moved (2.2.3.3.9.1)."""
    reader = Reader(setting, 2)
    return text_of(reader.take(reader.u32()))


def read_completion(message: bytes) -> Completion:
    """Read the header of a completion."""
    reader = Reader(message, HEADER_BYTES)
    return Completion(reader.u32(), reader.u32(), reader.u32())


def read_answer(message: bytes) -> int:
    """Return a completion's first number: the file's, or how much was read or written."""
    return Reader(message, ANSWER_BYTES - 4).u32()


def completion(request: Request, status: Status) -> bytes:
    """Return the answer to a request that is not done.

    It holds as much as the shortest that is expected of any of them (2.2.1.5.1: a number and
    a byte).
    """
    numbers = (Kind.COMPLETION, request.device, request.completion, status, 0)
    return b"".join(number.to_bytes(4, "little") for number in numbers) + b"\0"


def read_devices(message: bytes) -> list[Device]:
    """Return what a Client Device List Announce holds (2.2.2.9)."""
    reader = Reader(message, HEADER_BYTES)
    count = reader.u32()
    if count > _MAX_DEVICES:
        raise RemoteProtocolError(f"{count} devices")
    return [_read_device(reader, message) for _ in range(count)]


def device_list(devices: list[Device]) -> bytes:
    """Return a Client Device List Announce."""
    head = Kind.DEVICES.to_bytes(4, "little") + len(devices).to_bytes(4, "little")
    return head + b"".join(device.written for device in devices)


def read_port(raw: bytes) -> str:
    """Return a DOS name of eight bytes; something may be behind its end."""
    return raw[:8].partition(b"\0")[0].decode("ascii", "replace")


def read_removed(message: bytes) -> list[int]:
    """Return the devices that are gone (2.2.3.2)."""
    reader = Reader(message, HEADER_BYTES)
    count = reader.u32()
    if count > _MAX_DEVICES:
        raise RemoteProtocolError(f"{count} devices that are gone")
    return [reader.u32() for _ in range(count)]


def removal(numbers: list[int]) -> bytes:
    """Return a Client Drive Device List Remove."""
    written = (Kind.DEVICES_GONE, len(numbers), *numbers)
    return b"".join(number.to_bytes(4, "little") for number in written)


def one_by_one(message: bytes) -> bytes:
    """Return a client's capabilities so that the target asks for one piece at a time.

    And asks nothing about rights on files (2.2.2.7.1).
    """
    reader, changed = Reader(message, HEADER_BYTES), bytearray(message)
    count = reader.u16()
    reader.u16()
    if count > _MAX_SETS:
        raise RemoteProtocolError(f"{count} capability sets of devices")
    for _ in range(count):
        start = reader.offset
        kind, size_bytes = reader.u16(), reader.u16()
        reader.take(size_bytes - 4)
        if kind == _GENERAL and size_bytes >= _GENERAL_BYTES:
            _clear(changed, start + _IO_CODES, _SECURITY_QUESTIONS)
            _clear(changed, start + _EXTRA_FLAGS, _SIMULTANEOUS)
    return bytes(changed)


def _clear(data: bytearray, at: int, flags: int) -> None:
    kept = int.from_bytes(data[at : at + 4], "little") & ~flags
    data[at : at + 4] = kept.to_bytes(4, "little")


def _read_device(reader: Reader, message: bytes) -> Device:
    start = reader.offset
    kind, number = reader.u32(), reader.u32()
    short = read_port(reader.take(8))
    data = reader.take(reader.u32())
    name = short
    if kind == DeviceKind.DRIVE and data:
        name = _drive_name(data)
    elif kind == DeviceKind.PRINTER and data:
        name = _printer_name(data)
    return Device(kind, number, name or short, message[start : reader.offset])


def _drive_name(data: bytes) -> str:
    """Return the whole name of a drive (2.2.3.1), which FreeRDP 2 writes in ASCII."""
    if len(data) % 2 or data[-2:] != b"\0\0":
        return data.partition(b"\0")[0].decode("utf-8", "replace")
    return text_of(data)


def _printer_name(data: bytes) -> str:
    """Return the name of a printer ([MS-RDPEPC] 2.2.2.1)."""
    reader = Reader(data, 8)
    port_bytes, driver_bytes, name_bytes = reader.u32(), reader.u32(), reader.u32()
    reader.u32()
    reader.take(port_bytes)
    reader.take(driver_bytes)
    return text_of(reader.take(name_bytes))


def text_of(raw: bytes) -> str:
    """Return UTF-16 as text, up to its end; a long one is cut, and ends in an ellipsis."""
    text = raw[: 2 * _MAX_TEXT].decode("utf-16-le", "replace").partition("\0")[0]
    return f"{text}…" if len(text) == _MAX_TEXT else text
