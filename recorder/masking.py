"""Keeps typed secrets out of a recording: a line that was not echoed is not stored.

SSH never tells when a terminal stops echoing, so what is typed on a channel with a
terminal is held, in memory only, until its line ends and its echo was judged. The relay
forwards every byte at once and records what this module returns, when it returns it.

A line is masked when no more than half of its keys came back within 3 s, and where a
password is asked for when no more than four fifths did: a real echo is whole, or nearly.
Unechoed runs within an echoed line are left out of it. Where it is uncertain, mask: a
masked command still shows in the output.

On the alternate screen programs draw and do not echo, so keys are kept at once, unless
what was drawn asks for a secret (sudo within tmux, pinentry).

INVARIANT: what is masked is dropped here. Neither its text nor its length nor the time of
its keys leaves this module.
"""

import re
from collections import deque
from itertools import islice
from typing import Final

from recorder.escapes import (
    alternate_screen,
    split_partial_key,
    split_partial_shown,
    visible,
    visible_pieces,
    without_keys,
)
from recorder.events import ClientData, InputMasked, KnownEvent
from recorder.typed_line import SURE_RUN_BYTES, Piece, TypedLine

HELD_LIMIT_BYTES: Final = 64 * 1024
"""What is held for a channel; beyond it, the oldest is decided as it stands."""
GRACE_MS: Final = 300
"""How long after its end a line waits for its last echoes, at least."""
AHEAD_GRACE_MS: Final = 10_000
"""How long a line that was typed ahead waits, after the last output, to be read at all."""
_TAIL_BYTES: Final = 2048
_ROW_BYTES: Final = 256
_BURST_BYTES: Final = 64
"""A longer burst is a paste: its lines are taken together."""
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_LOOK_AHEAD_LINES: Final = 16
_SPLIT_LINES: Final = 64

_LINE = re.compile(rb"([^\r\n\x03\x04\x15\x1a\x1c]*)([\r\n\x03\x04\x15\x1a\x1c]+|\Z)")
"""Keys up to what ends or discards a line: Enter, ctrl-C, -D, -U, -Z or -backslash."""
_LINE_ENDS: Final = b"\r\n\x03\x04\x15\x1a\x1c"

_ASKS: Final = (
    rb"(?i:pass\s?(?:word|phrase|wd|code)|kennwort|passwort|contrase\xc3\xb1a|mot de passe"
    rb"|\b(?:pin|otp|totp|code|token|secret|verification|2fa|mfa)\b)"
)
_PROMPT = re.compile(_ASKS + rb"[^\n]{0,60}\Z")
_PROMPT_ROW = re.compile(_ASKS + rb"[^\n]{0,60}[:?>]\s?\n")
_DRAWN_PROMPT = re.compile(
    _ASKS + rb"[^\n]{0,60}:[\s_*|]*(?:\xe2\x94\x82|x)?\s*$", re.MULTILINE
)


