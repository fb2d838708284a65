"""Stored chunks, read back in order.

Reading is a stream: one chunk is held at a time, however long the recording is. It
ends at the first chunk that is missing or damaged, because what comes behind a hole
has lost its beginning; `Recording.broken` then says where and why.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from recorder.chunk import Chunk, check_follows, decode
from recorder.errors import CorruptChunkError
from recorder.events import (
    ChannelId,
    ClientData,
    Event,
    KnownEvent,
    TargetData,
    TargetErrorData,
    UnknownEvent,
)

WINDOW_MS = 30_000
"""How late typed keys may be recorded and still find their place: a long pause at a prompt."""
WINDOW_BYTES = 16 * 1024 * 1024
"""How much output is held back for them; a torrent of it is not somebody typing."""

_EVENT_BYTES = 200
"""What an event weighs in memory beside its data."""


class WithKey(Protocol):
    """A chunk's bytes, and the session's data key."""

    @property
    def encoded(self) -> bytes:
        """The chunk, as it was shipped."""
        ...

    @property
    def data_key(self) -> bytes:
        """Unwrapped; empty where it cannot be had, and for chunks of format 1."""
        ...


class Recording:
    """The chunks of one session, as the store hands them out: from the first, in order."""

    def __init__(self, chunks: Iterable[WithKey]) -> None:
        self._chunks = chunks
        self.broken: str | None = None
        """Why reading ended before the end of the session; None while it has not."""

    def chunks(self) -> Iterator[Chunk]:
        """Yield each chunk that follows the one before it, up to the first that does not."""
        previous: Chunk | None = None
        try:
            for stored in self._chunks:
                chunk = decode(stored.encoded, stored.data_key)
                check_follows(chunk, previous)
                yield chunk
                previous = chunk
        except CorruptChunkError as error:
            where = "at its beginning"
            if previous is not None:
                where = f"behind chunk {previous.header.sequence}"
            self.broken = f"{where}: {error}"
            return
        if previous is None:
            self.broken = "nothing was stored"
        elif previous.header.end_reason is None:
            self.broken = f"chunk {previous.header.sequence} is the last, and not the end"

    def recorded(self) -> Iterator[Event]:
        """Yield every event in recorded order, kinds that this version lacks included."""
        for chunk in self.chunks():
            try:
                events = chunk.unpack()
            except CorruptChunkError as error:
                self.broken = f"in chunk {chunk.header.sequence}: {error}"
                return
            yield from events

    def events(self) -> Iterator[KnownEvent]:
        """Yield the events that this version knows, in recorded order."""
        return known(self.recorded())


def known(events: Iterable[Event]) -> Iterator[KnownEvent]:
    """Leave out the kinds that this version lacks."""
    for event in events:
        if not isinstance(event, UnknownEvent):
            yield event


def placed(events: Iterable[KnownEvent]) -> Iterator[KnownEvent]:
    """Yield `events` by the time they happened: typed keys come when they were typed.

    A key is recorded when it is known to be no password, `held_ms` after it was typed.
    Keys of one channel keep their order, and so does everything that is no key. One
    that was held for longer than the window comes as early as it still can.
    """
    window = _Window()
    for event in events:
        window.push(event)
        yield from window.pop()
    yield from window.drain()


class _Window:
    """The last thirty seconds, in which a late key may still find its place."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, KnownEvent]] = []
        self._pushed = 0
        self._bytes = 0
        self._now_ms = 0
        self._yielded_ms = 0
        self._typed_ms: dict[ChannelId, int] = {}

    def push(self, event: KnownEvent) -> None:
        """Put `event` in its place."""
        self._now_ms = max(self._now_ms, event.at_ms)
        if isinstance(event, ClientData):
            event = self._as_typed(event)
        heapq.heappush(self._waiting, (event.at_ms, self._pushed, event))
        self._pushed += 1
        self._bytes += _weight(event)

    def pop(self) -> Iterator[KnownEvent]:
        """Yield what no later event can precede any more."""
        while self._waiting and (
            self._bytes > WINDOW_BYTES or self._waiting[0][0] < self._now_ms - WINDOW_MS
        ):
            yield self._next()

    def drain(self) -> Iterator[KnownEvent]:
        """Yield the rest."""
        while self._waiting:
            yield self._next()

    def _next(self) -> KnownEvent:
        at_ms, _, event = heapq.heappop(self._waiting)
        self._bytes -= _weight(event)
        self._yielded_ms = at_ms
        return event

    def _as_typed(self, event: ClientData) -> ClientData:
        at_ms = max(
            event.at_ms - event.held_ms,
            self._typed_ms.get(event.channel, 0),
            self._yielded_ms,
        )
        self._typed_ms[event.channel] = at_ms
        return msgspec.structs.replace(event, at_ms=at_ms, held_ms=0)


def _weight(event: KnownEvent) -> int:
    data = event.data if isinstance(event, ClientData | TargetData | TargetErrorData) else b""
    return _EVENT_BYTES + len(data)
