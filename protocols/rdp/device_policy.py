"""What a target may ask of a client's drives and printers, and what its answers mean. Sans-io.

A direction that is closed shows on the target as a drive on which access is denied. What the
ledger could not follow is refused as well: file system controls, hard links, rights.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from protocols.contents import Contents, Stream
from protocols.errors import RemoteProtocolError
from protocols.rdp.device_files import INCOMPLETE, OK, Asked, DeviceLedger, File, outcome_of
from protocols.rdp.wire import devices
from protocols.rdp.wire.devices import (
    Access,
    Create,
    Device,
    DeviceKind,
    Major,
    Option,
    Request,
    Setting,
    Status,
)

_WRITES: Final = (
    Access.WRITE_DATA | Access.APPEND_DATA | Access.GENERIC_WRITE | Access.GENERIC_ALL
)
_PADDING_BYTES: Final = 256
"""How much longer than needed a message may be: FreeRDP fills some up to this."""
_OPERATIONS: Final = MappingProxyType({Setting.RENAME: "rename", Setting.BASIC: "setstat"})
_SIZES: Final = frozenset({Setting.ALLOCATION, Setting.END_OF_FILE})
_SETTINGS: Final = frozenset(Setting)
_PRINTING: Final = frozenset({Major.WRITE, Major.CLOSE})


class DeviceTerms(Struct, frozen=True, kw_only=True):
    """What a secret lets through."""

    to_target: bool = False
    """Whether the target may read the client's drives."""
    to_client: bool = False
    """Whether it may change what is on them."""
    printers: bool = False

    def allows(self, device: Device) -> bool:
        """Say whether a device may be announced to the target."""
        if device.kind == DeviceKind.DRIVE:
            return self.to_target or self.to_client
        return device.kind == DeviceKind.PRINTER and self.printers


class Judged(Struct):
    """What becomes of a request or an answer."""

    refused: Status | None = None
    contents: Contents | None = None
    """Who takes the file's contents in it."""
    contents_bytes: int = 0


_Rule = Callable[[Request, File, bytes, int], Judged]


