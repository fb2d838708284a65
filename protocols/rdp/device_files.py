r"""The ledger of files that cross by redirected drives and printers. Sans-io.

It says the same of a file as the ledgers of SFTP and SCP do, in the same event: `upload` is
what the target read from the client's drive, `download` what it wrote onto it, `print` what
it printed there. A path is as Windows shows it on the target: `\\tsclient\drive\path`.
"""

from types import MappingProxyType
from typing import Final, TypeVar

from protocols.contents import Stream
from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.devices import Device, DeviceKind, Major, Request, Status
from recorder.events import FileTouched, KnownEvent

_T = TypeVar("_T")
CHANNEL: Final = 0
"""A desktop session has one channel, the whole connection."""
FILES_LIMIT: Final = 1024
REQUESTS_LIMIT: Final = 1024
OK: Final = "ok"
INCOMPLETE: Final = "incomplete"
NOT_ALLOWED: Final = "not allowed"
_MAY_GO_UNANSWERED: Final = frozenset({Major.DIRECTORY, Major.LOCK})
"""A client answers when a folder changes, and a lock is free: perhaps never."""

_STATUS: Final = MappingProxyType[int, str](
    {
        Status.INVALID_HANDLE: "no such handle",
        Status.NO_SUCH_FILE: "no such file",
        Status.ACCESS_DENIED: "permission denied",
        Status.NAME_NOT_FOUND: "no such file",
        Status.NAME_COLLISION: "there is one already",
        Status.PATH_NOT_FOUND: "no such folder",
        Status.SHARING_VIOLATION: "in use",
        Status.DISK_FULL: "disk full",
        Status.DIRECTORY_NOT_EMPTY: "folder not empty",
        Status.CANCELLED: INCOMPLETE,
    }
)


def outcome_of(status: int) -> str:
    """Return what a client's status means."""
    if status == Status.OK:
        return OK
    return _STATUS.get(status) or f"status 0x{status:08x}"


class File:
    """An open file, folder or printer."""

    __slots__ = (
        "changes",
        "deletes",
        "device",
        "down",
        "folder",
        "outcome",
        "path",
        "told",
        "up",
        "was_read",
    )

    def __init__(self, device: Device, path: str) -> None:
        self.device = device
        self.path = self.place(path)
        self.up, self.down = Stream(), Stream()
        """What was read from the client, and what was written there."""
        self.was_read = self.changes = self.folder = self.deletes = False
        self.outcome = OK
        self.told: set[str] = set()
        """What was refused of it."""

    def place(self, path: str) -> str:
        """Return where something on its device is, in words for an operator."""
        if self.device.kind == DeviceKind.PRINTER:
            return self.device.name
        # xrdp writes some of its paths as it has them itself.
        path = path.replace("/", "\\").lstrip("\\")
        return f"\\\\tsclient\\{self.device.name.rstrip(':')}\\{path}"

    @property
    def operations(self) -> list[tuple[str, Stream]]:
        """What was done with its contents."""
        if self.device.kind == DeviceKind.PRINTER:
            return [("print", self.down)] if self.down.size_bytes else []
        if self.folder:
            return []
        done = [("upload", self.up)] if self.was_read else []
        return [*done, ("download", self.down)] if self.changes else done

    @property
    def removal(self) -> str:
        """What it is called to remove it."""
        return "rmdir" if self.folder else "remove"


class Asked:
    """A request that waits for its answer."""

    __slots__ = ("file", "major", "new_path", "offset", "operation", "size_bytes")

    def __init__(self, major: int, file: File, operation: str = "", new_path: str = "") -> None:
        self.major, self.file = major, file
        self.operation, self.new_path = operation, new_path
        """What is to be told once it is answered, where that is to be told."""
        self.size_bytes = self.offset = 0


class DeviceLedger:
    """Open files, unanswered requests, and what is to be recorded of both."""

    def __init__(self) -> None:
        self.at_ms = 0
        self._files: dict[tuple[int, int], File] = {}
        self._asked: dict[tuple[int, int], Asked] = {}
        self._waiting: dict[tuple[int, int], Asked] = {}
        """Requests that may go unanswered: of too many, the oldest are forgotten."""
        self._events: list[KnownEvent] = []

    def has_room(self, major: int) -> bool:
        """Say whether a request can be followed; one that closes a file always can."""
        if major == Major.CREATE and len(self._files) >= FILES_LIMIT:
            return False
        return major == Major.CLOSE or len(self._asked) < REQUESTS_LIMIT

    def take(self) -> list[KnownEvent]:
        """Return what there is to record, once."""
        events, self._events = self._events, []
        return events

    def file_of(self, request: Request) -> File | None:
        """Return the file that a request is about."""
        return self._files.get((request.device, request.file))

    def close(self, request: Request) -> File | None:
        """Return the file that a request closes: none other is about it from now on."""
        return self._files.pop((request.device, request.file), None)

    def expect(self, request: Request, asked: Asked) -> None:
        """Wait for the answer; raise `RemoteProtocolError` where two have one number."""
        key = (request.device, request.completion)
        if key in self._asked:
            raise RemoteProtocolError("two requests to a device with one number")
        self._waiting.pop(key, None)
        if asked.major not in _MAY_GO_UNANSWERED:
            self._asked[key] = asked
            return
        if len(self._waiting) >= REQUESTS_LIMIT:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[key] = asked

    def answered(self, device: int, completion: int) -> Asked | None:
        """Return what was answered."""
        key = (device, completion)
        return self._asked.pop(key, None) or self._waiting.pop(key, None)

    def opened(self, device: int, number: int, file: File) -> None:
        """Take a file whose client gave it a number."""
        former = self._files.get((device, number))
        if former is not None:
            self.finish(former, INCOMPLETE)
        self._files[device, number] = file

    def finish(self, file: File, outcome: str = OK) -> None:
        """Tell what was done with a file."""
        if file.outcome != OK:
            outcome = file.outcome
        for operation, stream in file.operations:
            self.tell(file, operation, outcome, stream)
        if file.deletes:
            self.tell(file, file.removal, outcome)

    def refuse(self, file: File, operation: str) -> None:
        """Tell that something was not let through: once a file."""
        if operation not in file.told:
            file.told.add(operation)
            self.tell(file, operation, NOT_ALLOWED)

    def tell(
        self,
        file: File,
        operation: str,
        outcome: str,
        stream: Stream | None = None,
        new_path: str = "",
    ) -> None:
        """Tell what was done; `stream` are the contents that crossed."""
        touched = FileTouched(
            at_ms=self.at_ms,
            channel=CHANNEL,
            operation=operation,
            path=file.path,
            size_bytes=stream.size_bytes if stream else 0,
            sha256=stream.digest() if stream else b"",
            outcome=outcome,
            new_path=new_path,
        )
        self._events.append(touched)

    def abandon(self, device: int | None = None) -> None:
        """Tell what was under way, of one device or all: nothing comes of it any more."""
        _taken(self._waiting, device)
        for asked in _taken(self._asked, device):
            if asked.operation:
                self.tell(asked.file, asked.operation, INCOMPLETE, new_path=asked.new_path)
            elif asked.major == Major.CLOSE:
                self.finish(asked.file, INCOMPLETE)
        for file in _taken(self._files, device):
            self.finish(file, INCOMPLETE)


def _taken(table: dict[tuple[int, int], _T], device: int | None) -> list[_T]:
    """Take what is of one device, or all."""
    return [table.pop(key) for key in list(table) if device in {None, key[0]}]
