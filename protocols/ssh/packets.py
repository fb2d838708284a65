"""Reads and writes the connection layer's packets (RFC 4254). Sans-io.

Two forms occur. A *payload* is the message itself: its number, then its fields. A
*body* is what a binary packet holds (RFC 4253 6): padding length, payload, padding.
A relay forwards bodies as they came; only what we write ourselves is built from a payload.

Everything a peer sent is read with bounds checks and raises `RemoteProtocolError`.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError

MAX_PACKET_BYTES: Final = 256 * 1024 + 1024
"""The largest packet we take: OpenSSH's own limit and room for its framing."""
MAX_IGNORED_BYTES: Final = 2 * 1024 * 1024 + 64 * 1024
"""The largest packet of any kind, for SSH_MSG_IGNORE's sake.

While a terminal does not echo, OpenSSH's server hides that by an ignored packet as large
as what was typed; a paste can make that as large as the channel's window.
"""

_BLOCK_BYTES = 16
"""Bodies are padded to this; every cipher that we offer is content with it."""
_MIN_PADDING_BYTES = 4
_MAX_NAME_CHARACTERS = 64


class Message(enum.IntEnum):
    """Message numbers of RFC 4250 4.1.2 that the relay looks at."""

    GLOBAL_REQUEST = 80
    REQUEST_SUCCESS = 81
    REQUEST_FAILURE = 82
    CHANNEL_OPEN = 90
    CHANNEL_OPEN_CONFIRMATION = 91
    CHANNEL_OPEN_FAILURE = 92
    CHANNEL_WINDOW_ADJUST = 93
    CHANNEL_DATA = 94
    CHANNEL_EXTENDED_DATA = 95
    CHANNEL_EOF = 96
    CHANNEL_CLOSE = 97
    CHANNEL_REQUEST = 98
    CHANNEL_SUCCESS = 99
    CHANNEL_FAILURE = 100


class OpenFailure(enum.IntEnum):
    """Why a channel was not opened (RFC 4254 5.1)."""

    ADMINISTRATIVELY_PROHIBITED = 1
    CONNECT_FAILED = 2
    UNKNOWN_CHANNEL_TYPE = 3
    RESOURCE_SHORTAGE = 4


