"""Cuts one direction of an SFTP stream into messages, without joining file contents.

draft-ietf-secsh-filexfer-02 3: a message is `uint32 length | byte type | fields`. The file
contents in WRITE (6.4) and DATA (7) are handed on as the slices they came in; other
messages are handed on whole, if they are of interest, and skipped if not.
"""

import enum
import struct
from collections.abc import Callable
from typing import Final

from protocols.contents import Contents
from protocols.errors import RemoteProtocolError

MESSAGE_LIMIT_BYTES: Final = 256 * 1024
"""OpenSSH's own limit for a whole message. Held for messages without file contents."""

_LENGTH_AND_KIND: Final = struct.Struct(">IB")
_LENGTH_AND_KIND_BYTES: Final = 5
_LENGTH_TO_STRING_BYTES: Final = 13
"""Length, kind, id and the length of the first string."""
_OFFSET_AND_LENGTH_BYTES: Final = 12


class Kind(enum.IntEnum):
    """Message types, draft-ietf-secsh-filexfer-02 3."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    EXTENDED = 200


class MessageCutter:
    """One direction. `message` gets kind and fields, `contents` opens a body.

    `contents` gets the fields before the body's own bytes, and returns who takes those, or
    None. Raises `RemoteProtocolError` where the stream is no SFTP.
    """

    def __init__(
        self,
        body_kind: Kind,
        wanted: frozenset[int],
        message: Callable[[int, bytes], None],
        contents: Callable[[bytes], Contents | None],
    ) -> None:
        self._body_kind, self._wanted = body_kind, wanted
        self._message, self._contents = message, contents
        self._head = bytearray()
        self._needed_bytes = _LENGTH_AND_KIND_BYTES
        self._body_bytes = 0
        self._skip_bytes = 0
        self._taker: Contents | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the stream."""
        view = memoryview(data)
        offset, size = 0, len(view)
        while offset < size:
            if self._body_bytes:
                end = min(size, offset + self._body_bytes)
                if self._taker is not None:
                    self._taker(view[offset:end])
                self._body_bytes -= end - offset
            elif self._skip_bytes:
                end = min(size, offset + self._skip_bytes)
                self._skip_bytes -= end - offset
            elif self._head:
                end = min(size, offset + self._needed_bytes - len(self._head))
                self._head += view[offset:end]
                if len(self._head) == self._needed_bytes and self._parse(self._head):
                    self._head.clear()
            else:
                # What is whole is not copied; what is not waits for the rest of its head.
                end = offset + self._parse(view[offset:])
                if end == offset:
                    self._head += view[offset:]
                    end = size
            offset = end

    def _parse(self, head: memoryview | bytearray) -> int:
        """Take the message at the beginning of `head`, up to its body if it has one.

        Return how many bytes that took, or 0 where more are needed, and say how many in all.
        """
        self._needed_bytes = _LENGTH_AND_KIND_BYTES
        if len(head) < _LENGTH_AND_KIND_BYTES:
            return 0
        length_bytes, kind = _LENGTH_AND_KIND.unpack_from(head)
        end: int = 4 + length_bytes
        if kind == self._body_kind:
            return self._parse_to_body(head, end)
        if length_bytes > MESSAGE_LIMIT_BYTES or end < _LENGTH_AND_KIND_BYTES:
            raise RemoteProtocolError(f"an SFTP message of {length_bytes} bytes")
        if kind not in self._wanted:
            self._skip_bytes = end - _LENGTH_AND_KIND_BYTES
            return _LENGTH_AND_KIND_BYTES
        if len(head) < end:
            self._needed_bytes = end
            return 0
        self._message(kind, bytes(head[_LENGTH_AND_KIND_BYTES:end]))
        return end

    def _parse_to_body(self, head: memoryview | bytearray, end: int) -> int:
        """Take the fields of a WRITE or DATA, and open its body."""
        fields_end = _LENGTH_TO_STRING_BYTES
        if self._body_kind is Kind.WRITE and len(head) >= fields_end:
            handle_bytes = int.from_bytes(head[9:13], "big")
            fields_end += handle_bytes + _OFFSET_AND_LENGTH_BYTES
            if handle_bytes > MESSAGE_LIMIT_BYTES:
                raise RemoteProtocolError(f"an SFTP handle of {handle_bytes} bytes")
        if len(head) < fields_end:
            self._needed_bytes = fields_end
            return 0
        body_bytes = int.from_bytes(head[fields_end - 4 : fields_end], "big")
        if fields_end + body_bytes > end:
            raise RemoteProtocolError("an SFTP message that ends before its file contents do")
        self._taker = self._contents(bytes(head[_LENGTH_AND_KIND_BYTES:fields_end]))
        self._body_bytes = body_bytes
        self._skip_bytes = end - fields_end - body_bytes
        return fields_end
