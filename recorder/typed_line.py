"""One typed line, which of its keys were echoed, and what of it may be kept.

Keys are matched to output in order. Work is by slices, so that a paste of megabytes costs
no loop over its bytes.
"""

import re
from itertools import compress
from typing import Final

ECHO_WINDOW_MS: Final = 3000
"""A key that is not shown by then was not echoed."""
SURE_RUN_BYTES: Final = 4
"""So much contiguous text proves an echo of a line that was typed ahead."""
_SURE_ANYWHERE_BYTES: Final = 8
"""The same for a line that was not typed ahead, whose echo need not be looked for."""
_NEAR_BYTES: Final = 4
"""A single key counts as echoed only this close to the start of a burst of output: an echo
leads its burst, after a redrawn key or two."""
_LOOK_AHEAD_BYTES: Final = 16
"""Unechoed keys (of a pager, say) that an echoed one may come behind."""
_KEPT_SHARE: Final = 0.5
_KEPT_SHARE_AT_PROMPT: Final = 0.8
"""A line is kept if more of it was echoed. Real echoes are whole, or nearly; output of other
programs, which comes while a password is typed, looks like an echo of some of it."""

_BURST_OVERHEAD_BYTES: Final = 64
"""What remembering a burst costs beside its bytes, roughly."""

_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))
_LONE_MARK = re.compile(rb"(?<!\x01)\x01(?!\x01)")
_ECHOED_FROM_SOME_KEY_ON = re.compile(rb"\x00+\x01{3,}\Z")
_ECHOED_BEHIND_A_SECRET = re.compile(rb"\x00+\x01{5,}\Z")
_UNECHOED = re.compile(rb"\A\x00+|\x00{4,}")

Piece = tuple[int, bytes]
"""When it was typed, in ms, and what."""


