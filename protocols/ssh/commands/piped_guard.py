"""Judges what is sent to a shell without a terminal: line by line, as it runs it.

A line that waits holds up those behind it. The window of the target bounds them: it grants
no room for what it has not got.
"""

import re
from typing import Final

from bus.command_rules import RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.keys import TypedLine
from protocols.ssh.commands.line_guard import HELD_LIMIT_BYTES, LineGuard
from protocols.ssh.commands.rules import Rules

_PARTIAL_BYTES: Final = 64 * 1024
"""Of a line that are judged at a time: what is longer was hardly sent to a shell."""
_BEFORE_CHARACTERS: Final = 256 * 1024
"""Of the same line, without its blanks, that the rest is judged together with."""
_BLANKS = re.compile(r"\s+")
_KEYS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINES: Final = 4096
"""Lines that are judged at a time: a window of them was held up, and others share the loop."""


class PipedGuard(LineGuard):
    """One shell's."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self._queue = bytearray()
        """What is yet to be judged."""
        self._whole = bytearray()
        """The line that is next: one that goes on in the next, as far as it has come."""
        self._before = ""
        """What has gone on of it already."""

    @property
    def waits(self) -> bool:
        """Whether there are lines left to be judged at the next tick."""
        return self.held is None and b"\n" in self._queue

    def resize(self, columns: int) -> None:
        """Take nothing: there is no terminal."""

    def shown(self, at_ms: int, data: bytes) -> None:
        """Take nothing: nothing is echoed."""

    def typed(self, at_ms: int, data: bytes) -> None:
        """Take what the client sent."""
        self._queue += data
        self._go_on(at_ms)
        if len(self._queue) > HELD_LIMIT_BYTES:
            raise RemoteProtocolError("more was sent than a line that waits may hold up")

    def finish(self, at_ms: int) -> None:
        """Judge a last line without an end, where nothing is before it."""
        del at_ms
        if self.held is None and not self.waits and not self._ended:
            self._judge_rest()

    # --- inside

    @property
    def _ended(self) -> bool:
        """Whether a line has just ended the session: nothing behind it runs."""
        return any(found.action is RuleAction.END for found in self.found)

    def _go_on(self, at_ms: int) -> None:
        del at_ms
        for _ in range(_LINES):
            if self.held or self._ended:
                return
            end = self._queue.find(b"\n") + 1
            if not end:
                break
            self._take_line(end)
        else:
            return
        if len(self._whole) + len(self._queue) > _PARTIAL_BYTES:
            self._judge_rest()

    def _take_line(self, size_bytes: int) -> None:
        line = self._queue[:size_bytes]
        del self._queue[:size_bytes]
        self._whole += line
        # A carriage return in between would be what the backslash quotes: the line ends.
        end = line[:-1]
        goes_on = (len(end) - len(end.rstrip(b"\\"))) % 2
        if not goes_on or len(self._whole) > _PARTIAL_BYTES:
            self._judge()

    def _judge_rest(self) -> None:
        self._whole += self._queue
        self._queue.clear()
        self._judge()

    def _judge(self) -> None:
        whole = self._whole.decode("utf-8", "replace").replace("\\\n", "")
        text = whole.rstrip("\r\n")
        line = self._before + text
        decided = len(self.found)
        self._before = ""
        self._decide([line, text, *_as_typed(text)], text)
        stopped = any(found.action is not RuleAction.ALERT for found in self.found[decided:])
        if not whole.endswith("\n") and not stopped:
            self._before = _BLANKS.sub(" ", line)[-_BEFORE_CHARACTERS:]

    def _release(self) -> None:
        self._due += self._whole
        self._whole.clear()

    def _give_up(self) -> None:
        self.swallowed_bytes += len(self._whole)
        self._whole.clear()


def _as_typed(text: str) -> set[str]:
    """Return what a line is to targets that edit it as on a terminal, as appliances may."""
    readings: set[str] = set()
    if _KEYS.search(text):
        for part in re.split("[\r\x0f]", text):
            line = TypedLine()
            list(line.feed(part.encode()))
            readings |= {line.text, *line.others}
    return readings
