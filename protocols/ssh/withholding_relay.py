"""A packet relay that may end a channel in both sides' names, or let a command wait on it.

How that is done. When, says who extends it.

INVARIANT: nothing that a client sends on a channel reaches the target before the command that
waits there. It is kept, and taken as if it came when that is decided: run, or recorded alone.
"""

from collections.abc import Iterator
from typing import Final

from protocols.ssh import packets
from protocols.ssh.channels import Channel, Out, Side
from protocols.ssh.commands.waiting import Waiting
from protocols.ssh.packet_relay import PacketRelay
from protocols.ssh.packets import Message, Reader, body_of, payload_of
from protocols.ssh.requests import refused_request

_ADJUST, _DATA = int(Message.CHANNEL_WINDOW_ADJUST), int(Message.CHANNEL_DATA)
_CLOSE, _REQUEST = int(Message.CHANNEL_CLOSE), int(Message.CHANNEL_REQUEST)
_KEPT: Final = frozenset(
    {_DATA, int(Message.CHANNEL_EXTENDED_DATA), int(Message.CHANNEL_EOF), _REQUEST, _CLOSE}
)
"""What follows a command. Room that the client grants, and answers, do not belong to it."""
_INTERRUPT: Final = b"\x03"
_CANNOT_RUN: Final = 126
"""The status by which a shell says that it may not run a command."""
_LENT_BYTES: Final = 1024
"""More than somebody types who waits."""
_GIVEN_UP: Final = "not run: given up before somebody approved it"
_OVER: Final = "not run: the session has ended before somebody approved it"