class Reader:
    """Takes fields off the front of a payload, RFC 4251 5."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self._data = data
        self._offset = offset

    def byte(self) -> int:
        """Take one byte."""
        return self._take(1)[0]

    def boolean(self) -> bool:
        """Take a boolean; any non-zero value is true."""
        return self.byte() != 0

    def uint32(self) -> int:
        """Take a 32-bit number."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """Take a length and that many bytes."""
        return self._take(self.uint32())

    def text(self) -> str:
        """Take a string as text; what is not UTF-8 shows as replacement characters."""
        return self.string().decode("utf-8", "replace")

    def name(self) -> str:
        """Take a name, which RFC 4250 4.6.1 limits to 64 characters: we repeat it."""
        name = self.text()
        if len(name) > _MAX_NAME_CHARACTERS:
            raise RemoteProtocolError("a name of more than 64 characters")
        return name

    def rest(self) -> bytes:
        """Take what is left."""
        return self._take(len(self._data) - self._offset)

    def _take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._data):
            raise RemoteProtocolError("a packet ends before its fields do")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken


def payload_of(body: bytes) -> bytes:
    """Return the payload in `body`."""
    padding = body[0] if body else 0
    if not _MIN_PADDING_BYTES <= padding < len(body) - 1:
        raise RemoteProtocolError("a packet with impossible padding")
    return body[1 : len(body) - padding]


def body_of(payload: bytes) -> bytes:
    """Return `payload` with padding around it.

    The padding is zeros: it is encrypted and authenticated with the payload, and RFC 4253
    6 asks for random bytes only as it SHOULD, against ciphers that are not offered here.
    """
    padding = -(1 + len(payload)) % _BLOCK_BYTES
    if padding < _MIN_PADDING_BYTES:
        padding += _BLOCK_BYTES
    return bytes((padding,)) + payload + bytes(padding)


def uint32(value: int) -> bytes:
    """Return a 32-bit number as it goes on the wire."""
    return value.to_bytes(4, "big")


def string(value: bytes) -> bytes:
    """Return a length and `value`."""
    return len(value).to_bytes(4, "big") + value


class ChannelOpen(Struct, frozen=True):
    """SSH_MSG_CHANNEL_OPEN, RFC 4254 5.1 and 7.2."""

    kind: str
    sender: int
    window_bytes: int
    packet_bytes: int
    detail: str

    @classmethod
    def read(cls, payload: bytes) -> "ChannelOpen":
        """Read a payload."""
        fields = Reader(payload, 1)
        kind = fields.name()
        sender, window_bytes, packet_bytes = fields.uint32(), fields.uint32(), fields.uint32()
        return cls(kind, sender, window_bytes, packet_bytes, _leads_to(kind, fields))


def _leads_to(kind: str, fields: Reader) -> str:
    match kind:
        case "direct-tcpip" | "forwarded-tcpip":
            return f"{fields.text()}:{fields.uint32()}"
        case "direct-streamlocal@openssh.com" | "forwarded-streamlocal@openssh.com":
            return fields.text()
        case _:
            return ""


class OpenConfirmation(Struct, frozen=True):
    """SSH_MSG_CHANNEL_OPEN_CONFIRMATION, RFC 4254 5.1."""

    recipient: int
    sender: int
    window_bytes: int
    packet_bytes: int

    @classmethod
    def read(cls, payload: bytes) -> "OpenConfirmation":
        """Read a payload."""
        fields = Reader(payload, 1)
        return cls(fields.uint32(), fields.uint32(), fields.uint32(), fields.uint32())

    def write(self) -> bytes:
        """Return the payload."""
        fields = (self.recipient, self.sender, self.window_bytes, self.packet_bytes)
        return bytes((Message.CHANNEL_OPEN_CONFIRMATION,)) + b"".join(map(uint32, fields))


class OpenRefusal(Struct, frozen=True):
    """SSH_MSG_CHANNEL_OPEN_FAILURE, RFC 4254 5.1."""

    recipient: int
    code: int
    reason: str

    @classmethod
    def read(cls, payload: bytes) -> "OpenRefusal":
        """Read a payload."""
        fields = Reader(payload, 1)
        return cls(fields.uint32(), fields.uint32(), fields.text())

    def write(self) -> bytes:
        """Return the payload."""
        return (
            bytes((Message.CHANNEL_OPEN_FAILURE,))
            + uint32(self.recipient)
            + uint32(self.code)
            + string(self.reason.encode())
            + string(b"")
        )


class ChannelRequest(Struct, frozen=True):
    """SSH_MSG_CHANNEL_REQUEST, RFC 4254 5.4. `rest` is what its kind defines."""

    recipient: int
    kind: str
    want_reply: bool
    rest: bytes

    @classmethod
    def read(cls, payload: bytes) -> "ChannelRequest":
        """Read a payload."""
        fields = Reader(payload, 1)
        return cls(fields.uint32(), fields.name(), fields.boolean(), fields.rest())

    def write(self) -> bytes:
        """Return the payload."""
        head = bytes((Message.CHANNEL_REQUEST,)) + uint32(self.recipient)
        return head + string(self.kind.encode()) + bytes((self.want_reply,)) + self.rest


class GlobalRequest(Struct, frozen=True):
    """SSH_MSG_GLOBAL_REQUEST, RFC 4254 4."""

    kind: str
    want_reply: bool
    rest: bytes

    @classmethod
    def read(cls, payload: bytes) -> "GlobalRequest":
        """Read a payload."""
        fields = Reader(payload, 1)
        return cls(fields.name(), fields.boolean(), fields.rest())

    def write(self) -> bytes:
        """Return the payload."""
        head = bytes((Message.GLOBAL_REQUEST,)) + string(self.kind.encode())
        return head + bytes((self.want_reply,)) + self.rest

    @property
    def detail(self) -> str:
        """Where it asks to listen: `address:port`, or the path of a socket."""
        fields = Reader(self.rest)
        match self.kind:
            case "tcpip-forward" | "cancel-tcpip-forward":
                return f"{fields.text()}:{fields.uint32()}"
            case "streamlocal-forward@openssh.com" | "cancel-streamlocal-forward@openssh.com":
                return fields.text()
            case _:
                return ""


_PLAIN_MODES: Final = frozenset({42, 128, 129})
"""That text is UTF-8 (RFC 8160), and the speeds."""
_MODE_BYTES: Final = 5


class Terminal(Struct, frozen=True):
    """The fields of a `pty-req`, RFC 4254 6.2."""

    terminal: str
    columns: int
    rows: int
    modes: bytes

    @classmethod
    def read(cls, rest: bytes) -> "Terminal":
        """Read what follows `want_reply`."""
        fields = Reader(rest)
        terminal, columns, rows = fields.text(), fields.uint32(), fields.uint32()
        fields.uint32()
        fields.uint32()
        return cls(terminal, columns, rows, fields.string())

    def write(self) -> bytes:
        """Return what follows `want_reply`, without a size in pixels."""
        sizes = uint32(self.columns) + uint32(self.rows) + uint32(0) + uint32(0)
        return string(self.terminal.encode()) + sizes + string(self.modes)

    def without_keys(self) -> "Terminal":
        """Return it without modes (RFC 4254 8) that give keys or letters a meaning."""
        modes = [
            self.modes[at : at + _MODE_BYTES] for at in range(0, len(self.modes), _MODE_BYTES)
        ]
        plain = b"".join(mode for mode in modes if mode[0] in _PLAIN_MODES and mode[4:])
        return Terminal(self.terminal, self.columns, self.rows, plain + b"\0")


def channel_success(recipient: int) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_SUCCESS."""
    return bytes((Message.CHANNEL_SUCCESS,)) + uint32(recipient)


