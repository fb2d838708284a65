"""Lets an SFTP client's requests reach the target, but for those that a rule is against.

A request that is not to pass is replaced by one of the same length and number that no server
knows, so the target itself answers it, in its turn: "operation unsupported". Nothing has to be
put into its answers, and no window is touched.

INVARIANT: a request that names a file goes on only when it is whole and was judged.
"""

import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from bus.file_rules import Direction
from protocols.contents import Contents
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.rules import Found
from protocols.ssh.packets import Reader, string, uint32
from protocols.ssh.sftp_messages import MESSAGE_LIMIT_BYTES, Kind, MessageCutter
from protocols.ssh.transfers.gate import FileGate
from protocols.ssh.transfers.rules import BOTH, FileRules, whole_path

REFUSALS_LIMIT: Final = 1000
"""On one channel: each is recorded and told of."""
_HEAD: Final = struct.Struct(">IB")
_NUMBERED: Final = struct.Struct(">IBI")
"""With the number that the answer repeats."""
_NUMBERS_LIMIT: Final = 4096
"""Clients ask where they start at first."""
_SPOKEN: Final = 3
"""The version that everybody speaks, and the only one that is read here."""
_READ, _WRITE = 1, 2
_UPLOAD, _DOWNLOAD = Direction.UPLOAD, Direction.DOWNLOAD

_PASSING: Final = frozenset(
    {
        *(Kind.CLOSE, Kind.READ, Kind.WRITE, Kind.LSTAT, Kind.FSTAT, Kind.OPENDIR),
        *(Kind.READDIR, Kind.STAT, Kind.READLINK),
    }
)
"""Work on what was opened, or look at names."""
_CHANGING: Final = frozenset({Kind.SETSTAT, Kind.REMOVE, Kind.MKDIR, Kind.RMDIR})
_LIKE: Final = MappingProxyType(
    {
        b"posix-rename@openssh.com": Kind.RENAME,
        b"hardlink@openssh.com": Kind.RENAME,
        b"lsetstat@openssh.com": Kind.SETSTAT,
    }
)
_HARMLESS: Final = frozenset(
    {
        *(b"fsync@openssh.com", b"statvfs@openssh.com", b"fstatvfs@openssh.com"),
        *(b"limits@openssh.com", b"expand-path@openssh.com", b"copy-data"),
        *(b"home-directory", b"users-groups-by-id@openssh.com"),
    }
)
"""Of the extensions in OpenSSH's PROTOCOL file: those like another request, those like a look.
No other passes."""