class WithholdingRelay(PacketRelay):
    """The channels of one session, some of which may be shut or wait."""

    def finish(self) -> None:
        """Record how the channels that are still open ended."""
        self._at_ms = self._sink.at_ms()
        for channel in self._channels[Side.CLIENT].values():
            if channel.waiting:
                self._drop(channel, channel.waiting, _OVER)
        super().finish()

    # --- for whoever extends it

    def _shut(
        self, channel: Channel, request: packets.ChannelRequest, why: str, out: Out
    ) -> None:
        """End a channel on which something else was to be run, in both sides' names.

        A mere refusal would leave the user without a reason: clients show none.
        """
        if request.want_reply:
            number = channel.numbers[Side.CLIENT]
            out.to[Side.CLIENT].append(body_of(packets.channel_success(number)))
        self._end(channel, why, out)

    def _end(self, channel: Channel, why: str, out: Out) -> None:
        number, to_client = channel.numbers[Side.CLIENT], out.to[Side.CLIENT]
        to_client += self._notice_on(channel, f"proxyd: {why}")
        to_client += [
            body_of(packets.exit_status(number, _CANNOT_RUN)),
            body_of(packets.channel_eof(number)),
            body_of(packets.channel_close(number)),
        ]
        out.to[Side.TARGET].append(body_of(packets.channel_close(channel.numbers[Side.TARGET])))
        channel.shut, channel.guard, channel.becoming = True, None, None

    def _unless_shut(self, side: Side, bodies: list[bytes]) -> list[bytes]:
        """Leave out what comes on channels that were shut, but for its close."""
        channels = self._channels[side.other]
        return [
            body
            for body in bodies
            if body[1] < _ADJUST
            or body[1] == _CLOSE
            or (channel := channels.get(body[2:6])) is None
            or not channel.shut
        ]

    def _unless_waiting(self, bodies: list[bytes], out: Out) -> list[bytes]:
        """Keep what the client sends behind a command that waits; return the rest.

        Who closes the channel, or types control-C, wants it no more.
        """
        passed = []
        for body in bodies:
            channel = self._channels[Side.TARGET].get(body[2:6]) if body[1] in _KEPT else None
            waiting = channel.waiting if channel else None
            if channel is None or waiting is None:
                passed.append(body)
            elif body[1] == _CLOSE:
                self._drop(channel, waiting, _GIVEN_UP)
                passed.append(body)
            else:
                waiting.keep(body)
                if channel.terminal and not waiting.asked and _interrupts(body):
                    self._refuse(channel, waiting, _GIVEN_UP, out)
        return self._unless_shut(Side.CLIENT, passed)

    def _lend_room(self, channel: Channel, waiting: Waiting, out: Out) -> None:
        """Let somebody type who has no room yet to give it up."""
        if channel.terminal and not channel.offered_bytes:
            waiting.lent_bytes = _LENT_BYTES
            lent = packets.window_adjust(channel.numbers[Side.CLIENT], _LENT_BYTES)
            out.to[Side.CLIENT].append(body_of(lent))

    def _approve(self, channel: Channel, waiting: Waiting, out: Out) -> None:
        """Ask the target for what waits."""
        waiting.asked = True
        if self._granted(Side.CLIENT, channel, waiting.request):
            out.to[Side.TARGET].append(body_of(waiting.request.write()))

    def _refuse(self, channel: Channel, waiting: Waiting, why: str, out: Out) -> None:
        """Answer what waits with why it is not run."""
        self._drop(channel, waiting, why)
        self._shut(channel, waiting.request, why, out)

    def _paid_back(self, bodies: list[bytes]) -> list[bytes]:
        """Return what the target sends, less the room that the client was lent before."""
        passed = []
        for body in bodies:
            channel = self._channels[Side.CLIENT].get(body[2:6]) if body[1] == _ADJUST else None
            if channel:
                granted_bytes = Reader(payload_of(body), 5).uint32()
                channel.offered_bytes += granted_bytes
                if channel.waiting and channel.waiting.lent_bytes:
                    passed += _less(channel, channel.waiting, granted_bytes)
                    continue
            passed.append(body)
        return passed

    def _take_kept(self, channel: Channel) -> list[bytes]:
        """Return what came behind a command, once the target may have it."""
        waiting = channel.waiting
        if waiting is None or not waiting.asked or waiting.lent_bytes:
            return []
        channel.waiting = None
        return waiting.take()

    # --- inside

    def _drop(self, channel: Channel, waiting: Waiting, why: str) -> None:
        """Record what waits, and what came behind it, as what never reaches the target."""
        channel.waiting = None
        if not waiting.asked:
            refused = refused_request(self._at_ms, channel.ident, waiting.request, why)
            self._events.append(refused)
        super().receive(Side.CLIENT, [body for body in waiting.take() if body[1] == _DATA])

    def _confirmed(self, side: Side, payload: bytes, out: Out) -> bool:
        passes = super()._confirmed(side, payload, out)
        if side is Side.TARGET:
            answer = packets.OpenConfirmation.read(payload)
            channel = self._channels[side][packets.uint32(answer.sender)]
            channel.offered_bytes = answer.window_bytes
        return passes

    def _closed(self, side: Side, payload: bytes, out: Out) -> bool:
        channel = self._channel(side, packets.uint32(Reader(payload, 1).uint32()))
        # Of a channel that was shut, both sides have got their close.
        return super()._closed(side, payload, out) and not channel.shut


def parts(bodies: list[bytes]) -> Iterator[list[bytes]]:
    """Divide a burst behind each request: what follows may have to wait for it."""
    start = 0
    for at, body in enumerate(bodies, 1):
        if body[1] == _REQUEST:
            yield bodies[start:at]
            start = at
    if start < len(bodies):
        yield bodies[start:]


def _less(channel: Channel, waiting: Waiting, granted_bytes: int) -> list[bytes]:
    paid_bytes = min(waiting.lent_bytes, granted_bytes)
    waiting.lent_bytes -= paid_bytes
    if paid_bytes == granted_bytes:
        return []
    number = channel.numbers[Side.CLIENT]
    return [body_of(packets.window_adjust(number, granted_bytes - paid_bytes))]


def _interrupts(body: bytes) -> bool:
    return body[1] == _DATA and _INTERRUPT in Reader(payload_of(body), 5).string()