def channel_failure(recipient: int) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_FAILURE."""
    return bytes((Message.CHANNEL_FAILURE,)) + uint32(recipient)


def request_failure() -> bytes:
    """Return the payload of SSH_MSG_REQUEST_FAILURE."""
    return bytes((Message.REQUEST_FAILURE,))


def channel_data(recipient: int, data: bytes) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_DATA."""
    return bytes((Message.CHANNEL_DATA,)) + uint32(recipient) + string(data)


def channel_error_data(recipient: int, data: bytes) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_EXTENDED_DATA for standard error."""
    return (
        bytes((Message.CHANNEL_EXTENDED_DATA,)) + uint32(recipient) + uint32(1) + string(data)
    )


def window_adjust(recipient: int, size_bytes: int) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_WINDOW_ADJUST."""
    return bytes((Message.CHANNEL_WINDOW_ADJUST,)) + uint32(recipient) + uint32(size_bytes)


def channel_eof(recipient: int) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_EOF."""
    return bytes((Message.CHANNEL_EOF,)) + uint32(recipient)


def channel_close(recipient: int) -> bytes:
    """Return the payload of SSH_MSG_CHANNEL_CLOSE."""
    return bytes((Message.CHANNEL_CLOSE,)) + uint32(recipient)


def exit_status(recipient: int, status: int) -> bytes:
    """Return the payload that says how a command ended (RFC 4254 6.10)."""
    request = ChannelRequest(recipient, "exit-status", want_reply=False, rest=uint32(status))
    return request.write()


def session_open(sender: int, window_bytes: int, packet_bytes: int) -> bytes:
    """Return the payload that opens a session channel (RFC 4254 6.1)."""
    fields = uint32(sender) + uint32(window_bytes) + uint32(packet_bytes)
    return bytes((Message.CHANNEL_OPEN,)) + string(b"session") + fields