class SFTPGate(FileGate):
    """One channel's."""

    swallowed_bytes = 0

    def __init__(self, rules: FileRules) -> None:
        super().__init__()
        self._rules = rules
        self._head, self._needed_bytes = bytearray(), _HEAD.size
        self._passing_bytes = 0
        """Of a message that was let through, and is still to come."""
        self._start: str | None = None
        """Where relative paths start, as the target says."""
        self._start_asked: int | None = None
        self._numbers: set[int] = set()
        """Of the requests before that: an answer to one of them says nothing of the start."""
        self._refusals = 0
        self._answers = MessageCutter(
            Kind.DATA, frozenset({Kind.VERSION, Kind.NAME}), self._answered, _skipped
        )
        self._judges: dict[int, Callable[[int, Reader], Found | None]] = {
            Kind.OPEN: self._opened,
            Kind.REALPATH: lambda _ident, _fields: None,
            Kind.RENAME: self._renamed,
            Kind.SYMLINK: self._linked,
            Kind.FSETSTAT: self._file_changed,
            Kind.EXTENDED: self._extended,
            **dict.fromkeys(_CHANGING, self._changed),
        }

    def take_answer(self) -> bytes:
        """Return nothing: the target answers for itself."""
        return b""

    def shown(self, _at_ms: int, data: bytes) -> None:
        """Take what the target sent."""
        self._answers.feed(data)

    def typed(self, _at_ms: int, data: bytes) -> None:
        """Take what the client sent; raise `RemoteProtocolError` where it is no SFTP."""
        view, offset = memoryview(data), 0
        while offset < len(view):
            if self._passing_bytes:
                piece = view[offset : offset + self._passing_bytes]
                self._due += piece
                self._passing_bytes -= len(piece)
            else:
                piece = view[offset : offset + self._needed_bytes - len(self._head)]
                self._head += piece
                if len(self._head) == self._needed_bytes:
                    self._look()
            offset += len(piece)

    # --- inside

    def _look(self) -> None:
        """Take the head of a message, or all of it."""
        head = self._head
        length_bytes, kind = _HEAD.unpack_from(head)
        if len(head) == _HEAD.size:
            if length_bytes < 1 + len(uint32(0)) or length_bytes > MESSAGE_LIMIT_BYTES:
                raise RemoteProtocolError(f"an SFTP request of {length_bytes} bytes")
            self._needed_bytes = _NUMBERED.size if kind in _PASSING else 4 + length_bytes
            return
        if kind in _PASSING:
            self._number(_NUMBERED.unpack_from(head)[2])
            self._passing_bytes = 4 + length_bytes - len(head)
            self._due += head
        else:
            self._due += self._judged(kind, bytes(head))
        self._head, self._needed_bytes = bytearray(), _HEAD.size

    def _judged(self, kind: int, message: bytes) -> bytes:
        """Return what goes on in place of a request."""
        fields = Reader(message, _HEAD.size)
        ident = fields.uint32()
        if kind == Kind.INIT:
            # A client that offers more would speak what nobody here reads.
            return message[: _HEAD.size] + uint32(min(ident, _SPOKEN)) + fields.rest()
        is_first = self._number(ident)
        if kind == Kind.REALPATH and is_first and fields.string() in {b".", b""}:
            self._start_asked = ident
        judge = self._judges.get(kind)
        against = judge(ident, fields) if judge else self._unknown(f"request {kind}")
        if against is None:
            return message
        self._refusals += 1
        if self._refusals > REFUSALS_LIMIT:
            raise RemoteProtocolError(f"more than {REFUSALS_LIMIT} refused files on a channel")
        self.found.append(against)
        filler_bytes = len(message) - _HEAD.size - 2 * len(uint32(0))
        if filler_bytes < 0:
            raise RemoteProtocolError("an SFTP request that is too short to be one")
        unknown = bytes((Kind.EXTENDED,)) + uint32(ident) + string(b"-" * filler_bytes)
        return message[:4] + unknown

    def _number(self, ident: int) -> bool:
        """Take note of a request; say whether no other has had its number.

        Of two with one number nobody knows whose an answer is, and a client could have the
        start be anywhere.
        """
        if self._start is not None:
            return False
        if ident == self._start_asked:
            self._start_asked = None
        if ident in self._numbers or len(self._numbers) >= _NUMBERS_LIMIT:
            return False
        self._numbers.add(ident)
        return True

    def _linked(self, _ident: int, fields: Reader) -> Found | None:
        target, link = fields.string(), fields.string()
        # Where it leads counts, and nobody but the target knows that.
        path = None if self._rules.name_paths(*BOTH) else _text(link)
        return self._rules.judge(_UPLOAD, path, f"{_text(link)} -> {_text(target)}")

    def _file_changed(self, _ident: int, _fields: Reader) -> Found | None:
        return self._rules.judge(_UPLOAD, None, "(times or modes of an open file)")

    def _changed(self, _ident: int, fields: Reader) -> Found | None:
        return self._of(_UPLOAD, fields.string())

    def _extended(self, ident: int, fields: Reader) -> Found | None:
        name = fields.string()
        if name in _HARMLESS:
            return None
        if name in _LIKE:
            return self._judges[_LIKE[name]](ident, fields)
        return self._unknown(name.decode("utf-8", "replace"))

    def _opened(self, _ident: int, fields: Reader) -> Found | None:
        """Judge an OPEN: servers read where they are not told to write."""
        path, flags, found = fields.string(), fields.uint32(), None
        if flags & _READ or not flags & _WRITE:
            found = self._of(_DOWNLOAD, path)
        if flags & ~_READ:
            found = found or self._of(_UPLOAD, path)
        return found

    def _renamed(self, _ident: int, fields: Reader) -> Found | None:
        """Judge another name: by it, nothing may be had that could not be had by the old."""
        old, new = fields.string(), fields.string()
        found = self._of(_UPLOAD, old) or self._of(_UPLOAD, new)
        if found is None and self._rules.permit(_DOWNLOAD, self._whole(new)):
            return self._of(_DOWNLOAD, old)
        return found

    def _of(self, direction: Direction, path: bytes) -> Found | None:
        return self._rules.judge(direction, self._whole(path), _text(path))

    def _whole(self, path: bytes) -> str | None:
        return whole_path(path.decode("utf-8", "replace"), self._start)

    def _unknown(self, told: str) -> Found | None:
        return self._rules.judge(_DOWNLOAD, None, told) or self._rules.judge(
            _UPLOAD, None, told
        )

    def _answered(self, kind: int, body: bytes) -> None:
        fields = Reader(body)
        number = fields.uint32()
        if kind == Kind.VERSION:
            if number > _SPOKEN:
                raise RemoteProtocolError(f"SFTP version {number}: only {_SPOKEN} is judged")
        elif number == self._start_asked and fields.uint32() == 1:
            self._start, self._start_asked = fields.text(), None


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _skipped(_fields: bytes) -> Contents | None:
    return None
