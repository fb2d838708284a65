"""Leads a client's channel that is open already to a target that was dialled just now. Sans-io.

The packet relay lets numbers and windows pass unchanged. Here the client has its number and
its window from us, so a channel is opened at the target *in the client's name*: under the
client's own number and with what room the client has left. What the target sends then fits
as it is; what the client sends gets the target's number, which is four bytes. The two windows
towards the target differ until the target has granted as much as we had, and what does not
fit meanwhile waits here: it is at most what we let the client type ahead.

`to_target` and `to_client` stand between the client and the relay, which sees nothing but an
ordinary client.

INVARIANT: towards the target never more is sent than it granted, nor is the client promised
more than it may send on.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.packets import ChannelRequest, Message, Reader, body_of, payload_of
from protocols.ssh.terminal.hosted_channel import HostedChannel

_DATA, _ERROR_DATA = int(Message.CHANNEL_DATA), int(Message.CHANNEL_EXTENDED_DATA)
_ADJUST = int(Message.CHANNEL_WINDOW_ADJUST)
_SIGNALLED: Final = 128
"""As a shell counts: the status of what a signal has ended is above it."""


class Graft:
    """One launch on one channel."""

    def __init__(
        self, channel: HostedChannel, *, lasts: bool, command: str | None = None
    ) -> None:
        """`lasts` says that the client's channel goes on when the target's ends.

        `command` is what runs there; None: a shell.
        """
        self._channel, self._lasts, self._command = channel, lasts, command
        self._number = b""
        """The target's, once it has one."""
        self._held: deque[bytes] = deque()
        """What the client sent and the target has no room for, or no number yet."""
        self._held_bytes = 0
        self._room_bytes = 0
        """What the target can still take."""
        self._packet_bytes = 1
        self._due: list[bytes] = []
        self._closes = False
        """Whether we have closed the channel in the client's name."""
        self._owed = 0
        """Answers of the target to what we asked in the client's name."""
        self.over = False
        """Whether the target's channel is closed, or was never opened."""
        self.status: int | None = None
        """How what ran on the target ended."""
        self.refusal = ""
        """Why the target opened nothing."""
        self._takers: dict[int, Callable[[bytes, list[bytes]], None]] = {
            Message.CHANNEL_EXTENDED_DATA: self._errors,
            Message.CHANNEL_WINDOW_ADJUST: self._adjusted,
            Message.CHANNEL_OPEN_CONFIRMATION: self._opened,
            Message.CHANNEL_OPEN_FAILURE: self._not_opened,
            Message.CHANNEL_REQUEST: self._asked,
            Message.CHANNEL_EOF: self._ended,
            Message.CHANNEL_CLOSE: self._closed,
        }
        if channel.typed:
            self._hold(body_of(packets.channel_data(0, bytes(channel.typed))))
            channel.typed.clear()
        if channel.ended:
            self._held.append(body_of(packets.channel_eof(0)))

    def begin(self) -> list[bytes]:
        """Return what opens the channel at the target."""
        channel = self._channel
        opening = packets.session_open(
            channel.number, max(0, channel.room_bytes), channel.packet_bytes
        )
        return [body_of(opening)]

    def take_due(self) -> list[bytes]:
        """Return what is to be sent to the target in the client's name now."""
        due, self._due = self._due, []
        return due

    # --- from the client

    def to_target(self, bodies: list[bytes]) -> list[bytes]:
        """Return what the relay is to be told of what the client sent."""
        passed: list[bytes] = []
        for body in bodies:
            kind = body[1]
            if kind == _DATA:
                self._typed(body, passed)
            elif kind < _ADJUST:
                passed.append(body)
            elif kind == _ERROR_DATA:
                raise RemoteProtocolError("a client that writes to standard error")
            else:
                self._controlled(kind, body, passed)
        return passed

    def _typed(self, body: bytes, passed: list[bytes]) -> None:
        size = _size(body)
        self._channel.credit_bytes -= size
        if self._channel.credit_bytes < 0:
            raise RemoteProtocolError("more than the window has room for")
        if self._held or size > self._room_bytes or size > self._packet_bytes:
            self._hold(body)
            self._release(passed)
        else:
            self._room_bytes -= size
            passed.append(self._numbered(body))

    def _controlled(self, kind: int, body: bytes, passed: list[bytes]) -> None:
        channel = self._channel
        if kind == _ADJUST:
            channel.room_bytes += Reader(body, 6).uint32()
        elif kind == Message.CHANNEL_CLOSE:
            channel.left = True
        elif kind == Message.CHANNEL_EOF:
            channel.ended = True
        last = kind in {Message.CHANNEL_EOF, Message.CHANNEL_CLOSE}
        if not self._number or (last and self._held):
            self._held.append(body)
        else:
            passed.append(self._numbered(body))

    def _hold(self, body: bytes) -> None:
        self._held.append(body)
        self._held_bytes += _size(body)

    def _release(self, passed: list[bytes]) -> None:
        """Send on what there is room for now, in order."""
        while self._held and self._number:
            body = self._held[0]
            if body[1] != _DATA:
                passed.append(self._numbered(self._held.popleft()))
                continue
            size = _size(body)
            part_bytes = min(size, self._room_bytes, self._packet_bytes)
            if part_bytes <= 0 and size:
                return
            self._held.popleft()
            self._room_bytes -= part_bytes
            self._held_bytes -= part_bytes
            data = Reader(payload_of(body), 5).string()
            number = int.from_bytes(self._number, "big")
            passed.append(body_of(packets.channel_data(number, data[:part_bytes])))
            if rest := data[part_bytes:]:
                self._held.appendleft(body_of(packets.channel_data(number, rest)))

    def _numbered(self, body: bytes) -> bytes:
        if body[2:6] == self._number:
            return body
        return body[:2] + self._number + body[6:]

    # --- from the target

    def to_client(self, bodies: list[bytes]) -> list[bytes]:
        """Return what the client is to be sent of what the relay passes on."""
        shown: list[bytes] = []
        for body in bodies:
            kind = body[1]
            if kind == _DATA:
                self._channel.room_bytes -= int.from_bytes(body[6:10], "big")
                shown.append(body)
            else:
                self._told(kind, body, shown)
        return shown

    def _told(self, kind: int, body: bytes, shown: list[bytes]) -> None:
        if kind in {Message.CHANNEL_SUCCESS, Message.CHANNEL_FAILURE} and self._owed:
            self._answered(kind)
        elif take := self._takers.get(kind):
            take(body, shown)
        else:
            shown.append(body)

    def _errors(self, body: bytes, shown: list[bytes]) -> None:
        self._channel.room_bytes -= int.from_bytes(body[10:14], "big")
        shown.append(body)

    def _adjusted(self, body: bytes, shown: list[bytes]) -> None:
        self._granted(Reader(body, 6).uint32(), shown)

    def _not_opened(self, body: bytes, _shown: list[bytes]) -> None:
        self.refusal = packets.OpenRefusal.read(payload_of(body)).reason
        self.over = True

    def _ended(self, body: bytes, shown: list[bytes]) -> None:
        if not self._stays:
            shown.append(body)

    @property
    def _stays(self) -> bool:
        return self._lasts and not self._channel.left

    def _opened(self, body: bytes, shown: list[bytes]) -> None:
        answer = packets.OpenConfirmation.read(payload_of(body))
        self._number = packets.uint32(answer.sender)
        self._packet_bytes = max(1, answer.packet_bytes)
        asks = [("env", rest, False) for rest in self._channel.environment]
        if self._channel.terminal:
            asks.append(("pty-req", self._channel.terminal.write(), True))
        if self._command is None:
            asks.append(("shell", b"", True))
        else:
            asks.append(("exec", packets.string(self._command.encode()), True))
        self._owed = sum(want_reply for _, _, want_reply in asks)
        self._due += [
            body_of(ChannelRequest(answer.sender, kind, want_reply, rest).write())
            for kind, rest, want_reply in asks
        ]
        self._granted(answer.window_bytes, shown)

    def _answered(self, kind: int) -> None:
        self._owed -= 1
        if not self._owed and kind == Message.CHANNEL_FAILURE:
            self.refusal, self._lasts = "the target starts no shell", True
            self._close()

    def _granted(self, size_bytes: int, shown: list[bytes]) -> None:
        """Take room that the target grants, and let the client have what is new of it."""
        self._room_bytes += size_bytes
        self._release(self._due)
        new_bytes = self._room_bytes - self._held_bytes - self._channel.credit_bytes
        if new_bytes > 0:
            self._channel.credit_bytes += new_bytes
            shown.append(body_of(packets.window_adjust(self._channel.number, new_bytes)))

    def _asked(self, body: bytes, shown: list[bytes]) -> None:
        request = ChannelRequest.read(payload_of(body))
        match request.kind:
            case "exit-status":
                self.status = Reader(request.rest).uint32()
            case "exit-signal":
                self.status = _SIGNALLED
        # What ends on the target does not end here: nor may the client stop sending, as
        # `eow@openssh.com` would have it do.
        if request.want_reply or not self._stays:
            shown.append(body)

    def _closed(self, body: bytes, shown: list[bytes]) -> None:
        self.over = True
        if self._stays:
            self._close()
            return
        shown.append(body)
        self._channel.finished = True

    def _close(self) -> None:
        """Close the channel in the client's name, once."""
        if not self._closes:
            self._closes = True
            self._due.append(body_of(packets.channel_close(self._target_number)))

    def give_back(self) -> None:
        """Let what the target never took be typed at our own line."""
        for body in self._held:
            if body[1] == _DATA:
                self._channel.typed += Reader(payload_of(body), 5).string()
        self._held.clear()

    @property
    def _target_number(self) -> int:
        return int.from_bytes(self._number, "big")


def _size(body: bytes) -> int:
    return int.from_bytes(body[6:10], "big")
