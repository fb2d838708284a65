"""What an SFTP channel did to files, read from the packets as they pass.

SFTP version 3 (draft-ietf-secsh-filexfer-02) with the extensions of OpenSSH's PROTOCOL
file, 3.3 to 3.7 and 4.10. Requests are pipelined: an answer finds its request by id.

The ledger never raises and never stops a relay. What it cannot read (another version, a
message beyond bounds, more open files or unanswered requests than it keeps) makes it give
up: it says so once, as an event, and ignores the rest of the stream.
"""

import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from protocols.contents import Contents, Stream
from protocols.errors import RemoteProtocolError
from protocols.ssh.packets import Reader
from protocols.ssh.sftp_messages import Kind, MessageCutter
from protocols.ssh.touched_files import TouchedFiles
from recorder.events import FileTouched

HANDLES_LIMIT: Final = 1024
REQUESTS_LIMIT: Final = 1024
"""OpenSSH's sftp has at most 64 requests under way, psftp some dozens."""
HANDLE_LIMIT_BYTES: Final = 256
"""draft-ietf-secsh-filexfer-02 6.2."""
PATH_LIMIT_BYTES: Final = 4096
"""PATH_MAX of Linux. A longer path is cut, and ends in an ellipsis."""
STATUS_LIMIT_CHARACTERS: Final = 256

_READ_ACCESS, _WRITE_ACCESS = 1, 2
_OK, _EOF = 0, 1
_VERSION: Final = 3

_STATUS: Final = MappingProxyType(
    {
        1: "end of file",
        2: "no such file",
        3: "permission denied",
        4: "failure",
        5: "bad message",
        6: "no connection",
        7: "connection lost",
        8: "operation unsupported",
    }
)

_PATHS: Final = MappingProxyType(
    {
        Kind.REMOVE: ("remove", 1),
        Kind.MKDIR: ("mkdir", 1),
        Kind.RMDIR: ("rmdir", 1),
        Kind.SETSTAT: ("setstat", 1),
        Kind.RENAME: ("rename", 2),
        Kind.SYMLINK: ("symlink", 2),
    }
)
"""Requests that name paths: the operation, and how many paths. A symlink's first path is
where it points (as OpenSSH has it, against the draft), the second is the link itself."""

_EXTENDED_PATHS: Final = MappingProxyType(
    {
        b"posix-rename@openssh.com": ("rename", 2),
        b"hardlink@openssh.com": ("link", 2),
        b"lsetstat@openssh.com": ("setstat", 1),
    }
)

_FROM_CLIENT: Final = frozenset(
    {Kind.OPEN, Kind.CLOSE, Kind.READ, Kind.FSETSTAT, Kind.OPENDIR, Kind.EXTENDED, *_PATHS}
)
_FROM_TARGET: Final = frozenset({Kind.VERSION, Kind.STATUS, Kind.HANDLE})


def text_of(raw: bytes) -> str:
    """Return a path or a message as text; what is not UTF-8 becomes replacement characters."""
    if len(raw) > PATH_LIMIT_BYTES:
        return raw[:PATH_LIMIT_BYTES].decode("utf-8", "replace") + "…"
    return raw.decode("utf-8", "replace")


class _File:
    """An open handle."""

    __slots__ = ("access", "down", "eof", "folder", "outcome", "path", "up")

    def __init__(
        self, path: str, access: int, new_stream: type[Stream], *, folder: bool = False
    ) -> None:
        self.path, self.access, self.folder = path, access, folder
        self.up, self.down = new_stream(), new_stream()
        self.eof = False
        self.outcome = "ok"

    def operations(self) -> list[tuple[str, Stream, bytes]]:
        """Return what was done with the contents: operation, stream, digest."""
        if self.folder:
            return []
        done = []
        if self.down.size_bytes or not self.access & _WRITE_ACCESS:
            read = self.down.size_bytes or self.eof
            done.append(("download", self.down, self.down.digest() if read else b""))
        if self.access & _WRITE_ACCESS or self.up.size_bytes:
            done.append(("upload", self.up, self.up.digest()))
        return done


