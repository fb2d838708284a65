"""What an SCP transfer did, read from its exec channel as the bytes pass.

The protocol of rcp, as OpenSSH's `scp -O` and PuTTY's `pscp -scp` speak it. The *sender*
(the client for `-t`, the target for `-f`) writes lines, `Cmode size name`, `Dmode 0 name`,
`E` and `Tmtime 0 atime 0`; after a C line and its answer, `size` bytes and a status. The
*receiver* answers every line and every status with a zero byte, or with 1 (warning) or 2
(fatal), a text and a newline.

The stream never says whether the path of `-t` is a folder. Where it is unknown, an
upload's `path` is the one of the command and `new_path` is the name that the client sent.

Like the SFTP ledger this one never raises: what it cannot read makes it give up, once.
"""

import enum
import posixpath
import re
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from protocols.contents import Stream
from protocols.errors import RemoteProtocolError
from protocols.ssh.sftp_ledger import STATUS_LIMIT_CHARACTERS, text_of
from protocols.ssh.touched_files import TouchedFiles
from recorder.events import FileTouched

LINE_LIMIT_BYTES: Final = 8192
"""OpenSSH's scp reads lines of at most 2 KiB."""
WAITING_LIMIT: Final = 1024
"""Lines that may wait for an answer; scp and pscp have one."""
DEPTH_LIMIT: Final = 1024

_FILE_LINE = re.compile(rb"C[0-7]{4,5} ([0-9]{1,19}) ([^/]+)\Z")
_FOLDER_LINE = re.compile(rb"D[0-7]{4,5} [0-9]{1,19} ([^/]+)\Z")


class SCPCommand(Struct, frozen=True, kw_only=True):
    """What the command line of the target's scp says."""

    sends: bool
    """`-f`: the target sends, the client downloads."""
    folder: bool
    """`-d`: the path is a folder."""
    path: str


class _Awaits(enum.Enum):
    """What an answer of the receiver is about."""

    START = enum.auto()
    LINE = enum.auto()
    FOLDER = enum.auto()
    FILE = enum.auto()
    CONTENTS = enum.auto()


class _Expects(enum.Enum):
    """What the sender writes next."""

    LINE = enum.auto()
    CONTENTS = enum.auto()
    STATUS = enum.auto()
    STATUS_TEXT = enum.auto()


class _File:
    __slots__ = ("begun", "outcome", "path", "sent_name", "size_bytes", "stream")

    def __init__(self, path: str, sent_name: str, size_bytes: int, stream: Stream) -> None:
        self.path, self.sent_name, self.size_bytes = path, sent_name, size_bytes
        self.stream = stream
        self.begun = False
        self.outcome = "ok"

    @property
    def missing_bytes(self) -> int:
        return self.size_bytes - self.stream.size_bytes


