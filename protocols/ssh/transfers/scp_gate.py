"""Lets files that an SCP client sends reach the target, but for those a rule is against.

The protocol is described in `protocols.ssh.scp_ledger`. It is followed in lock-step: what the
client sends after a line waits for the target's answer, since that says whether contents
follow. A file that is not to cross is answered in the target's name, as if that had refused.

INVARIANT: a line that names a file goes on only when it is whole and was judged.
"""

import enum
import posixpath
import re
from typing import Final

from bus.file_rules import Direction
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.rules import Found
from protocols.ssh.scp_ledger import DEPTH_LIMIT, SCPCommand
from protocols.ssh.transfers.gate import FileGate
from protocols.ssh.transfers.rules import FileRules, whole_path
from protocols.ssh.transfers.sftp_gate import REFUSALS_LIMIT

HELD_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""More than any target lets a client send ahead."""
ANSWERS_LIMIT: Final = 16
_LINE_LIMIT_BYTES: Final = 2000
"""What some targets have room for: they take the rest of a longer one for another line."""
_REFUSED: Final = b"\x01proxyd: refused\n"
# A size of 19 digits may be none for a target: less than nothing.
_LINE = re.compile(rb"([CD])[0-7]{4,5} ([0-9]{1,18}) ([^/\n]+)\n\Z")


class _Expects(enum.Enum):
    LINE = enum.auto()
    CONTENTS = enum.auto()
    STATUS = enum.auto()
    STATUS_TEXT = enum.auto()


class SCPGate(FileGate):
    """One channel's, on which the client sends."""

    def __init__(self, rules: FileRules, command: SCPCommand) -> None:
        super().__init__()
        self._rules, self._command = rules, command
        self._queue = bytearray()
        self._line = bytearray()
        self._expects = _Expects.LINE
        self._contents_bytes = 0
        self._opening: tuple[str, bytes, int] | None = None
        """The kind, name and size of what the target was told of last."""
        self._folders: list[str] = []
        self._unanswered = True
        """Whether the target has yet to answer: at first, that it is there."""
        self._answers: list[bool] = []
        """What the target has said ahead of its turn: whether it agrees."""
        self._complaining = False
        self._refusals = 0
        self._answer = bytearray()
        self.swallowed_bytes = 0

    def take_answer(self) -> bytes:
        """Return what the client is to read in the target's name."""
        answer, self._answer = bytes(self._answer), bytearray()
        return answer

    def typed(self, _at_ms: int, data: bytes) -> None:
        """Take what the client sent; raise `RemoteProtocolError` where it is no SCP."""
        self._queue += data
        if len(self._queue) > HELD_LIMIT_BYTES:
            raise RemoteProtocolError("more was sent than an SCP target lets a client")
        self._go_on()

    def shown(self, _at_ms: int, data: bytes) -> None:
        """Take what the target sent."""
        for mark in data:
            if self._complaining:
                self._complaining = mark != ord("\n")
                if not self._complaining:
                    self._answers.append(False)
            elif mark == 0:
                self._answers.append(True)
            else:
                self._complaining = True
        if len(self._answers) > ANSWERS_LIMIT:
            raise RemoteProtocolError("SCP answers to nothing")
        self._go_on()

    # --- inside

    def _go_on(self) -> None:
        while True:
            if self._unanswered:
                if not self._answers:
                    return
                self._answered(agreed=self._answers.pop(0))
            elif not self._queue:
                return
            elif self._expects in {_Expects.LINE, _Expects.STATUS_TEXT}:
                self._take_line()
            else:
                self._take_contents()

    def _answered(self, *, agreed: bool) -> None:
        self._unanswered = False
        opening, self._opening = self._opening, None
        if opening is None or not agreed:
            return
        kind, name, size_bytes = opening
        if kind == "D":
            self._folders.append(_text(name))
            if len(self._folders) > DEPTH_LIMIT:
                raise RemoteProtocolError(f"SCP folders more than {DEPTH_LIMIT} deep")
        else:
            self._contents_bytes = size_bytes
            self._expects = _Expects.CONTENTS if size_bytes else _Expects.STATUS

    def _take_contents(self) -> None:
        if self._expects is _Expects.CONTENTS:
            piece = self._queue[: self._contents_bytes]
            self._contents_bytes -= len(piece)
            self._expects = _Expects.CONTENTS if self._contents_bytes else _Expects.STATUS
        else:
            piece = self._queue[:1]
            self._unanswered = piece == b"\0"
            self._expects = _Expects.LINE if self._unanswered else _Expects.STATUS_TEXT
        self._due += piece
        del self._queue[: len(piece)]

    def _take_line(self) -> None:
        taken_bytes = self._queue.find(b"\n") + 1 or len(self._queue)
        self._line += self._queue[:taken_bytes]
        del self._queue[:taken_bytes]
        if len(self._line) > _LINE_LIMIT_BYTES:
            raise RemoteProtocolError(f"an SCP line of more than {_LINE_LIMIT_BYTES} bytes")
        if self._line.endswith(b"\n"):
            line, self._line = bytes(self._line), bytearray()
            self._said(line)

    def _said(self, line: bytes) -> None:
        opening = _LINE.match(line) if self._expects is _Expects.LINE else None
        if opening is None:
            self._pass_other(line)
            return
        kind, name = opening[1].decode(), opening[3]
        against = self._objection(_text(name))
        if against is None:
            self._opening = kind, name, int(opening[2])
            self._pass_line(line)
            return
        self._refusals += 1
        if self._refusals > REFUSALS_LIMIT:
            raise RemoteProtocolError(f"more than {REFUSALS_LIMIT} refused files on a channel")
        self.found.append(against)
        self.swallowed_bytes += len(line)
        self._answer += _REFUSED

    def _pass_other(self, line: bytes) -> None:
        if self._expects is _Expects.STATUS_TEXT:
            self._expects = _Expects.LINE
            self._pass_line(line)
        elif line[:1] in {b"\x01", b"\x02"}:
            # The client cannot send something: nobody answers that.
            self._due += line
        elif line == b"E\n" or line[:1] == b"T":
            if line == b"E\n" and self._folders:
                self._folders.pop()
            self._pass_line(line)
        else:
            raise RemoteProtocolError("an SCP line that says nothing known")

    def _pass_line(self, line: bytes) -> None:
        if self._answers:
            # Whatever comes next would be taken for another's answer.
            raise RemoteProtocolError("SCP answers to nothing")
        self._due += line
        self._unanswered = True

    def _objection(self, name: str) -> Found | None:
        """Judge every place that the target may put it: it may be, or be in, what was named."""
        path, folders = self._command.path, self._folders
        places = [posixpath.join(path, *folders, name)]
        if not (self._command.folder or path.endswith("/")):
            places.append(posixpath.join(path, *[*folders, name][1:]))
        for place in places:
            against = self._rules.judge(Direction.UPLOAD, whole_path(place, None), place)
            if against:
                return against
        return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
