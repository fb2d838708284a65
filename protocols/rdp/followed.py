"""Channels that are looked into: what of them crosses, and what is recorded of it. Sans-io.

Whoever follows a channel takes it piece by piece, and says what goes on in place of each. He
may answer the target himself, in place of the client, who then hears nothing of it.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct, field

from protocols.rdp.wire import mcs
from recorder.events import ChannelRefused, KnownEvent
from recorder.ports import EventSink

_MOST_TOLD: Final = 256
"""Of what was refused, so that it is told once."""


class Passed(Struct):
    """What becomes of a piece."""

    onward: list[bytes]
    back: list[bytes] = field(default_factory=list)
    """Pieces for the target, in answer to its own."""
    events: list[KnownEvent] = field(default_factory=list)
    """What is recorded before any of it goes on."""


class Followed(Protocol):
    """Follows one channel."""

    def take(self, at_ms: int, data: bytes, /, *, from_client: bool) -> Passed:
        """Take the next piece; raise `RemoteProtocolError` where it makes no sense."""
        ...

    def end(self, at_ms: int, /) -> list[KnownEvent]:
        """Return what is to be said of what was under way; the target is gone."""
        ...


class Refusals:
    """What was not let through of a channel: told once a kind."""

    def __init__(self, channel_name: str) -> None:
        self._name = channel_name
        self._told: set[str] = set()

    def tell(self, at_ms: int, detail: str) -> list[KnownEvent]:
        """Return what is to be recorded of it."""
        if detail in self._told:
            return []
        if len(self._told) < _MOST_TOLD:
            self._told.add(detail)
        reason = "not allowed"
        return [ChannelRefused(at_ms=at_ms, kind=self._name, detail=detail, reason=reason)]


class FollowedChannels:
    """Those of one session, by the client's numbers."""

    def __init__(self, channels: Mapping[int, Followed], sink: EventSink) -> None:
        self.numbers = frozenset(channels)
        self._channels, self._sink = channels, sink

    def crossing(self, packet: bytes, *, from_client: bool) -> tuple[list[bytes], list[bytes]]:
        """Take a packet in the client's numbers, of one of these channels.

        Return the packets that go on in its place, and what is sent back to the target: the
        channel data alone. Raises `RemoteProtocolError`, and `RecordingLostError`.
        """
        sent = mcs.read_sent(packet)
        data = packet[sent.offset :]
        followed = self._channels[sent.channel]
        passed = followed.take(self._sink.at_ms(), data, from_client=from_client)
        if passed.events:
            self._sink.record(passed.events)
        if passed.onward == [data]:
            return [packet], passed.back
        send = mcs.send_request if from_client else mcs.send_indication
        onward = [send(sent.initiator, sent.channel, piece) for piece in passed.onward]
        return onward, passed.back

    def end(self) -> None:
        """Record what was under way; raise `RecordingLostError`."""
        at_ms = self._sink.at_ms()
        events = [event for one in self._channels.values() for event in one.end(at_ms)]
        if events:
            self._sink.record(events)