class SCPLedger:
    """Reads both directions of one SCP channel. Feed it in the order bytes came."""

    def __init__(
        self,
        command: SCPCommand,
        channel: int = 0,
        new_touched: Callable[[int], TouchedFiles] = TouchedFiles,
    ) -> None:
        self._command = command
        self._touched = new_touched(channel)
        self._reading = True
        self._expects = _Expects.LINE
        self._line = bytearray()
        self._answer = bytearray()
        self._awaiting: deque[_Awaits] = deque([_Awaits.START])
        self._folders: list[str] = []
        self._file: _File | None = None

    def client(self, at_ms: int, data: bytes | memoryview) -> list[FileTouched]:
        """Take what the client sent; return what is now known to have been done."""
        return self._feed(at_ms, data, sender=not self._command.sends)

    def target(self, at_ms: int, data: bytes | memoryview) -> list[FileTouched]:
        """Take what the target sent; return what is now known to have been done."""
        return self._feed(at_ms, data, sender=self._command.sends)

    def close(self, at_ms: int) -> list[FileTouched]:
        """Return what was under way when the channel closed."""
        self._touched.at_ms = at_ms
        if self._file is not None:
            self._finish(self._file, "incomplete")
        self._reading = False
        return self._touched.take()

    def _feed(self, at_ms: int, data: bytes | memoryview, *, sender: bool) -> list[FileTouched]:
        if not self._reading:
            return []
        self._touched.at_ms = at_ms
        view = memoryview(data)
        try:
            while view:
                view = view[self._sent(view) if sender else self._received(view) :]
        except RemoteProtocolError as error:
            self._give_up(str(error))
        return self._touched.take()

    def _give_up(self, reason: str) -> None:
        if self._file is not None:
            self._finish(self._file, "incomplete")
        self._reading = False
        self._touched.note("unreadable", self._command.path, outcome=reason)

    def _sent(self, view: memoryview) -> int:
        """Take some of what the sender wrote; return how many bytes."""
        file = self._file
        if self._expects is _Expects.CONTENTS and file is not None:
            piece = view[: file.missing_bytes]
            file.begun = True
            file.stream.take(piece)
            if not file.missing_bytes:
                self._expects = _Expects.STATUS
            return len(piece)
        if self._expects is _Expects.STATUS and file is not None:
            file.begun = True
            self._status(file, view[0])
            return 1
        return self._sent_line(view)

    def _status(self, file: _File, status: int) -> None:
        """Take the byte after the contents: 0, or the sender could not read its file."""
        if status:
            file.outcome = "the sender failed"
            self._expects = _Expects.STATUS_TEXT
        else:
            self._contents_over()

    def _contents_over(self) -> None:
        self._expects = _Expects.LINE
        self._await(_Awaits.CONTENTS)

    def _sent_line(self, view: memoryview) -> int:
        taken = _gather_line(self._line, view)
        if self._line.endswith(b"\n"):
            line = bytes(self._line[:-1])
            self._line.clear()
            if self._expects is _Expects.STATUS_TEXT and self._file is not None:
                self._file.outcome = _words(line) or self._file.outcome
                self._contents_over()
            else:
                self._said(line)
        return taken

    def _said(self, line: bytes) -> None:
        """Take one whole line of the sender."""
        if opened := _FILE_LINE.match(line):
            self._file_announced(text_of(opened[2]), int(opened[1]))
        elif entered := _FOLDER_LINE.match(line):
            self._folders.append(text_of(entered[1]))
            if len(self._folders) > DEPTH_LIMIT:
                raise RemoteProtocolError(f"SCP folders more than {DEPTH_LIMIT} deep")
            self._await(_Awaits.FOLDER)
        elif line == b"E":
            if self._folders:
                self._folders.pop()
            self._await(_Awaits.LINE)
        elif line[:1] == b"T":
            self._await(_Awaits.LINE)
        elif line[:1] in {b"\x01", b"\x02"}:
            # The sender cannot send something: a message, which is not answered.
            self._touched.note(self._operation, self._command.path, outcome=_words(line[1:]))
        else:
            raise RemoteProtocolError("an SCP line that says nothing known")

    def _file_announced(self, name: str, size_bytes: int) -> None:
        if self._file is not None:
            raise RemoteProtocolError("an SCP file within a file")
        path, sent_name = self._place(name)
        self._file = _File(path, sent_name, size_bytes, self._touched.new_stream())
        self._expects = _Expects.CONTENTS if size_bytes else _Expects.STATUS
        self._await(_Awaits.FILE)

    def _place(self, name: str) -> tuple[str, str]:
        """Return where on the target a file of that name is, and its name if that is unsure."""
        path = self._command.path
        if self._command.sends:
            # The first name that is sent is the last of the path asked for.
            return posixpath.join(posixpath.dirname(path), *self._folders, name), ""
        if self._folders or self._command.folder or path.endswith(("/", ".", "..")):
            return posixpath.join(path, *self._folders, name), ""
        return path, "" if posixpath.basename(path) == name else name

    def _received(self, view: memoryview) -> int:
        """Take some of what the receiver wrote; return how many bytes."""
        if not self._answer and view[0] == 0:
            self._answered("")
            return 1
        if not self._answer and view[0] not in {1, 2}:
            raise RemoteProtocolError("an SCP answer that is none")
        taken = _gather_line(self._answer, view)
        if self._answer.endswith(b"\n"):
            words = _words(bytes(self._answer[1:-1])) or "failure"
            self._answer.clear()
            self._answered(words)
        return taken

    def _answered(self, failure: str) -> None:
        if not self._awaiting:
            raise RemoteProtocolError("an SCP answer to nothing")
        awaited = self._awaiting.popleft()
        if awaited is _Awaits.FOLDER and failure:
            self._touched.note("mkdir", self._folder_path(), outcome=failure)
            self._folders.pop()
        elif awaited is _Awaits.FILE and failure:
            self._file_refused(failure)
        elif awaited is _Awaits.CONTENTS and self._file is not None:
            if failure:
                self._file.outcome = failure
            self._finish(self._file, "ok")

    def _file_refused(self, failure: str) -> None:
        """Take a refusal of a C line: a sender that heard it goes on to the next line."""
        file = self._file
        if file is None:
            return
        file.outcome = failure
        if not file.begun:
            self._expects = _Expects.LINE
            self._finish(file, failure)

    def _folder_path(self) -> str:
        return posixpath.join(self._command.path, *self._folders)

    def _await(self, awaited: _Awaits) -> None:
        self._awaiting.append(awaited)
        if len(self._awaiting) > WAITING_LIMIT:
            raise RemoteProtocolError(f"more than {WAITING_LIMIT} unanswered SCP lines")

    @property
    def _operation(self) -> str:
        return "download" if self._command.sends else "upload"

    def _finish(self, file: _File, outcome: str) -> None:
        self._file = None
        if file.outcome != "ok":
            outcome = file.outcome
        stream = file.stream
        digest = stream.digest() if not file.missing_bytes or stream.size_bytes else b""
        self._touched.crossed(
            self._operation,
            file.path,
            stream,
            digest,
            outcome=outcome,
            new_path=file.sent_name,
        )


def _gather_line(line: bytearray, view: memoryview) -> int:
    """Move bytes of `view` to `line`, up to a newline; return how many."""
    head = bytes(view[: LINE_LIMIT_BYTES + 1 - len(line)])
    taken = head.find(b"\n") + 1 or len(head)
    line += head[:taken]
    if len(line) > LINE_LIMIT_BYTES:
        raise RemoteProtocolError(f"an SCP line of more than {LINE_LIMIT_BYTES} bytes")
    return taken


def _words(raw: bytes) -> str:
    return text_of(raw).strip()[:STATUS_LIMIT_CHARACTERS]
