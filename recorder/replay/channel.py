"""One channel of a session: what its two directions mean."""

import codecs
import re
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from recorder.replay.commands import Commands
from recorder.replay.keystrokes import Keystrokes, TypedLine
from recorder.replay.terminal import MAX_LINE, Terminal, TerminalState, clamp

SESSION_CHANNEL = "session"
_MAX_TEXT_BYTES = 4 * 1024 * 1024
"""Text indexed of each direction of a channel without a terminal."""
_MORE_TEXT = "(more text passed here than is indexed: the rest is only in the recording)"
_SMALL = 512
"""A burst of this size may be an echo, and is looked at row by row."""
_MARK = re.compile(r"\x1b\](0|2|133|633);([^\x07\x1b\x9c]{0,4096})(?:\x07|\x1b\\|\x9c)")
_PLAIN_COLUMNS, _PLAIN_ROWS = 80, 24
_RECENT_BYTES = 16 * 1024
"""Plain text scrolls: no more of a chunk than this can still be on a screen."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")
_WORDS = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{6,}")
"""What may be text among bytes that are none; shorter ones come up by chance."""
_UNPRINTABLE = bytes({*range(0x20), 0x7F} - set(b"\t\n\x0b\x0c\r\x1b"))

Tell = Callable[[int, str, str], None]
"""Is told `at_ms`, the kind and the text of a line."""


class Text(Struct, array_like=True):
    """One direction, decoded as it comes."""

    tail: bytes = b""
    """The beginning of a character."""
    line: str = ""
    """The beginning of a line, where there is no terminal."""
    passed_bytes: int = 0

    def decode(self, data: bytes) -> str:
        """Return `data` as text; what is not UTF-8 becomes U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(self.tail + data)
        self.tail = decoder.getstate()[0]
        return text


class ChannelState(Struct, array_like=True):
    """What carries a channel over to the next chunk."""

    kind: str = SESSION_CHANNEL
    subsystem: str = ""
    terminal: TerminalState | None = None
    keys: Keystrokes = field(default_factory=Keystrokes)
    commands: Commands = field(default_factory=Commands)
    title: str = ""
    shown: Text = field(default_factory=Text)
    errors: Text = field(default_factory=Text)
    typed: Text = field(default_factory=Text)
    plain: TerminalState | None = None
    """What a channel without a terminal has shown last, on one that players give it."""
    drawn: Text = field(default_factory=Text)
    """What goes there."""

    @property
    def screen(self) -> TerminalState | None:
        """What a player begins with behind this chunk."""
        return self.plain if self.terminal is None else self.terminal

    def forget_screen(self) -> None:
        """Begin with an empty screen of the same size."""
        if self.terminal is not None:
            columns, rows = self.terminal.columns, self.terminal.rows
            self.terminal = Terminal(columns, rows, lambda _at_ms, _text: None).state()


