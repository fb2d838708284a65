"""A channel that asyncssh serves on both legs: two sessions, each feeding the other.

INVARIANT: a byte is recorded before it is written to the other leg.
INVARIANT: how a command ended is passed on after the last byte of its output.

Backpressure: a half whose own channel cannot send stops the other half from reading, so a
slow peer fills a window and no memory of ours beyond it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import asyncssh
import structlog

from protocols.ssh.channels import Channel, Side
from recorder.events import Stream

WINDOW_BYTES = 1024 * 1024
"""What a peer may send ahead on one channel."""
PACKET_BYTES = 32 * 1024

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class ByteChannel(Protocol):
    """What is used of asyncssh's channels."""

    def write(self, data: bytes, datatype: int | None = None) -> None:
        """Send, or queue to be sent."""
        ...

    def write_eof(self) -> None:
        """Say that no more data comes."""
        ...

    def close(self) -> None:
        """Send what is queued, then close."""
        ...

    def pause_reading(self) -> None:
        """Deliver nothing more."""
        ...

    def resume_reading(self) -> None:
        """Deliver again."""
        ...

    def get_write_buffer_size(self) -> int:
        """Return how much is queued, in bytes."""
        ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when writing is paused and resumed."""
        ...


class Tap(Protocol):
    """What a pair asks of its relay."""

    def carries(self, channel: Channel, stream: Stream, data: bytes) -> bool:
        """Record `data`; say whether it may be forwarded."""
        ...

    def closed(self, pair: "Pair") -> None:
        """Both halves of `pair` are gone."""
        ...


class Half:
    """One end of a pair: what asyncssh calls a session."""

    def __init__(self, pair: "Pair", side: Side) -> None:
        self.pair, self.side = pair, side
        self.chan: Any = None
        """A `ByteChannel`, once it is open."""
        self.started = False
        self.said_all = False
        """Whether this end sends no more data."""
        self._pauses: set[str] = set()
        self._later: list[Callable[[ByteChannel], None]] = []
        self._when_flushed: Callable[[], None] | None = None

    @property
    def peer(self) -> "Half":
        """The half on the other leg."""
        return self.pair.halves[self.side.other]

    def do(self, act: Callable[[Any], None]) -> None:
        """Do something with the channel, now or as soon as it has started."""
        if not self.started:
            self._later.append(act)
            return
        try:
            act(self.chan)
        except OSError as error:
            # It was closed in the meantime: what crossed is recorded, nobody takes it.
            _log.debug("channel.gone", side=self.side.name, error=str(error))

    def pause(self, reason: str) -> None:
        """Read no more until `resume` was called with the same reason."""
        self._pauses.add(reason)
        if self.chan:
            self.chan.pause_reading()

    def resume(self, reason: str) -> None:
        """Take one reason away; read on when none is left."""
        if reason in self._pauses:
            self._pauses.discard(reason)
            if self.chan and not self._pauses:
                self.chan.resume_reading()

    def after_flush(self, act: Callable[[], None]) -> None:
        """Do something once everything written was sent."""
        if not self.chan.get_write_buffer_size():
            act()
            return
        self._when_flushed = act
        self.chan.set_write_buffer_limits(high=0)

    # --- what asyncssh calls

    def connection_made(self, chan: Any) -> None:  # noqa: ANN401 - one of asyncssh's channels
        """Take the channel; nothing is written to it before `session_started`."""
        self.chan = chan
        if self._pauses:
            chan.pause_reading()

    def session_started(self) -> None:
        """Do what had to wait for this."""
        self.started = True
        later, self._later = self._later, []
        for act in later:
            self.do(act)
        self.peer.resume("starting")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Record, then forward."""
        peer = self.peer
        if not self.pair.tap.carries(self.pair.channel, self._stream(datatype), data):
            return
        if not peer.started:
            self.pause("starting")
        peer.do(lambda chan: chan.write(data, datatype))

    def eof_received(self) -> bool:
        """Pass the end on; the other direction goes on."""
        self.said_all = True
        self.peer.do(lambda chan: chan.write_eof())
        return True

    def pause_writing(self) -> None:
        """Slow the other leg down."""
        self.peer.pause("peer")

    def resume_writing(self) -> None:
        """Let the other leg go on, or do what waited for the last byte."""
        act, self._when_flushed = self._when_flushed, None
        if act:
            act()
        else:
            self.peer.resume("peer")

    def connection_lost(self, _error: Exception | None) -> None:
        """Close the other half too."""
        self.pair.left(self.side)

    def _stream(self, datatype: int | None) -> Stream:
        if self.side is Side.CLIENT:
            return Stream.CLIENT
        return Stream.TARGET if datatype is None else Stream.TARGET_ERROR


class ForwardHalf(Half, asyncssh.SSHTCPSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """An end of a forwarded connection."""


class Pair:
    """Both halves of a channel."""

    def __init__(self, channel: Channel, tap: Tap) -> None:
        self.channel, self.tap = channel, tap
        self.halves: tuple[Half, Half] = (
            ForwardHalf(self, Side.CLIENT),
            ForwardHalf(self, Side.TARGET),
        )
        self.gone: set[Side] = set()
        self.ended: Callable[[Any], None] = lambda chan: chan.close()
        """Tells the user's channel how it ended, and closes it."""

    def left(self, side: Side) -> None:
        """Take note that the half on `side` is gone."""
        if side in self.gone:
            return
        self.gone.add(side)
        other = self.halves[side.other]
        if len(self.gone) == len(Side):
            self.tap.closed(self)
        elif side is Side.TARGET:
            # A quick command is over before the user's half has started: its status waits too.
            other.do(lambda _chan: other.after_flush(lambda: other.do(self.ended)))
        else:
            other.do(lambda chan: chan.close())
