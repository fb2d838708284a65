"""The channels of one session: numbers, windows, waiting answers, and what is captured."""

import enum
import hashlib
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from msgspec import Struct

from protocols.ssh.becoming import Becoming
from protocols.ssh.commands.rules import Found
from protocols.ssh.commands.waiting import Waiting
from protocols.ssh.files import Ledger
from recorder.events import (
    CaptureTruncated,
    ChannelClosed,
    ClientData,
    KnownEvent,
    Stream,
    StreamDigested,
    TargetData,
    TargetErrorData,
)
from recorder.masking import Masker

_FROM_CLIENT = Stream.CLIENT

ANSWERS_LIMIT: Final = 1024
"""Requests on one channel that may wait for an answer; PuTTY pipelines some dozens."""
FORWARDS_LIMIT: Final = 256
"""Forwarded connections, agents and X clients at a time on one connection."""
PENDING_LIMIT: Final = 64
"""Channels that may wait to be confirmed."""


class Side(enum.IntEnum):
    """A leg, and the direction of what it sends."""

    CLIENT = 0
    TARGET = 1

    @property
    def other(self) -> "Side":
        """The leg across."""
        return Side.TARGET if self is Side.CLIENT else Side.CLIENT


class Limits(Struct, frozen=True, kw_only=True):
    """What one connection may have."""

    sessions: int = 10
    capture_bytes: int = 16 * 1024 * 1024

    def crowded(self, kind: str, waiting: list[str], standing: list[str]) -> bool:
        """Say whether a channel of `kind` is one too many, beside those of these kinds."""
        kinds = waiting + standing
        sessions = kinds.count("session")
        if kind == "session":
            crowded = sessions >= self.sessions
        else:
            crowded = len(kinds) - sessions >= FORWARDS_LIMIT
        return crowded or len(waiting) >= PENDING_LIMIT


class Out:
    """What a burst leads to: bodies for either leg, in order."""

    __slots__ = ("to",)

    def __init__(self) -> None:
        self.to: tuple[list[bytes], list[bytes]] = ([], [])

    def add(self, later: "Out") -> None:
        """Take what something else has led to, behind this."""
        for to, more in zip(self.to, later.to, strict=True):
            to.extend(more)


class Answer(enum.Enum):
    """What a request that wants an answer waits for."""

    PEER = enum.auto()
    """The peer's own answer, which passes."""
    TERMINAL = enum.auto()
    """The peer's answer to `pty-req`, which also decides how the channel is captured."""
    REFUSAL = enum.auto()
    """Ours, in the peer's name, once it is this request's turn."""


class Capture:
    """One stream of a channel without a terminal: what of it is kept.

    Bytes are kept until `limit_bytes`, if there is a limit; then an event says so, and only
    the count and the SHA-256 of the whole stream go on.
    """

    __slots__ = (
        "_hash",
        "_kept_bytes",
        "_limit_bytes",
        "channel",
        "keeping",
        "size_bytes",
        "stream",
    )

    def __init__(self, channel: int, stream: Stream, limit_bytes: int | None) -> None:
        self.channel, self.stream = channel, stream
        self.size_bytes = 0
        self.keeping = True
        self._kept_bytes = 0
        self._limit_bytes = limit_bytes
        self._hash = hashlib.sha256()

    def digest(self, data: bytes | memoryview) -> None:
        """Count `data` and take it into the digest."""
        self._hash.update(data)
        self.size_bytes += len(data)

    def keep(self, at_ms: int, data: bytes) -> list[KnownEvent]:
        """Return the events that keep `data`, which was digested before."""
        if not self.keeping:
            return []
        kept_before, limit = self._kept_bytes, self._limit_bytes
        if limit is None or kept_before + len(data) <= limit:
            self._kept_bytes += len(data)
            return [event_of(self.stream, at_ms, self.channel, data)]
        self.keeping = False
        part = data[: limit - kept_before]
        events = [event_of(self.stream, at_ms, self.channel, part)] if part else []
        cut = CaptureTruncated(
            at_ms=at_ms, channel=self.channel, stream=self.stream, kept_bytes=limit
        )
        return [*events, cut]

    def close(self, at_ms: int) -> list[KnownEvent]:
        """Return what is known of the whole stream."""
        if not self.size_bytes:
            return []
        digested = StreamDigested(
            at_ms=at_ms,
            channel=self.channel,
            stream=self.stream,
            size_bytes=self.size_bytes,
            sha256=self._hash.digest(),
        )
        return [digested]


def event_of(stream: Stream, at_ms: int, channel: int, data: bytes) -> KnownEvent:
    """Return the event that holds `data`."""
    return _EVENT_OF[stream](at_ms=at_ms, channel=channel, data=data)


_EVENT_OF: Final[dict[Stream, type[ClientData | TargetData | TargetErrorData]]] = {
    Stream.CLIENT: ClientData,
    Stream.TARGET: TargetData,
    Stream.TARGET_ERROR: TargetErrorData,
}


class Guarding(Protocol):
    """Judges what the client sends on a channel: what goes on, later or never."""

    found: list[Found]
    """What was decided, since somebody looked."""
    swallowed_bytes: int
    """What the client sent and the target will not get, since somebody looked."""

    @property
    def held(self) -> Found | None:
        """What waits for somebody's approval."""
        ...

    @property
    def waits(self) -> bool:
        """Whether time decides."""
        ...

    def typed(self, at_ms: int, data: bytes) -> None:
        """Take what the client sent."""
        ...

    def shown(self, at_ms: int, data: bytes) -> None:
        """Take what the target sent."""
        ...

    def take(self) -> bytes:
        """Return what may go on to the target now."""
        ...

    def take_answer(self) -> bytes:
        """Return what the client is to get in the target's name."""
        ...

    def tick(self, at_ms: int) -> None:
        """Let time pass."""
        ...

    def finish(self, at_ms: int) -> None:
        """Judge what can be judged now: the client has said all."""
        ...

    def resolve(self, at_ms: int, *, approved: bool) -> None:
        """Let what waits for approval go on, or not."""
        ...

    def resize(self, columns: int) -> None:
        """Take the terminal's width."""
        ...


