"""Inflates MPPC with a history of 64 KiB ([MS-RDPBCGR] 3.1.8.4.2, RFC 2118).

Any PDU may refer to what the ones before it left in the history, so they are inflated in
sequence. Behind a gap in a recording the history is unknown until the sender writes at its
front again, at the latest after 64 KiB; what refers to anything unknown is not inflated.
"""

from typing import Final, Protocol

import zstandard
from msgspec import Struct

from recorder.errors import MalformedPduError

COMPRESSED: Final = 0x20
"""PACKET_COMPRESSED."""
_AT_FRONT: Final = 0x40
_FLUSHED: Final = 0x80
_TYPE: Final = 0x0F
_TYPE_64K: Final = 1
_SIZE: Final = 65536
_MASK: Final = _SIZE - 1
_MATCH, _LARGE_LITERAL = 0xC0, 0x80
_NEAR, _NEARER, _NEAREST = 0xE0, 0xF0, 0xF8
"""How the codes begin: see the table in [MS-RDPBCGR] 3.1.8.4.2.2.1."""
_SHORTEST_CODE_BITS: Final = 8
_REFILL_BITS: Final = 64
"""More than the longest code has: 5 + 16 for an offset, 15 + 15 for a length."""
_LONGEST_LENGTH_BITS: Final = 15


HISTORY_BYTES: Final = _SIZE


class Unpacker(Protocol):
    """Does what `_unpack` does, and faster; it cannot tell what is known from what is not."""

    history: memoryview
    """All of it, zeroes at first; for one direction of one session."""

    def unpack(self, data: bytes, at: int) -> int:
        """Write what `data` says from `at` on; return where that ends.

        Raises `MalformedPduError`.
        """
        ...


class BulkState(Struct, array_like=True):
    """What one direction remembers."""

    history: bytes = b""
    """As far as it is known, from its front; zstd."""
    at: int | None = 0
    """Where the sender writes next; None behind a gap."""
    gapless: bool = True
    """Whether nothing is missing since the sender began it."""
    known_bytes: int = 0
    """Of the history, before it was packed."""


class UnknownHistoryError(MalformedPduError):
    """It refers to what the recording lacks."""


class Inflater:
    """One direction of a session."""

    def __init__(
        self, state: BulkState | None = None, unpacker: Unpacker | None = None
    ) -> None:
        state = state or BulkState()
        known = _restored(state.history)
        self._unpacker = unpacker
        self._history = memoryview(bytearray(_SIZE)) if unpacker is None else unpacker.history
        self._history[: len(known)] = known
        self._known = len(known)
        self._at = state.at if state.at is None else min(max(state.at, 0), self._known)
        self._gapless = state.gapless and len(known) == state.known_bytes

    def state(self) -> BulkState:
        """Return what the next chunk needs."""
        known = bytes(self._history[: self._known])
        packed = zstandard.ZstdCompressor(level=1).compress(known)
        return BulkState(packed, self._at, self._gapless, self._known)

    def lose(self) -> None:
        """Note a gap: nothing of the history is known any more."""
        self._at, self._known, self._gapless = None, 0, False

    def inflate(self, data: memoryview, flags: int) -> bytes | memoryview:
        """Return what `data` was before compression.

        Raises `MalformedPduError` where it is none, `UnknownHistoryError` behind a gap.
        """
        if flags & _FLUSHED:
            self._at = self._known = 0
            self._history[:] = bytes(_SIZE)
            self._gapless = True
        elif flags & _AT_FRONT:
            self._at = 0
        if not flags & COMPRESSED:
            return data
        if flags & _TYPE != _TYPE_64K:
            raise MalformedPduError(f"compression of type {flags & _TYPE} was not agreed")
        if self._at is None:
            raise UnknownHistoryError("it refers to what is missing from the recording")
        start = self._at
        try:
            if self._unpacker is not None and self._gapless:
                self._at = self._unpacker.unpack(bytes(data), start)
            else:
                self._at = _unpack(bytes(data), self._history, self._known, start)
        except MalformedPduError:
            # Sender and reader are apart from here on, as behind a gap.
            self.lose()
            raise
        self._known = max(self._known, self._at)
        return bytes(self._history[start : self._at])


def _unpack(  # noqa: C901, PLR0912, PLR0915
    data: bytes, history: memoryview, known: int, at: int
) -> int:
    """Write what `data` says from `at` on; return where that ends.

    One function, because it is the innermost loop of every compressed session.
    """
    bits = held = place = 0
    size = len(data)
    while True:
        if held < _REFILL_BITS and place < size:
            more = data[place : place + 8]
            place += 8
            bits = (bits & ((1 << held) - 1)) << 8 * len(more) | int.from_bytes(more, "big")
            held += 8 * len(more)
        if held < _SHORTEST_CODE_BITS:
            return at
        top = bits >> (held - 8) & 0xFF
        if top < _MATCH:
            if top < _LARGE_LITERAL:
                held -= 8
            else:
                held -= 9
                if held < 0:
                    return at
                top = 0x80 | (bits >> held & 0x7F)
            if at >= _SIZE:
                raise MalformedPduError("it does not fit into the history")
            history[at] = top
            at += 1
            continue
        if top >= _NEAREST:
            held -= 11
            offset = bits >> max(held, 0) & 0x3F
        elif top >= _NEARER:
            held -= 13
            offset = 64 + (bits >> max(held, 0) & 0xFF)
        elif top >= _NEAR:
            held -= 15
            offset = 320 + (bits >> max(held, 0) & 0x7FF)
        else:
            held -= 19
            offset = 2368 + (bits >> max(held, 0) & 0xFFFF)
        length, length_bits = 3, 1
        while held > 0 and bits >> (held - 1) & 1:
            held -= 1
            length_bits += 1
        held -= 1
        if length_bits > 1:
            held -= length_bits
            length = 1 << length_bits | (bits >> max(held, 0) & ((1 << length_bits) - 1))
        if held < 0 or length_bits > _LONGEST_LENGTH_BITS:
            raise MalformedPduError("a match is cut off")
        if at + length > _SIZE:
            raise MalformedPduError("it does not fit into the history")
        at = _copied(history, known, at, offset, length)


def _restored(history: bytes) -> bytes:
    if not history:
        return b""
    try:
        return zstandard.ZstdDecompressor().decompress(history, max_output_size=_SIZE)[:_SIZE]
    except zstandard.ZstdError:
        return b""


def _copied(history: memoryview, known: int, at: int, offset: int, length: int) -> int:
    """Repeat what stands `offset` before `at`; return the place behind it."""
    end = at + length
    source = at - offset
    if source >= 0 and offset >= length:
        history[at:end] = history[source : source + length]
        return end
    if source >= 0 and offset:
        # It repeats itself: what is copied is copied again.
        piece = bytes(history[source:at])
        history[at:end] = (piece * (length // offset + 1))[:length]
        return end
    # Behind the place of writing stands what was written before the last return to the front.
    source &= _MASK
    if not offset or min(source + length, _SIZE) > known or source + length - _SIZE > at:
        raise UnknownHistoryError("it refers to what was never written")
    history[at:end] = (bytes(history[source:]) + bytes(history[:length]))[:length]
    return end
