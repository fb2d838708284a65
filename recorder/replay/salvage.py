"""A recording read on behind what is missing of it, as a desktop can be: it is drawn anew.

Where chunks are missing or damaged comes a `RecordingGap`, though nobody recorded it, and
behind that, where the store kept it, what was shown as a later chunk opened.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from recorder.chunk import Chunk, check_follows, decode
from recorder.errors import CorruptChunkError
from recorder.events import Event, KnownEvent, RecordingGap
from recorder.replay.timeline import known


class WithState(Protocol):
    """A chunk's bytes, with what reading it needs."""

    @property
    def encoded(self) -> bytes:
        """The chunk, as it was shipped."""
        ...

    @property
    def data_key(self) -> bytes:
        """Unwrapped; empty where it cannot be had, and for chunks of format 1."""
        ...

    @property
    def state(self) -> bytes:
        """Behind a hole: what `comprehend` left of the chunk before, if that was kept."""
        ...


class Resumed(Struct, frozen=True):
    """Behind a gap: what is known of the session again."""

    at_ms: int
    state: bytes
    """What `recorder.replay.comprehend` reads."""


class Piece(Struct, frozen=True):
    """A chunk that can be read."""

    chunk: Chunk
    events: list[Event]
    gap: RecordingGap | None = None
    """Stands for what is missing right before it."""
    state: bytes = b""
    """What `WithState.state` says, behind a gap."""


class Salvage:
    """What can be read of one session, from the first chunk to the last."""

    def __init__(self, chunks: Iterable[WithState]) -> None:
        self._chunks = chunks
        self.broken: str | None = None
        """What is missing first; None while nothing is known to be."""

    def pieces(self) -> Iterator[Piece]:
        """Yield each chunk that can be read."""
        previous: Chunk | None = None
        last_ms, lack = 0, ""
        for stored in self._chunks:
            try:
                chunk = decode(stored.encoded, stored.data_key)
                events = chunk.unpack()
            except CorruptChunkError as error:
                lack = lack or self._lack(previous, error)
                continue
            try:
                check_follows(chunk, previous)
            except CorruptChunkError as error:
                lack = lack or self._lack(previous, error)
            gap, first_ms = None, chunk.header.first_ms
            if lack:
                gap = RecordingGap(at_ms=max(first_ms, last_ms), from_ms=last_ms, reason=lack)
            yield Piece(chunk, events, gap, stored.state)
            previous, last_ms, lack = chunk, chunk.header.last_ms, ""
        if lack:
            return
        if previous is None:
            self.broken = "nothing was stored"
        elif previous.header.end_reason is None and self.broken is None:
            self.broken = f"chunk {previous.header.sequence} is the last, and not the end"

    def events(self) -> Iterator[KnownEvent | Resumed]:
        """Yield the events that this version knows, and what stands for those missing."""
        for piece in self.pieces():
            if piece.gap is not None:
                yield piece.gap
            if piece.state:
                yield Resumed(piece.chunk.header.first_ms, piece.state)
            yield from known(piece.events)

    def _lack(self, previous: Chunk | None, error: CorruptChunkError) -> str:
        where = "at its beginning"
        if previous is not None:
            where = f"behind chunk {previous.header.sequence}"
        lack = f"{where}: {error}"
        self.broken = self.broken or lack
        return lack


def recorded(events: Iterable[KnownEvent | Resumed]) -> Iterator[KnownEvent]:
    """Leave out what was never recorded, save for gaps."""
    for event in events:
        if not isinstance(event, Resumed):
            yield event