class Channel:
    """An open channel. `numbers[side]` is what that side calls it."""

    def __init__(
        self,
        ident: int,
        kind: str,
        numbers: tuple[int, int],
        files_bytes: int | None = None,
    ) -> None:
        self.ident, self.kind, self.numbers = ident, kind, numbers
        self._files_bytes = files_bytes
        """What is kept of it if it carries files; None: what is kept of any."""
        self.offered_bytes = 0
        """What the target has granted so far, where that counts: with a guard."""
        self.room_bytes = 0
        """What the client can still take: its window less what was sent to it."""
        self.debt_bytes = 0
        """What we wrote ourselves, to be withheld from the target's window."""
        self.packet_bytes = 0
        """The most the client takes in one packet."""
        self.terminal = False
        """Whether the client asked for a terminal; taken back when none was granted."""
        self.terminal_granted = False
        self.masker: Masker | None = None
        self.ledger: Ledger | None = None
        self.begun = False
        """Whether something was started on it, where that counts: with a guard."""
        self.shut = False
        """Whether both sides were told that it is closed, and neither had said so."""
        self.guard: Guarding | None = None
        """Where the secret says what may be run, or copied: what judges that."""
        self.ended = False
        """Whether the client has said all, where that counts: with a guard."""
        self.end_waits = False
        """Whether the target is yet to hear of that: a line before it waits."""
        self.waiting: Waiting | None = None
        """A command that is not asked for until somebody approves it."""
        self.becoming: Becoming | None = None
        """Where the secret becomes somebody else: how far that is."""
        self.captures: dict[Stream, Capture] = {}
        self.answers: tuple[list[Answer], list[Answer]] = ([], [])
        """By the side that asked, oldest first. No deques: an empty one takes 760 bytes."""
        self.closed_by: set[Side] = set()

    def grant(self, size_bytes: int) -> int:
        """Take room that the client grants; return how much of it the target may have."""
        self.room_bytes += size_bytes
        withheld = min(self.debt_bytes, size_bytes)
        self.debt_bytes -= withheld
        return size_bytes - withheld

    def spend(self, text: bytes) -> bytes:
        """Return as much of our own `text` as the client can take now, and owe it."""
        fitting = text[: max(0, min(self.room_bytes, self.packet_bytes))]
        self.room_bytes -= len(fitting)
        self.debt_bytes += len(fitting)
        return fitting

    def capture(self, stream: Stream, limit_bytes: int | None) -> Capture:
        """Return the capture of `stream`, made when it first carries something."""
        capture = self.captures.get(stream)
        if self.ledger and self._files_bytes is not None:
            limit_bytes = self._files_bytes
        if capture is None:
            capture = self.captures[stream] = Capture(self.ident, stream, limit_bytes)
        return capture

    def without_terminal(self, at_ms: int) -> list[KnownEvent]:
        """Take back what `pty-req` assumed: the target has refused every one."""
        masker, self.masker, self.terminal = self.masker, None, False
        return list(masker.flush(at_ms)) if masker else []

    def close(self, at_ms: int) -> list[KnownEvent]:
        """Return the last events: what is held, the ledger, the digests, the close."""
        events: list[KnownEvent] = []
        if self.masker:
            events += self.masker.flush(at_ms)
        if self.ledger:
            events += self.ledger.close(at_ms)
        for capture in self.captures.values():
            events += capture.close(at_ms)
        return [*events, ChannelClosed(at_ms=at_ms, channel=self.ident)]


class Judge:
    """Has what is typed on a session's terminals decided, behind the bursts."""

    def __init__(self, channels: Mapping[bytes, Channel]) -> None:
        self._channels = channels
        self._waiting: list[tuple[Masker, Stream, bytes]] = []

    def later(self, masker: Masker, stream: Stream, data: bytes) -> None:
        """Take what crossed a terminal, to be looked at by `decide`."""
        self._waiting.append((masker, stream, data))

    def glance(self, at_ms: int) -> bool:
        """Look at what crossed if that was nothing or a single key; False if it was more.

        Nothing is decided by a key alone, and nobody has to be told of time passing.
        """
        if len(self._waiting) != 1:
            return not self._waiting
        masker, stream, data = self._waiting[0]
        take = masker.typed_key if stream is _FROM_CLIENT else masker.shown_key
        if not take(at_ms, data):
            return False
        self._waiting.clear()
        return True

    def decide(self, at_ms: int) -> list[KnownEvent]:
        """Look at what crossed, in order; return what is decided now."""
        events: list[KnownEvent] = []
        waiting, self._waiting = self._waiting, []
        for masker, stream, data in waiting:
            look = masker.typed if stream is _FROM_CLIENT else masker.shown
            events += look(at_ms, data)
        return events

    def tick(self, at_ms: int) -> list[KnownEvent]:
        """Let time pass; return what is decided now."""
        return [event for masker in self._maskers() for event in masker.tick(at_ms)]

    @property
    def waits(self) -> bool:
        """Whether a typed line waits for its echo."""
        return any(masker.deadline_ms is not None for masker in self._maskers())

    def hidden(self) -> None:
        """Take it from the target that a terminal is silent; it does not tell which."""
        holding = [masker for masker in self._maskers() if masker.holds]
        if len(holding) == 1:
            holding[0].hidden()

    def _maskers(self) -> Iterator[Masker]:
        return (each.masker for each in self._channels.values() if each.masker)