class DevicePolicy:
    """Judges the requests of one session, and lets the ledger follow what passes."""

    def __init__(self, terms: DeviceTerms, ledger: DeviceLedger) -> None:
        self._terms, self._ledger = terms, ledger
        self.devices: dict[int, Device] = {}
        """Those that the target was told of."""
        self._rules: dict[int, _Rule] = {
            Major.CLOSE: self._close,
            Major.READ: self._read,
            Major.WRITE: self._write,
            Major.SET_INFORMATION: self._set,
            Major.QUERY_INFORMATION: self._look,
            Major.QUERY_VOLUME: self._look,
            Major.DIRECTORY: self._look,
            Major.LOCK: self._look,
        }
        """What may be asked of an open file."""

    def asked(self, message: bytes, whole_bytes: int) -> Judged:
        """Judge a request, of which there is at least what is read here.

        Raises `RemoteProtocolError` where it cannot be read.
        """
        request = devices.read_request(message)
        device = self.devices.get(request.device)
        if device is None:
            return Judged(Status.NO_SUCH_DEVICE)
        if not self._ledger.has_room(request.major):
            return Judged(Status.INSUFFICIENT_RESOURCES)
        if request.major == Major.CREATE:
            return self._create(request, device, devices.read_create(message))
        rule = self._rules.get(request.major)
        is_printer = device.kind == DeviceKind.PRINTER
        if rule is None or (is_printer and request.major not in _PRINTING):
            return Judged(Status.INVALID_DEVICE_REQUEST)
        file = self._ledger.file_of(request)
        if file is None:
            return Judged(Status.INVALID_HANDLE)
        return rule(request, file, message, whole_bytes)

    def answered(self, message: bytes, whole_bytes: int) -> Judged | None:
        """Judge a completion; None where nobody waits for it."""
        done = devices.read_completion(message)
        asked = self._ledger.answered(done.device, done.completion)
        if asked is None:
            return None
        outcome = outcome_of(done.status)
        match asked.major:
            case Major.CREATE if outcome == OK:
                self._ledger.opened(done.device, devices.read_answer(message), asked.file)
            case Major.CREATE if asked.file.changes:
                self._ledger.finish(asked.file, outcome)
            case Major.CLOSE:
                self._ledger.finish(asked.file, outcome)
            case Major.READ:
                return self._was_read(asked, message, whole_bytes, done.status)
            case Major.WRITE if (
                outcome != OK or devices.read_answer(message) < asked.size_bytes
            ):
                asked.file.outcome = INCOMPLETE if outcome == OK else outcome
        if asked.operation:
            self._done(asked, outcome)
        return Judged()

    def _done(self, asked: Asked, outcome: str) -> None:
        file = asked.file
        self._ledger.tell(file, asked.operation, outcome, new_path=asked.new_path)
        if outcome == OK and asked.new_path:
            file.path = asked.new_path

    # --- what is asked

    def _create(self, request: Request, device: Device, create: Create) -> Judged:
        file = File(device, create.path)
        file.folder = bool(create.options & Option.DIRECTORY)
        file.deletes = bool(create.options & Option.DELETE_ON_CLOSE)
        makes = create.disposition != devices.OPEN
        file.changes = create.disposition in devices.EMPTYING and not file.folder
        is_drive = device.kind == DeviceKind.DRIVE
        operation = "mkdir" if makes and file.folder and is_drive else ""
        changes = makes or file.deletes or create.access & _WRITES
        if is_drive and changes and not self._terms.to_client:
            deletion = file.removal if file.deletes else "download"
            self._ledger.refuse(file, operation or deletion)
            return Judged(Status.ACCESS_DENIED)
        self._ledger.expect(request, Asked(Major.CREATE, file, operation))
        return Judged()

    def _close(self, request: Request, file: File, _message: bytes, _whole: int) -> Judged:
        self._ledger.close(request)
        self._ledger.expect(request, Asked(Major.CLOSE, file))
        return Judged()

    def _read(self, request: Request, file: File, message: bytes, _whole: int) -> Judged:
        if not self._terms.to_target:
            self._ledger.refuse(file, "upload")
            return Judged(Status.ACCESS_DENIED)
        self._expect_span(request, file, message)
        return Judged()

    def _write(self, request: Request, file: File, message: bytes, whole: int) -> Judged:
        if file.device.kind == DeviceKind.DRIVE and not self._terms.to_client:
            self._ledger.refuse(file, "download")
            return Judged(Status.ACCESS_DENIED)
        asked = self._expect_span(request, file, message)
        _check_size(asked.size_bytes, whole - devices.SPAN_BYTES)
        file.changes = True
        if file.device.kind == DeviceKind.PRINTER:
            asked.offset = devices.APPEND
        contents = _at(file.down, asked.offset)
        return Judged(contents=contents, contents_bytes=asked.size_bytes)

    def _expect_span(self, request: Request, file: File, message: bytes) -> Asked:
        span, asked = devices.read_span(message), Asked(request.major, file)
        asked.size_bytes, asked.offset = span.size_bytes, span.offset
        self._ledger.expect(request, asked)
        return asked

    def _set(self, request: Request, file: File, message: bytes, _whole: int) -> Judged:
        kind, value = devices.read_setting(message)
        if kind not in _SETTINGS:
            return Judged(Status.INVALID_DEVICE_REQUEST)
        asked = Asked(request.major, file, _OPERATIONS.get(Setting(kind), ""))
        if kind == Setting.RENAME:
            asked.new_path = file.place(devices.read_new_path(value))
        elif kind == Setting.DISPOSITION and value[:1] != b"\0":
            # No value at all means that it is to go ([MS-RDPEFS] 2.2.3.3.9).
            asked.operation = file.removal
        if not self._terms.to_client:
            self._ledger.refuse(file, asked.operation or "setstat")
            return Judged(Status.ACCESS_DENIED)
        file.changes = file.changes or kind in _SIZES
        self._ledger.expect(request, asked)
        return Judged()

    def _look(self, request: Request, file: File, _message: bytes, _whole: int) -> Judged:
        """Let the target see what is there, or lock it."""
        self._ledger.expect(request, Asked(request.major, file))
        return Judged()

    # --- what is answered

    def _was_read(self, asked: Asked, message: bytes, whole: int, status: int) -> Judged:
        file, size_bytes = asked.file, 0
        if status == Status.OK:
            size_bytes = devices.read_answer(message)
            if size_bytes > asked.size_bytes:
                raise RemoteProtocolError("more of a file than was asked for")
        elif status != Status.END_OF_FILE:
            file.outcome = outcome_of(status)
        _check_size(size_bytes, whole - devices.ANSWER_BYTES)
        file.was_read = True
        contents = _at(file.up, asked.offset) if size_bytes else None
        return Judged(contents=contents, contents_bytes=size_bytes)


def _at(stream: Stream, offset: int) -> Contents:
    return stream.take if offset == devices.APPEND else stream.at(offset)


def _check_size(size_bytes: int, there_bytes: int) -> None:
    """Raise where contents are cut off, or where something is behind them."""
    if not size_bytes <= there_bytes <= size_bytes + _PADDING_BYTES:
        raise RemoteProtocolError("a file's contents of another size than their message")