class Channel:
    """Follows one channel."""

    def __init__(self, state: ChannelState, tell: Tell, *, with_screen: bool) -> None:
        self._state = state
        self._tell = tell
        self._with_screen = with_screen
        self._terminal: Terminal | None = None
        self._recent = b""
        if not with_screen:
            state.forget_screen()
        elif state.terminal is not None:
            self._terminal = Terminal.restored(state.terminal, self._tell_row)

    def request(self, at_ms: int, request: str, detail: bytes) -> None:
        """Take a channel request: a command or a subsystem is something that was run."""
        text = detail.decode(errors="replace")
        if request == "subsystem":
            self._state.subsystem = text
            self._tell(at_ms, "command", f"subsystem {text}")
        elif request == "exec":
            for line in text.splitlines():
                self._tell(at_ms, "command", line)

    def resize(self, at_ms: int, columns: int, rows: int) -> None:
        """Take the size of a terminal, which is there from the first one on."""
        if self._terminal is not None:
            self._terminal.resize(at_ms, columns, rows)
            return
        terminal = Terminal(*clamp(columns, rows), self._tell_row)
        self._state.terminal = terminal.state()
        if self._with_screen:
            self._terminal = terminal

    def show(self, at_ms: int, data: bytes) -> None:
        """Take what the target sent."""
        if self._terminal is None:
            self._remember(data)
            self._pass(self._state.shown, at_ms, "output", data)
            return
        text = self._state.shown.decode(data)
        start = 0
        for mark in _MARK.finditer(text):
            self._draw(at_ms, text[start : mark.end()])
            self._heed(at_ms, mark[1], mark[2])
            start = mark.end()
        self._draw(at_ms, text[start:])

    def show_error(self, at_ms: int, data: bytes) -> None:
        """Take what the target sent to standard error."""
        if self._terminal is None:
            self._remember(data)
        self._pass(self._state.errors, at_ms, "output", data)

    def type(self, at_ms: int, data: bytes) -> None:
        """Take what the user sent."""
        if self._state.terminal is None:
            self._pass(self._state.typed, at_ms, "input", data)
            return
        keys, terminal = self._state.keys, self._terminal
        if keys.is_empty and terminal is not None and not terminal.alternate:
            self._state.commands.begin(terminal.cursor_line)
        for line in keys.feed(self._state.typed.decode(data)):
            self._enter(at_ms, line)

    def close(self, at_ms: int) -> None:
        """Tell everything that was left open."""
        line = self._state.keys.finish()
        self._tell(at_ms, "input", line.text)
        self._tell_commands(self._state.commands.finish())
        for text, kind in (
            (self._state.shown, "output"),
            (self._state.errors, "output"),
            (self._state.typed, "input"),
        ):
            for part in _parts(text.line):
                self._tell(at_ms, kind, part)
            text.line = ""
        if self._terminal is not None:
            self._terminal.tell_shown(with_cursor=True)

    def suspend(self) -> ChannelState:
        """Tell what is on the screen; return the state for the next chunk."""
        if self._terminal is not None:
            self._terminal.tell_shown(with_cursor=False)
            self._state.terminal = self._terminal.state()
        elif self._with_screen and self._state.kind == SESSION_CHANNEL:
            self._state.plain = self._drawn()
        return self._state

    def _remember(self, data: bytes) -> None:
        self._recent = (self._recent + data)[-_RECENT_BYTES:]

    def _drawn(self) -> TerminalState:
        """Return what a channel without a terminal shows by now."""
        terminal = Terminal(_PLAIN_COLUMNS, _PLAIN_ROWS, lambda _at_ms, _text: None)
        if self._state.plain is not None:
            terminal = Terminal.restored(self._state.plain, lambda _at_ms, _text: None)
        terminal.feed(0, self._state.drawn.decode(self._recent.replace(b"\n", b"\r\n")))
        self._recent = b""
        return terminal.state()

    def _tell_row(self, at_ms: int, text: str) -> None:
        self._tell(at_ms, "output", text)

    def _tell_commands(self, commands: list[tuple[int, str]]) -> None:
        for at_ms, command in commands:
            self._tell(at_ms, "command", command)

    def _enter(self, at_ms: int, line: TypedLine) -> None:
        self._tell(at_ms, "input", line.text)
        if self._terminal is not None and not self._terminal.alternate:
            self._tell_commands(self._state.commands.enter(at_ms, line))

    def _draw(self, at_ms: int, text: str) -> None:
        """Feed the terminal; row by row where a command may be about to show."""
        terminal = self._terminal
        if terminal is None or not text:
            return
        commands = self._state.commands
        while text and (commands.waiting or len(text) <= _SMALL):
            row, newline, rest = text.partition("\n")
            terminal.feed(at_ms, row)
            if not newline:
                return
            if not terminal.alternate:
                self._tell_commands(commands.row_done(terminal.line))
            terminal.feed(at_ms, newline)
            text = rest
        terminal.feed(at_ms, text)

    def _heed(self, at_ms: int, code: str, content: str) -> None:
        """Take a title, or a mark that a shell made (OSC 133, 633)."""
        commands = self._state.commands
        if code in ("0", "2"):
            if content != self._state.title:
                self._state.title = content
                self._tell(at_ms, "title", content)
        elif content[:1] == "B" and self._terminal is not None:
            commands.prompted(self._terminal.cursor_line)
        elif code == "633" and content.startswith("E;"):
            commands.is_marked = True
            self._tell(at_ms, "command", _unescaped(content[2:].partition(";")[0]))

    def _pass(self, text: Text, at_ms: int, kind: str, data: bytes) -> None:
        """Take bytes of a channel without a terminal, where they are text."""
        if self._state.kind != SESSION_CHANNEL or self._state.subsystem == "sftp":
            return
        if text.passed_bytes > _MAX_TEXT_BYTES:
            return
        text.passed_bytes += len(data)
        if text.passed_bytes > _MAX_TEXT_BYTES:
            self._tell(at_ms, kind, text.line)
            text.line = ""
            self._tell(at_ms, kind, _MORE_TEXT)
            return
        *lines, rest = re.split(r"\r*\n|\r", text.line + text.decode(data))
        whole = len(rest) - len(rest) % MAX_LINE
        for line in [*lines, rest[:whole]]:
            for part in _parts(line):
                self._tell(at_ms, kind, part)
        text.line = rest[whole:]


def _parts(line: str) -> Iterator[str]:
    """Give a line in pieces; of one that is no text what may be text in it."""
    line = _ESCAPES.sub("", _words(line))
    for start in range(0, len(line), MAX_LINE):
        yield line[start : start + MAX_LINE]


def _words(line: str) -> str:
    if line.isprintable() and "\ufffd" not in line:
        return line
    encoded = line.encode()
    left_bytes = len(encoded.translate(None, _UNPRINTABLE))
    if (len(encoded) - left_bytes + line.count("\ufffd")) * 10 <= len(line):
        return line
    return " ".join(_WORDS.findall(line)) if left_bytes else ""


def _unescaped(command: str) -> str:
    """Undo what VS Code's shell integration does to `;`, newlines and backslashes."""
    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|\\)",
        lambda match: chr(int(match[1], 16)) if match[1] else "\\",
        command,
    )