class _Request:
    """A request that waits for its answer."""

    __slots__ = ("file", "kind", "new_path", "offset", "operation", "path")

    def __init__(self, kind: int, file: _File | None = None, offset: int = 0) -> None:
        self.kind, self.file, self.offset = kind, file, offset
        self.operation = self.path = self.new_path = ""


class SFTPLedger:
    """Reads both directions of one SFTP channel. Feed it in the order bytes came."""

    def __init__(
        self, channel: int = 0, new_touched: Callable[[int], TouchedFiles] = TouchedFiles
    ) -> None:
        self._touched = new_touched(channel)
        self._files: dict[bytes, _File] = {}
        self._requests: dict[int, _Request] = {}
        self._reading = True
        self._from_client = MessageCutter(
            Kind.WRITE, _FROM_CLIENT, self._requested, self._written
        )
        self._from_target = MessageCutter(Kind.DATA, _FROM_TARGET, self._answered, self._read)

    def client(self, at_ms: int, data: bytes | memoryview) -> list[FileTouched]:
        """Take what the client sent; return what is now known to have been done."""
        return self._feed(self._from_client, at_ms, data)

    def target(self, at_ms: int, data: bytes | memoryview) -> list[FileTouched]:
        """Take what the target sent; return what is now known to have been done."""
        return self._feed(self._from_target, at_ms, data)

    def close(self, at_ms: int) -> list[FileTouched]:
        """Return what was under way when the channel closed."""
        self._touched.at_ms = at_ms
        self._abandon()
        self._reading = False
        return self._touched.take()

    def _feed(
        self, cutter: MessageCutter, at_ms: int, data: bytes | memoryview
    ) -> list[FileTouched]:
        if not self._reading:
            return []
        touched = self._touched
        touched.at_ms = at_ms
        try:
            cutter.feed(data)
        except RemoteProtocolError as error:
            self._give_up(str(error))
        return touched.take() if touched.noted else []

    def _give_up(self, reason: str) -> None:
        self._abandon()
        self._reading = False
        self._touched.note("unreadable", "", outcome=reason)

    def _abandon(self) -> None:
        for request in self._requests.values():
            if request.operation:
                self._done(request, "incomplete")
            elif request.kind == Kind.CLOSE and request.file:
                self._finish(request.file, "incomplete")
        for file in self._files.values():
            self._finish(file, "incomplete")
        self._requests.clear()
        self._files.clear()

    def _requested(self, kind: int, body: bytes) -> None:
        fields = Reader(body)
        ident = fields.uint32()
        match kind:
            case Kind.READ:
                file = self._files.get(fields.string())
                offset = int.from_bytes(body[-12:-4], "big")
                self._expect(ident, _Request(kind, file, offset))
            case Kind.OPEN | Kind.OPENDIR:
                path = text_of(fields.string())
                access = fields.uint32() if kind == Kind.OPEN else 0
                is_folder = kind == Kind.OPENDIR
                file = _File(path, access, self._touched.new_stream, folder=is_folder)
                self._expect(ident, _Request(kind, file))
            case Kind.CLOSE:
                self._expect(ident, _Request(kind, self._files.pop(fields.string(), None)))
            case Kind.FSETSTAT:
                file = self._files.get(fields.string())
                self._expect_operation(ident, "setstat", file.path if file else "")
            case Kind.EXTENDED:
                self._extension_requested(ident, fields)
            case _:
                operation, paths = _PATHS[Kind(kind)]
                self._paths_requested(ident, operation, paths, fields)

    def _extension_requested(self, ident: int, fields: Reader) -> None:
        name = fields.string()
        if name in _EXTENDED_PATHS:
            self._paths_requested(ident, *_EXTENDED_PATHS[name], fields)
        elif name == b"copy-data":
            source = self._files.get(fields.string())
            for _ in range(4):  # Offset and length, 64 bits each.
                fields.uint32()
            copy = self._files.get(fields.string())
            paths = [file.path if file else "" for file in (source, copy)]
            self._expect_operation(ident, "copy", *paths)

    def _paths_requested(self, ident: int, operation: str, paths: int, fields: Reader) -> None:
        self._expect_operation(
            ident, operation, *(text_of(fields.string()) for _ in range(paths))
        )

    def _expect_operation(
        self, ident: int, operation: str, path: str, new_path: str = ""
    ) -> None:
        request = _Request(0)
        request.operation, request.path, request.new_path = operation, path, new_path
        self._expect(ident, request)

    def _expect(self, ident: int, request: _Request) -> None:
        if ident in self._requests:
            # Nobody could tell whose contents an answer brings.
            raise RemoteProtocolError("two SFTP requests with one number")
        self._requests[ident] = request
        if len(self._requests) > REQUESTS_LIMIT:
            raise RemoteProtocolError(f"more than {REQUESTS_LIMIT} unanswered SFTP requests")

    def _written(self, fields: bytes) -> Contents | None:
        ident, handle_bytes = _WRITE_HEAD.unpack_from(fields)
        file = self._files.get(fields[8 : 8 + handle_bytes])
        if file is None:
            return None
        self._expect(ident, _Request(Kind.WRITE, file))
        return file.up.at(int.from_bytes(fields[-12:-4], "big"))

    def _read(self, fields: bytes) -> Contents | None:
        request = self._requests.pop(int.from_bytes(fields[:4], "big"), None)
        if request is None or request.kind != Kind.READ or request.file is None:
            # A number that another request had as well hides whose contents these are.
            raise RemoteProtocolError("file contents that answer no request")
        return request.file.down.at(request.offset)

    def _answered(self, kind: int, body: bytes) -> None:
        fields = Reader(body)
        number = fields.uint32()
        if kind == Kind.VERSION:
            if number > _VERSION:
                raise RemoteProtocolError(f"SFTP version {number}: only {_VERSION} is read")
            return
        request = self._requests.pop(number, None)
        if request is None:
            if kind == Kind.HANDLE:
                raise RemoteProtocolError("a file that was opened by no request")
            return
        if kind == Kind.HANDLE:
            self._opened(request, fields.string())
        else:
            self._resolved(request, fields)

    def _opened(self, request: _Request, handle: bytes) -> None:
        if request.file is None or request.kind not in {Kind.OPEN, Kind.OPENDIR}:
            return
        if len(handle) > HANDLE_LIMIT_BYTES:
            raise RemoteProtocolError(f"an SFTP handle of {len(handle)} bytes")
        former = self._files.get(handle)
        if former is not None:
            self._finish(former, "incomplete")
        self._files[handle] = request.file
        if len(self._files) > HANDLES_LIMIT:
            raise RemoteProtocolError(f"more than {HANDLES_LIMIT} open SFTP handles")

    def _resolved(self, request: _Request, fields: Reader) -> None:
        code = fields.uint32()
        outcome = "ok" if code == _OK else _status_text(code, fields)
        if request.operation:
            self._done(request, outcome)
        elif request.file is not None:
            self._file_resolved(request.kind, request.file, code, outcome)

    def _file_resolved(self, kind: int, file: _File, code: int, outcome: str) -> None:
        if kind not in {Kind.READ, Kind.WRITE}:
            self._finish(file, outcome)
        elif kind == Kind.READ and code == _EOF:
            file.eof = True
        elif file.outcome == "ok":
            file.outcome = outcome

    def _finish(self, file: _File, outcome: str) -> None:
        if file.outcome != "ok":
            outcome = file.outcome
        for operation, stream, digest in file.operations():
            self._touched.crossed(operation, file.path, stream, digest, outcome=outcome)

    def _done(self, request: _Request, outcome: str) -> None:
        self._touched.note(
            request.operation, request.path, outcome=outcome, new_path=request.new_path
        )


_WRITE_HEAD: Final = struct.Struct(">II")


def _status_text(code: int, fields: Reader) -> str:
    """Return the outcome of a failure: what its code means, and the target's words for it."""
    meaning = _STATUS.get(code, f"status {code}")
    rest = fields.rest()
    words = text_of(rest[4 : 4 + int.from_bytes(rest[:4], "big")])[:STATUS_LIMIT_CHARACTERS]
    return meaning if words.casefold() in {meaning, ""} else f"{meaning}: {words}"
