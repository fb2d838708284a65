"""Serves a client's connection layer in our own name: one session channel at a time. Sans-io.

Whoever has logged on without a target meets this: a channel with a terminal or without, on
which a line or one command is asked for. Everything else that a client may ask is refused,
and what was refused is recorded.

INVARIANT: a client is answered at most what it sent: no queue grows by its doing alone.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.packets import Message, Reader, Terminal, body_of, payload_of
from protocols.ssh.requests import asked_events, refused_open, refused_request
from recorder.events import ChannelClosed, ChannelOpened, KnownEvent, RequestRefused

OWN_NUMBER: Final = 0
"""What we call the one channel. OpenSSH's first number too: then nothing needs renumbering."""
WINDOW_BYTES: Final = 32 * 1024
"""What a client may type ahead."""
PACKET_BYTES: Final = 32 * 1024
PENDING_BYTES: Final = 1024 * 1024
"""What may wait for a client that does not read."""
MOST_VARIABLES: Final = 64
"""Of the environment, that are handed on to targets."""

_ELSEWHERE: Final = "name the target with your user name, as in alice%web01"
_HARMLESS: Final = frozenset(
    {
        *("signal", "break", "eow@openssh.com", "xon-xoff"),
        "simple@putty.projects.tartarus.org",
    }
)
"""Requests that are granted, and mean nothing here."""
_OWN: Final = packets.uint32(OWN_NUMBER)


class HostedChannel:
    """The one channel, as far as whoever carries on with it has to know."""

    def __init__(self, ident: int, request: packets.ChannelOpen) -> None:
        self.ident, self.number = ident, request.sender
        self.room_bytes = request.window_bytes
        """What the client can still take."""
        self.packet_bytes = max(1, request.packet_bytes)
        self.credit_bytes = WINDOW_BYTES
        """What the client may still send."""
        self.terminal: Terminal | None = None
        self.environment: list[bytes] = []
        """What its `env` requests held."""
        self.begun = False
        self.command: str | None = None
        self.ended = False
        """Whether the client sends nothing more."""
        self.left = False
        """Whether the client has closed it."""
        self.finished = False
        """Whether we have."""
        self.typed = bytearray()
        self.waiting = bytearray()

    @property
    def closed(self) -> bool:
        """Whether both sides have closed it."""
        return self.left and self.finished

    def write(self, data: bytes) -> list[bytes]:
        """Return the bodies that show `data`, as far as there is room; the rest waits."""
        if len(self.waiting) + len(data) > PENDING_BYTES:
            raise RemoteProtocolError("the client does not read what it asked for")
        self.waiting += data
        return self.flush()

    def flush(self) -> list[bytes]:
        """Return the bodies of what has waited and has room now."""
        bodies = []
        while self.waiting and self.room_bytes > 0 and not self.finished:
            part = bytes(self.waiting[: min(self.room_bytes, self.packet_bytes)])
            del self.waiting[: len(part)]
            self.room_bytes -= len(part)
            bodies.append(body_of(packets.channel_data(self.number, part)))
        return bodies

    def replenish(self) -> list[bytes]:
        """Return what lets the client type on, once half of what it may is used up."""
        used = WINDOW_BYTES - self.credit_bytes - len(self.typed)
        if used < WINDOW_BYTES // 2 or self.finished:
            return []
        self.credit_bytes += used
        return [body_of(packets.window_adjust(self.number, used))]

    def resized(self, rest: bytes) -> None:
        """Take another size of the terminal."""
        fields = Reader(rest)
        columns, rows = fields.uint32(), fields.uint32()
        if old := self.terminal:
            self.terminal = Terminal(old.terminal, columns, rows, old.modes)


class Heard(Struct):
    """What a burst of the client leads to."""

    answers: list[bytes]
    events: list[KnownEvent]
    passed: list[bytes]
    """For the target that the channel leads to now."""
    changed: bool = False
    """Whether something was typed, begun, resized, ended or left."""