class TypedLine:
    """The keys of one line, or the whole lines of one paste (`block`)."""

    __slots__ = (
        "_bursts",
        "_cursor",
        "_expired",
        "_marked_bytes",
        "_marks",
        "_text",
        "ahead",
        "block",
        "end",
        "ended_ms",
        "hidden",
        "judged",
        "mask_told",
        "over",
        "prompted",
        "size_bytes",
    )

    def __init__(
        self, *, ahead: bool = False, prompted: bool = False, judged: bool = True
    ) -> None:
        self.ahead = ahead
        """Typed before the line before it was decided: its echo may come rows later."""
        self.prompted = prompted
        """Typed where a secret was asked for."""
        self.judged = judged
        self.hidden = False
        """The target itself has said that it was not echoed.

        What was typed ahead is hidden as well, and then drawn in full by the next prompt.
        """
        self.block = False
        self.mask_told = False
        """A former piece of this line was masked, and that was recorded."""
        self.over = False
        """Its row is over: no echo of it can come any more."""
        self.end = b""
        self.ended_ms: int | None = None
        self.size_bytes = 0
        self._bursts: list[tuple[int, bytes, int]] = []
        self._text = bytearray()
        self._marks = bytearray()
        self._marked_bytes = 0
        self._cursor = 0
        self._expired = 0
        """How many bursts were typed too long ago."""

    @property
    def heeds_prompts(self) -> bool:
        """Whether it matters to this line that a secret is being asked for."""
        return self.waits and (self.ahead or not self._marked_bytes)

    @property
    def complete(self) -> bool:
        """Whether nothing of it waits for an echo."""
        return not self.judged or self._marked_bytes == len(self._text)

    @property
    def waits(self) -> bool:
        """Whether an echo can still come, and is wanted."""
        return not self.over and not self.complete

    @property
    def typed(self) -> bool:
        """Whether it has printable keys and is to be judged."""
        return self.judged and bool(self._text)

    @property
    def unechoed(self) -> bool:
        """Whether keys were typed and none was echoed."""
        return bool(self._text) and not self._marked_bytes

    @property
    def waiting_bytes(self) -> int:
        """How many printable bytes an echo can still come for."""
        return len(self._text) - self._cursor

    def add(self, at_ms: int, raw: bytes, text: bytes) -> None:
        """Take keys: the bytes that were sent, and the printable ones among them."""
        self._text += text
        self._marks += bytes(len(text))
        self._bursts.append((at_ms, raw, len(self._text)))
        self.size_bytes += len(raw) + _BURST_OVERHEAD_BYTES

    def finish(self, at_ms: int, end: bytes) -> None:
        """Take the key that ends the line."""
        self.end, self.ended_ms = end, at_ms
        self.size_bytes += len(end)

    def expire(self, now_ms: int) -> None:
        """Give up on keys that were typed too long ago."""
        if self.ahead:
            return
        while self._expired < len(self._bursts):
            at_ms, _, text_end = self._bursts[self._expired]
            if at_ms >= now_ms - ECHO_WINDOW_MS:
                break
            self._expired += 1
            self._cursor = max(self._cursor, text_end)

    def take_single_echo(self, now_ms: int, shown: bytes) -> bool:
        """Take `shown` if it is the echo of the one key that waits, in an echoed line."""
        typed_ms, _, text_end = self._bursts[-1]
        if not (self._marked_bytes and text_end == len(self._text) == self._cursor + 1):
            return False
        if now_ms - typed_ms > ECHO_WINDOW_MS or not self._text.endswith(shown):
            return False
        self._mark(self._cursor, 1)
        return True

    def match_straight(self, shown: bytes, start: int) -> int:
        """Match the next keys to the very start of `shown[start:]`; return how many bytes."""
        size = common_prefix(self._text, self._cursor, shown, start)
        self._mark(self._cursor, size)
        return size

    def match_whole(
        self, shown: bytes, start: int, end: int, *, unless: re.Pattern[bytes] | None = None
    ) -> int:
        """Match all that waits, as one run anywhere; return where it ends, or -1.

        A short rest of an ended line must reach up to the newline, else it proves nothing.
        Nor does what stands behind a match of `unless`.
        """
        rest = bytes(self._text[self._cursor :])
        needle = rest if len(rest) >= SURE_RUN_BYTES else rest + b"\n"
        if not rest or (self.ended_ms is None and needle is not rest):
            return -1
        found = shown.find(needle, start, end)
        if found < 0 or (unless and unless.search(shown, start, found)):
            return -1
        far = found > start + _NEAR_BYTES and not self.ahead
        if far and (self.prompted or len(rest) < _SURE_ANYWHERE_BYTES):
            return -1
        self._mark(self._cursor, len(rest))
        found += len(rest)
        return found + (self.ended_ms is not None and shown.startswith(b"\n", found, end))

    def match_keys(self, shown: bytes, start: int, end: int) -> int:
        """Match keys in order near the start of `shown[start:end]`; return where that ends."""
        matched_end, limit = start, start + _NEAR_BYTES
        position = start
        while position < min(end, limit):
            key = self._text.find(
                shown[position : position + 1],
                self._cursor,
                self._cursor + _LOOK_AHEAD_BYTES,
            )
            if key < 0:
                position += 1
                continue
            size = common_prefix(self._text, key, shown[:end], position)
            self._mark(key, size)
            position += size
            matched_end = position
            if size > 1:
                limit = position + _NEAR_BYTES
        return matched_end

    def _mark(self, start: int, size: int) -> None:
        self._marks[start : start + size] = b"\x01" * size
        self._marked_bytes += size
        self._cursor = start + size

    def marks(self, start: int, size: int) -> bytes:
        """Return which of `size` printable bytes were echoed, a byte for each."""
        return bytes(self._marks[start : start + size])

    def take_marks(self, marks: bytes) -> None:
        """Take over what a block that this line was part of knew about its echo."""
        self._marks[:] = marks
        self._marked_bytes = marks.count(1)
        self._cursor = marks.rfind(1) + 1

    def rest_of_block(self, raw: bytes, start: int) -> "TypedLine":
        """Return a block of `raw`, the end of this one, whose text begins at `start`."""
        rest = TypedLine(ahead=True)
        rest.block = True
        rest.add(self._bursts[0][0], raw, bytes(self._text[start:]))
        rest.take_marks(bytes(self._marks[start:]))
        rest.finish(self.ended_ms or 0, b"")
        return rest

    def take_echoed(self) -> list[Piece]:
        """Hand out the bursts up to the first unechoed key; the rest of the line stays."""
        echoed_bytes = self._marks.find(0)
        if echoed_bytes < 0:
            echoed_bytes = len(self._marks)
        count = 0
        while count < len(self._bursts) and self._bursts[count][2] <= echoed_bytes:
            count += 1
        taken, rest = self._bursts[:count], self._bursts[count:]
        if taken:
            gone_bytes = taken[-1][2]
            self._bursts = [(at_ms, raw, end - gone_bytes) for at_ms, raw, end in rest]
            del self._text[:gone_bytes], self._marks[:gone_bytes]
            self._marked_bytes -= gone_bytes
            self._cursor = max(0, self._cursor - gone_bytes)
            self._expired = max(0, self._expired - count)
            self.size_bytes -= sum(len(raw) + _BURST_OVERHEAD_BYTES for _, raw, _ in taken)
        return [(at_ms, raw) for at_ms, raw, _ in taken]

    def pieces(self) -> list[Piece]:
        """Return everything that was typed, the line's end apart."""
        return [(at_ms, raw) for at_ms, raw, _ in self._bursts]

    def verdict(self) -> tuple[list[Piece], bool]:
        """Return what may be kept, oldest first, and whether something was masked."""
        if self.complete:
            return self._with_end(self.pieces()), False
        if self.hidden:
            return self._with_end([]), True
        marks = bytes(self._marks)
        if len(marks) > 2:  # noqa: PLR2004 - a lone key among others is a coincidence.
            marks = _LONE_MARK.sub(b"\x00", marks)
        if self._is_secret(marks):
            return self._with_end([]), True
        masked = [found.span() for found in _UNECHOED.finditer(marks)]
        kept, text_start = list[Piece](), 0
        for at_ms, raw, text_end in self._bursts:
            if not any(start < text_end and text_start < end for start, end in masked):
                kept.append((at_ms, raw))
            text_start = text_end
        return self._with_end(kept), bool(masked)

    def _is_secret(self, marks: bytes) -> bool:
        echoed = _key_count(bytes(compress(self._text, marks))) if self._marked_bytes else 0
        keys = _key_count(self._text)
        share, parted = _KEPT_SHARE, _ECHOED_FROM_SOME_KEY_ON
        if self.prompted:
            share, parted = _KEPT_SHARE_AT_PROMPT, _ECHOED_BEHIND_A_SECRET
        # Unechoed keys of a pager, or a PIN read without Enter, and then an echoed command:
        # the runs part them.
        return echoed <= keys * share and not parted.match(marks)

    def _with_end(self, kept: list[Piece]) -> list[Piece]:
        if not self.end:
            return kept
        ended_ms = self.ended_ms or 0
        if kept and kept[-1][0] == ended_ms:
            kept[-1] = (ended_ms, kept[-1][1] + self.end)
            return kept
        return [*kept, (ended_ms, self.end)]


def _key_count(text: bytes | bytearray) -> int:
    """Return how many keys made `text`: a character of UTF-8 is one."""
    return len(text.translate(None, _CONTINUATIONS))


def common_prefix(one: bytes | bytearray, at: int, other: bytes, start: int) -> int:
    """Return how many bytes of `one[at:]` and `other[start:]` are the same."""
    size = min(len(one) - at, len(other) - start)
    if one[at : at + size] == other[start : start + size]:
        return size
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        if one[at + low : at + middle] == other[start + low : start + middle]:
            low = middle
        else:
            high = middle
    return low