class Masker:
    """Decides what of one channel's typed bytes is recorded. One for each terminal."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._lines: deque[TypedLine] = deque()
        self._partial_key = b""
        self._partial_shown = b""
        self._tail = b""
        self._row = b""
        """The end of the current row as far as no line was matched to it."""
        self._alternate = False
        self._shown_ms = 0
        self._head_since_ms = 0

    @property
    def _held_bytes(self) -> int:
        return sum(line.size_bytes for line in self._lines)

    @property
    def holds(self) -> bool:
        """Whether something that was typed is not decided yet."""
        return bool(self._lines)

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` decides the oldest ended line, or None while none waits."""
        if not self._lines:
            return None
        head = self._lines[0]
        if head.ended_ms is None:
            return None
        if head.over or head.complete:
            return head.ended_ms
        if head.ahead:
            return max(self._head_since_ms, self._shown_ms, head.ended_ms) + AHEAD_GRACE_MS
        return head.ended_ms + GRACE_MS

    def typed_key(self, at_ms: int, data: bytes) -> bool:
        """Take a single key on the one line that is open; False where there is more to it.

        That is how most of what is typed comes, and each key waits for its echo.
        """
        line = self._only_open_line()
        if line is None or len(data) != 1 or data not in _PRINTABLE:
            return False
        if line.size_bytes > HELD_LIMIT_BYTES - 2 * _BURST_BYTES:
            return False
        line.add(at_ms, data, data)
        return True

    def shown_key(self, at_ms: int, data: bytes) -> bool:
        """Take the echo of a single key on the one line that is open; else False."""
        line = self._only_open_line()
        if line is None or len(data) != 1 or self._partial_shown or self._row:
            return False
        if not line.take_single_echo(at_ms, data):
            return False
        self._tail, self._shown_ms = (self._tail + data)[-_TAIL_BYTES:], at_ms
        return True

    def _only_open_line(self) -> TypedLine | None:
        lines = self._lines
        if len(lines) != 1 or self._alternate or self._partial_key:
            return None
        line = lines[0]
        return line if line.ended_ms is None and line.typed else None

    def typed(self, at_ms: int, data: bytes) -> list[KnownEvent]:
        """Take what the client sent; return what is decided now."""
        if self.typed_key(at_ms, data):
            return []
        if self._lines and self._lines[0].unechoed and self._answered():
            self._lines[0].over = True
        events = self._settle(at_ms)
        whole, self._partial_key = split_partial_key(self._partial_key + data)
        if whole:
            if self._kept_unjudged():
                self._take_unjudged(at_ms, whole)
            else:
                self._take(at_ms, whole)
        return events + self._settle(at_ms) + self._make_room(at_ms)

    def shown(self, at_ms: int, data: bytes) -> list[KnownEvent]:
        """Take what the target sent; return what is decided now."""
        if self.shown_key(at_ms, data):
            return []
        events = self._settle(at_ms)
        whole, self._partial_shown = split_partial_shown(self._partial_shown + data)
        asked = any(line.heeds_prompts for line in self._lines) and self._asks_on_row()
        self._tail = (
            whole[-_TAIL_BYTES:]
            if len(whole) >= _TAIL_BYTES
            else (self._tail + whole)[-_TAIL_BYTES:]
        )
        self._alternate = alternate_screen(whole, before=self._alternate)
        self._shown_ms = at_ms
        if not self._lines:
            self._row = b""
            return events
        self._match(at_ms, visible(whole), asked=asked)
        return events + self._settle(at_ms)

    def hidden(self) -> None:
        """Take it from the target that its terminal does not echo what was typed last.

        OpenSSH's server says so without meaning to: each write to a terminal that reads
        lines and does not echo is followed by an SSH_MSG_IGNORE as large as its echo would
        have been, so that nobody can count the keys of a password on the wire.
        """
        for line in self._lines:
            # Whole lines at once, where nothing was asked for, were typed ahead of a prompt.
            if line.typed and line.unechoed and (line.prompted or line.ended_ms is None):
                line.hidden = True

    def tick(self, at_ms: int) -> list[KnownEvent]:
        """Let time pass; return what is decided now."""
        return self._settle(at_ms)

    def flush(self, at_ms: int) -> list[KnownEvent]:
        """Decide everything that is held: the channel closes."""
        if self._partial_key:
            self._open_line().add(at_ms, self._partial_key, b"")
            self._partial_key = b""
        events: list[KnownEvent] = []
        while self._lines:
            events += self._decide_head(at_ms)
        return events

    def _answered(self) -> bool:
        """Say whether the oldest line has ended and the target has answered since."""
        ended_ms = self._lines[0].ended_ms
        return ended_ms is not None and not self._lines[0].ahead and self._shown_ms > ended_ms

    def _kept_unjudged(self) -> bool:
        if not self._alternate:
            return False
        held = self._lines and self._lines[-1].judged and self._lines[-1].ended_ms is None
        return not held and not _DRAWN_PROMPT.search(visible_pieces(self._tail))

    def _take_unjudged(self, at_ms: int, data: bytes) -> None:
        line = TypedLine(judged=False)
        line.add(at_ms, data, b"")
        line.finish(at_ms, b"")
        self._lines.append(line)
        if data[-1:] in {b"\r", b"\n"}:
            self._tail = b""

    def _take(self, at_ms: int, data: bytes) -> None:
        first = _LINE.match(data)
        if first is None or len(data) <= _BURST_BYTES or first.end() == len(data):
            self._take_lines(at_ms, data)
            return
        last = max(data.rfind(end) for end in _LINE_ENDS) + 1
        self._take_lines(at_ms, data[: first.end()])
        if last > first.end():
            self._take_block(at_ms, data[first.end() : last])
        if last < len(data):
            self._take_lines(at_ms, data[last:])

    def _take_lines(self, at_ms: int, data: bytes) -> None:
        for keys, end in _LINE.findall(data):
            if keys:
                self._open_line().add(at_ms, keys, without_keys(keys))
            if end:
                self._open_line().finish(at_ms, end)
                if self._alternate:
                    self._tail = b""

    def _take_block(self, at_ms: int, data: bytes) -> None:
        block = TypedLine(ahead=True)
        block.add(at_ms, data, without_keys(data))
        block.finish(at_ms, b"")
        block.block = True
        self._lines.append(block)

    def _open_line(self) -> TypedLine:
        if not self._lines or self._lines[-1].ended_ms is not None:
            asked = self._asks_on_row()
            self._lines.append(TypedLine(ahead=bool(self._lines) and not asked, prompted=asked))
        return self._lines[-1]

    def _asks_on_row(self) -> bool:
        """Say whether a secret is asked for where the cursor is."""
        if self._alternate:
            return bool(_DRAWN_PROMPT.search(visible_pieces(self._tail)))
        return bool(_PROMPT.search(visible(self._tail).rpartition(b"\n")[2]))

    def _match(self, at_ms: int, new: bytes, *, asked: bool) -> None:
        """Match `new` output to the lines that wait; `asked`: a secret, on its first row."""
        shown, fresh = self._row + new, len(self._row)
        position, index = 0, 0
        waiting: list[TypedLine] = []
        while index < len(self._lines) and position < len(shown):
            line = self._lines[index]
            if line.block and line.waits:
                position = self._match_block(
                    index, shown, max(position, fresh), alone=not waiting
                )
                continue
            index += 1
            if not line.waits:
                continue
            line.expire(at_ms)
            asked = asked and shown.find(b"\n", fresh, position) < 0
            if waiting:
                position = _match_later(line, shown, position, waiting)
            else:
                position = self._match_first(line, shown, (position, fresh), asked=asked)
            if not line.complete and not line.over:
                waiting.append(line)
            if len(waiting) > _LOOK_AHEAD_LINES:
                break
        self._row = shown[max(position, shown.rfind(b"\n") + 1) :][-_ROW_BYTES:]

    def _match_block(self, index: int, shown: bytes, start: int, *, alone: bool) -> int:
        """Match pasted lines to output that is just their text, else take them apart."""
        block = self._lines[index]
        if alone:
            start += block.match_straight(shown, start)
        if block.waits and start < len(shown):
            self._split(index)
        return start

    def _match_first(
        self, line: TypedLine, shown: bytes, starts: tuple[int, int], *, asked: bool
    ) -> int:
        """Match the oldest waiting line; return where in `shown` that ends.

        A line that was typed while the target waited for it is echoed on the row it was
        typed on. One that was typed ahead may come rows later, but not behind the row of a
        prompt for a secret: that prompt read it.
        """
        position, fresh = starts
        own_row = asked or not line.ahead
        if asked and line.unechoed:
            line.prompted = True
        if not own_row:
            return _match_ahead(line, shown, position, fresh)
        start, end, row_end = max(position, fresh), len(shown), 0
        if line.ended_ms is not None:
            row_end = shown.find(b"\n", start) + 1
            end = row_end or end
        found = line.match_whole(shown, start, end)
        if found < 0:
            found = line.match_keys(shown, start, end)
        if line.complete or not row_end:
            return max(found, position)
        line.over = True
        return row_end

    def _split(self, index: int) -> None:
        """Take the first lines of a block apart: its echo is not just its text."""
        block = self._lines[index]
        at_ms, raw = block.pieces()[0]
        lines, offset, taken_bytes = list[TypedLine](), 0, 0
        for found in islice(_LINE.finditer(raw), _SPLIT_LINES):
            keys, end = found.groups()
            line, text = TypedLine(ahead=True), without_keys(keys)
            line.add(at_ms, keys, text)
            line.take_marks(block.marks(offset, len(text)))
            line.finish(at_ms, end)
            offset += len(text) + len(without_keys(end))
            taken_bytes = found.end()
            lines += [line] if keys or end else []
        if taken_bytes < len(raw):
            lines.append(block.rest_of_block(raw[taken_bytes:], offset))
        before = [self._lines.popleft() for _ in range(index + 1)][:-1]
        self._lines.extendleft(reversed(before + lines))

    def _settle(self, at_ms: int) -> list[KnownEvent]:
        """Decide the oldest lines, as long as they can be decided."""
        events: list[KnownEvent] = []
        while (deadline_ms := self.deadline_ms) is not None and deadline_ms <= at_ms:
            events += self._decide_head(at_ms)
        return events

    def _make_room(self, at_ms: int) -> list[KnownEvent]:
        events: list[KnownEvent] = []
        while self._held_bytes > HELD_LIMIT_BYTES:
            head = self._lines[0]
            echoed = head.take_echoed()
            if echoed:
                events += [self._kept(at_ms, piece) for piece in echoed]
                continue
            events += self._decide_head(at_ms)
            if head.ended_ms is None:
                rest = TypedLine(prompted=head.prompted)
                rest.mask_told, rest.hidden = head.mask_told, head.hidden
                self._lines.append(rest)
        return events

    def _decide_head(self, at_ms: int) -> list[KnownEvent]:
        line = self._lines.popleft()
        self._head_since_ms = at_ms
        kept, masked = line.verdict()
        events: list[KnownEvent] = []
        if masked and not line.mask_told:
            line.mask_told = True
            events.append(InputMasked(at_ms=at_ms, channel=self._channel))
        return events + [self._kept(at_ms, piece) for piece in kept]

    def _kept(self, at_ms: int, piece: Piece) -> ClientData:
        typed_ms, data = piece
        held_ms = max(0, at_ms - typed_ms)
        return ClientData(at_ms=at_ms, channel=self._channel, data=data, held_ms=held_ms)


def _match_ahead(line: TypedLine, shown: bytes, position: int, fresh: int) -> int:
    """Match a line that was typed ahead, unless the row of a prompt comes before its echo."""
    found = line.match_whole(shown, position, len(shown), unless=_PROMPT_ROW)
    if found >= 0:
        return found
    asking = _PROMPT_ROW.search(shown, position)
    if asking:
        line.over = True
        return asking.end()
    if line.ended_ms is None:
        return line.match_keys(shown, max(position, fresh), len(shown))
    return position


def _match_later(line: TypedLine, shown: bytes, position: int, waiting: list[TypedLine]) -> int:
    """Match a line behind lines that still wait: only its whole text says theirs is over."""
    if line.waiting_bytes < SURE_RUN_BYTES:
        return position
    found = line.match_whole(shown, position, len(shown))
    if found < 0:
        return position
    for earlier in waiting:
        earlier.over = True
    waiting.clear()
    return found