class ChannelHost:
    """The channels of a connection that leads to no target."""

    def __init__(self) -> None:
        self.channel: HostedChannel | None = None
        self.grafted = False
        """Whether the channel leads to a target now, so that its packets pass."""
        self._opened = 0
        self._at_ms = 0
        self._handlers: dict[int, Callable[[bytes, Heard], None]] = {
            Message.GLOBAL_REQUEST: self._asked_globally,
            Message.CHANNEL_OPEN: self._open,
            Message.CHANNEL_WINDOW_ADJUST: self._adjusted,
            Message.CHANNEL_DATA: self._data,
            Message.CHANNEL_EOF: self._ended,
            Message.CHANNEL_CLOSE: self._closed,
            Message.CHANNEL_REQUEST: self._asked,
        }

    def receive(self, bodies: list[bytes], at_ms: int) -> Heard:
        """Take what the client sent; raise `RemoteProtocolError` where it misbehaves."""
        self._at_ms = at_ms
        heard = Heard([], [], [])
        for body in bodies:
            kind = body[1]
            if kind >= Message.CHANNEL_WINDOW_ADJUST:
                self._on_channel(kind, body, heard)
            elif kind in {Message.REQUEST_SUCCESS, Message.REQUEST_FAILURE}:
                if self.grafted:
                    heard.passed.append(body)
            elif handle := self._handlers.get(kind):
                handle(payload_of(body), heard)
            else:
                raise RemoteProtocolError(f"message {kind} where no channel was asked for")
        return heard

    def finish(self, status: int) -> list[bytes]:
        """Return the bodies that end the channel with an exit status."""
        channel = self.channel
        if channel is None or channel.finished:
            return []
        bodies = channel.flush()
        channel.finished = True
        number = channel.number
        if channel.left:
            self._forget()
        else:
            bodies += [
                body_of(packets.exit_status(number, status)),
                body_of(packets.channel_eof(number)),
            ]
        return [*bodies, body_of(packets.channel_close(number))]

    def drop(self) -> None:
        """Take it that both sides have closed the channel."""
        self._forget()

    # --- inside

    def _on_channel(self, kind: int, body: bytes, heard: Heard) -> None:
        if body[2:6] != _OWN or self.channel is None:
            raise RemoteProtocolError("a packet for a channel that is not open")
        if self.grafted:
            if kind == Message.CHANNEL_REQUEST:
                self._note_size(payload_of(body))
            heard.passed.append(body)
        elif handle := self._handlers.get(kind):
            handle(payload_of(body), heard)

    def _note_size(self, payload: bytes) -> None:
        request = packets.ChannelRequest.read(payload)
        if request.kind == "window-change" and self.channel:
            self.channel.resized(request.rest)

    def _asked_globally(self, payload: bytes, heard: Heard) -> None:
        request = packets.GlobalRequest.read(payload)
        if request.detail:
            heard.events.append(
                RequestRefused(
                    at_ms=self._at_ms,
                    request=request.kind,
                    detail=request.detail,
                    reason="the terminal forwards nothing",
                )
            )
        if request.want_reply:
            heard.answers.append(body_of(packets.request_failure()))

    def _open(self, payload: bytes, heard: Heard) -> None:
        request = packets.ChannelOpen.read(payload)
        refusal, code = None, packets.OpenFailure.ADMINISTRATIVELY_PROHIBITED
        if request.kind != "session":
            refusal = "the terminal forwards nothing"
        elif self.channel is not None:
            refusal, code = "one terminal at a time", packets.OpenFailure.RESOURCE_SHORTAGE
        if refusal is not None:
            heard.events.append(refused_open(self._at_ms, request, refusal))
            answer = packets.OpenRefusal(request.sender, code, f"proxyd: {refusal}")
            heard.answers.append(body_of(answer.write()))
            return
        self.channel = HostedChannel(self._opened, request)
        self._opened += 1
        heard.events.append(
            ChannelOpened(at_ms=self._at_ms, channel=self.channel.ident, kind=request.kind)
        )
        confirmation = packets.OpenConfirmation(
            request.sender, OWN_NUMBER, WINDOW_BYTES, PACKET_BYTES
        )
        heard.answers.append(body_of(confirmation.write()))

    def _asked(self, payload: bytes, heard: Heard) -> None:
        channel = self._hosted()
        request = packets.ChannelRequest.read(payload)
        refusal = self._carry_out(channel, request)
        if refusal is None:
            heard.events += asked_events(self._at_ms, channel.ident, request)
            heard.changed = True
        else:
            heard.events.append(refused_request(self._at_ms, channel.ident, request, refusal))
        if request.want_reply:
            answer = packets.channel_failure if refusal else packets.channel_success
            heard.answers.append(body_of(answer(channel.number)))

    def _carry_out(self, channel: HostedChannel, request: packets.ChannelRequest) -> str | None:
        """Do what is asked; return why not, if not."""
        kind, rest = request.kind, request.rest
        if kind in _HARMLESS:
            return None
        match kind:
            case "pty-req" if not channel.begun:
                channel.terminal = Terminal.read(rest)
            case "env":
                channel.environment = [*channel.environment, rest][:MOST_VARIABLES]
            case "shell" | "exec" if not channel.begun:
                channel.begun = True
                channel.command = Reader(rest).text() if kind == "exec" else None
            case "window-change":
                channel.resized(rest)
            case _:
                return f"the terminal has no {kind}: {_ELSEWHERE}"
        return None

    def _adjusted(self, payload: bytes, heard: Heard) -> None:
        channel = self._hosted()
        channel.room_bytes += Reader(payload, 5).uint32()
        heard.answers += channel.flush()

    def _data(self, payload: bytes, heard: Heard) -> None:
        channel = self._hosted()
        data = Reader(payload, 5).string()
        channel.credit_bytes -= len(data)
        if channel.credit_bytes < 0:
            raise RemoteProtocolError("more than the window has room for")
        channel.typed += data
        heard.changed = True

    def _ended(self, _payload: bytes, heard: Heard) -> None:
        self._hosted().ended = heard.changed = True

    def _closed(self, _payload: bytes, heard: Heard) -> None:
        channel = self._hosted()
        channel.left = channel.ended = heard.changed = True
        heard.events.append(ChannelClosed(at_ms=self._at_ms, channel=channel.ident))
        if channel.finished:
            self._forget()

    def _hosted(self) -> HostedChannel:
        if self.channel is None:
            raise RemoteProtocolError("a packet for a channel that is not open")
        return self.channel

    def _forget(self) -> None:
        self.channel = None
        self.grafted = False
