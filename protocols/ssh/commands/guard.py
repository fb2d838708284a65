"""Holds back the Enter of each line that is typed on a terminal until the line was judged.

Text goes on at once, so that it is echoed; its Enter waits. What the keys make is judged where
that is what the screen shows as well; else, after recall, completion or a key of somebody's
own, what the screen shows. Nobody waits who types at a prompt: the echo of the last key is
there before Enter is.

INVARIANT: an Enter goes on only when its line was judged, and nothing overtakes it.
INVARIANT: a line that was not echoed is judged, and not told of.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.edited import MAX_CHARACTERS
from protocols.ssh.commands.keys import TypedLine
from protocols.ssh.commands.line_guard import HELD_LIMIT_BYTES, LineGuard
from protocols.ssh.commands.row import MAX_CELLS, Row
from protocols.ssh.commands.rules import HIDDEN, Rules

QUIET_MS: Final = 150
"""A target that was silent for so long has drawn what it had to draw."""
UNECHOED_MS: Final = 300
"""How long the echo of plain text may take: that of a password never comes."""
LIMIT_MS: Final = 2000
"""How long a line waits at the most."""
_INTERRUPT: Final = b"\x03"
_PASTED: Final = 4096
"""Characters of a paste that are judged at each newline, besides the line."""
_BLANKS = re.compile(r"[ \t]+")
_TAILS: Final = 16
"""Places where a command may begin: each is a line more to be judged."""
_TAIL = re.compile(r"[$#%>:\xbb\u276f] ?(?=\S)|': ")
"""Behind one of these a command may begin, where nobody knows the prompt."""
_TOO_LONG: Final = f"not run: a line of more than {MAX_CHARACTERS} characters is not judged"
_ASKS = re.compile(
    r"(?i)(?:pass\s?(?:word|phrase|wd|code)|kennwort|passwort|contrase\xf1a|mot de passe"
    r"|\b(?:pin|otp|totp|token|code|secret)\b)[^\n]{0,60}$"
)


class Guard(LineGuard):
    """One terminal's."""

    def __init__(self, rules: Rules, columns: int) -> None:
        super().__init__(rules)
        self._row, self._line = Row(columns), TypedLine()
        self._queue = bytearray()
        self._pieces: Iterator[tuple[bytes, bool]] | None = None
        self._left_bytes = 0
        """Of what `_pieces` has yet to give."""
        self._enter = b""
        """Held back."""
        self._entered_ms = self._keyed_ms = self._shown_ms = 0
        self._prompt: str | None = None
        self._carried = ""
        """Lines before this one that it goes on from."""
        self._doubted = False
        """Whether the target may hold a line that was to be given up."""

    @property
    def waits(self) -> bool:
        """Whether time decides: an Enter waits for an echo."""
        return bool(self._enter) and self.held is None

    def granted(self) -> None:
        """Take it that there is a terminal, and not a mere pipe in its place."""
        self._line.interruptible = True

    def resize(self, columns: int) -> None:
        """Take the terminal's width."""
        self._row.resize(columns)

    def typed(self, at_ms: int, data: bytes) -> None:
        """Take what the client sent."""
        if self.held and _INTERRUPT in data:
            self._give_up()
            given_up_bytes = data.rindex(_INTERRUPT) + 1
            self.swallowed_bytes += given_up_bytes
            data = data[given_up_bytes:]
        self._queue += data
        if len(self._queue) > HELD_LIMIT_BYTES:
            raise RemoteProtocolError("more was typed than a line may hold up")
        self._go_on(at_ms)

    def shown(self, at_ms: int, data: bytes) -> None:
        """Take what the target sent."""
        self._row.feed(data)
        self._shown_ms = at_ms
        self._go_on(at_ms)

    def finish(self, at_ms: int) -> None:
        """Do nothing: an Enter waits for its verdict, and the end of it all waits with it."""

    # --- inside

    def _go_on(self, at_ms: int) -> None:
        while self.held is None:
            if self._enter:
                if not self._settled(at_ms):
                    return
                if self._line.overflowed or len(self._carried) > MAX_CHARACTERS:
                    self._decide_unknown(_TOO_LONG)
                else:
                    self._decide(self._readings(), self._told())
            elif not self._next_piece(at_ms):
                return

    def _decide(self, readings: Iterable[str], told: str) -> None:
        readings = list(readings)
        if told != HIDDEN and self._rules.judge(readings, told):
            broken = [one for one in (told, *readings) if self._rules.judge([one], one)]
            # Whoever is to approve it must not be told of something harmless.
            told = told if told in broken else max(broken, key=len)
        super()._decide(readings, told)

    def _next_piece(self, at_ms: int) -> bool:
        """Take what was typed up to the next Enter; False where nothing is left."""
        if self._pieces is None:
            if not self._queue:
                return False
            if self._line.untouched and not self._doubted:
                self._prompt = self._row.left
            data, self._queue = bytes(self._queue), bytearray()
            self._pieces, self._left_bytes = self._line.feed(data), len(data)
        piece, entered = next(self._pieces, (b"", False))
        self._left_bytes -= len(piece)
        if not entered:
            self._pieces = None
            self._due += piece
            self._keyed_ms = at_ms if piece else self._keyed_ms
            return True
        self._due += piece[:-1]
        self._keyed_ms = at_ms if piece[:-1] else self._keyed_ms
        self._enter, self._entered_ms = piece[-1:], at_ms
        return True

    @property
    def _sure(self) -> bool:
        return self._line.plain and not self._doubted

    def _settled(self, at_ms: int) -> bool:
        """Say whether the screen shows by now what the keys have made."""
        line, row = self._line, self._row
        if line.pasting:
            # A line editor shows a paste when it is over.
            return True
        if self._sure and (row.alternate or line.untouched or self._echoed):
            return True
        if row.alternate and not line.ends:
            # Where nobody works at a prompt, keys that run a line there are anything else.
            return True
        waited_ms = at_ms - self._entered_ms
        if self._sure:
            return waited_ms >= UNECHOED_MS
        answered = self._shown_ms >= self._keyed_ms and self._shown_ms > 0
        quiet = at_ms - self._shown_ms >= QUIET_MS
        return (answered and quiet) or waited_ms >= LIMIT_MS

    @property
    def _last_row(self) -> str:
        return self._line.text.rpartition("\n")[2].rstrip()

    @property
    def _shown(self) -> str:
        """The line on the screen, but for what a shell draws right of the cursor of its own.

        That is a right prompt, or a suggestion: neither is run.
        """
        left = self._row.left.rstrip()
        typed = self._sure and self._last_row and left.endswith(self._last_row)
        return left if typed else self._row.text

    @property
    def _echoed(self) -> bool:
        """Whether the line at the cursor ends with what was typed."""
        text, shown = self._last_row, self._shown
        if text:
            return shown.endswith(text)
        return self._prompt is not None and shown == self._prompt.rstrip()

    def _readings(self) -> list[str]:
        """Return every line that the target may take this for."""
        line, text, shown = self._line, self._line.text.strip(), self._shown[:MAX_CELLS]
        if line.pasting:
            # What is before the last newline was judged there.
            readings = [*text.split("\n")[-2:], text[-_PASTED:], *line.others]
            return [*readings, *(self._carried + one for one in readings[2:])]
        readings = [*text.split("\n"), text.replace("\\\n", ""), self._carried + text]
        body = self._body(shown)
        if body is not None:
            readings += [body, self._carried + body]
        if not self._sure and (body is None or not self._prompt):
            tails = islice(_TAIL.finditer(shown), _TAILS)
            readings += [shown, *(shown[found.end() :] for found in tails)]
        if line.edited and (body != text or not text):
            # It is not sure that somebody heeds what the keys mean to a shell's line editor.
            readings += [*line.others, *(self._carried + one for one in line.others)]
        return [reading.lstrip("#") for reading in readings] + readings

    def _body(self, shown: str) -> str | None:
        """Return what the screen shows behind the prompt, as far as that is known."""
        prompt = self._prompt
        if prompt is None or not shown.startswith(prompt.rstrip()):
            return None
        if not prompt.rstrip() and (self._echoed and not self._line.edited):
            # The prompt may have come behind what was typed.
            return None
        return shown[len(prompt.rstrip()) :].strip()

    def _told(self) -> str:
        text, shown = self._line.text.strip(), self._shown
        if self._sure and self._line.pasting:
            return HIDDEN if _ASKS.search(shown) else text
        if self._sure and text and (self._echoed or text in shown):
            return text
        if self._sure and text:
            return HIDDEN
        prompt = (self._prompt or "").rstrip()
        told = shown[len(prompt) :].strip() if shown.startswith(prompt) else shown
        return told or text or HIDDEN

    def _release(self) -> None:
        self._due += self._enter
        line = self._line
        if not line.ends:
            # Perhaps it was run, and perhaps it goes on.
            self._enter = b""
            return
        if line.pasting:
            line.newline()
        else:
            continued = line.text if self._sure else self._told()
            self._carry(continued)
            line.begin()
            self._doubted = False
        self._enter, self._prompt = b"", self._prompt if line.pasting else None

    def _carry(self, text: str) -> None:
        """Remember a line that goes on in the next."""
        backslashes = len(text) - len(text.rstrip("\\"))
        carried = (self._carried + text)[:-1] if backslashes % 2 else ""
        self._carried = _BLANKS.sub(" ", carried)

    def _give_up(self) -> None:
        """Have the target forget the line; what was typed behind it is forgotten with it."""
        gone_bytes = len(self._enter) + self._left_bytes + len(self._queue)
        self.swallowed_bytes += gone_bytes - len(_INTERRUPT)
        self._due += _INTERRUPT
        self._queue.clear()
        self._pieces, self._left_bytes = None, 0
        self._enter, self.held, self._carried = b"", None, ""
        self._line.begin()
        self._line.pasting, self._doubted = False, True
