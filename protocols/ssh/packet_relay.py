"""The hot path: looks at each packet, records, and says what goes on to the other leg.

Sans-io: bursts of packet bodies and the time come in, bodies to send come out. Channel
numbers and windows pass through unchanged, so every kind of channel works as it does
without us. Only what policy has to see is parsed: opens, requests, closes.

INVARIANT: what is forwarded was recorded before: one write for the burst.
INVARIANT: answers reach each side in the order of its requests, ours among the peer's.
INVARIANT: a byte that we put into a channel is withheld from the target's window later.
"""

from collections.abc import Callable

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import (
    ANSWERS_LIMIT,
    Answer,
    Channel,
    Judge,
    Limits,
    Out,
    Side,
    event_of,
)
from protocols.ssh.files import ledger_for
from protocols.ssh.packets import Message, Reader, body_of, payload_of
from protocols.ssh.requests import GlobalAsks, asked_events, refused_open, refused_request
from recorder.events import ChannelOpened, KnownEvent, NoticeShown, Stream
from recorder.masking import Masker
from recorder.ports import EventSink
from recorder.session_info import RecordingTerms

_DATA, _ERROR_DATA = int(Message.CHANNEL_DATA), int(Message.CHANNEL_EXTENDED_DATA)
_ADJUST, _EOF = int(Message.CHANNEL_WINDOW_ADJUST), int(Message.CHANNEL_EOF)
_ADJUST_BYTES = 10
_CLIENT, _TARGET = Side.CLIENT, Side.TARGET
_FROM_CLIENT, _FROM_TARGET = Stream.CLIENT, Stream.TARGET
_FROM_TARGET_ERROR = Stream.TARGET_ERROR
# Each member of an enum that is named by its class costs a look-up in the class: a key
# waits for a dozen of them.


class PacketRelay:
    """The channels of one session, between its two legs."""

    def __init__(
        self, policy: ChannelPolicy, terms: RecordingTerms, limits: Limits, sink: EventSink
    ) -> None:
        self._policy, self._terms, self._limits, self._sink = policy, terms, limits, sink
        self._capture_limit = None if terms.capture == "full" else limits.capture_bytes
        self._channels: tuple[dict[bytes, Channel], dict[bytes, Channel]] = ({}, {})
        """By the number that a packet to this side carries."""
        self._of_sender = (self._channels[_TARGET], self._channels[_CLIENT])
        """The same, by the side that sends the packet."""
        self._pending: tuple[dict[int, packets.ChannelOpen], dict[int, packets.ChannelOpen]]
        self._pending = ({}, {})
        """By the side that opens, and its number."""
        self._globals = GlobalAsks(policy)
        self._handlers: dict[int, Callable[[Side, bytes, Out], bool]] = {
            Message.CHANNEL_OPEN: self._open,
            Message.CHANNEL_OPEN_CONFIRMATION: self._confirmed,
            Message.CHANNEL_OPEN_FAILURE: self._not_opened,
            Message.CHANNEL_REQUEST: self._asked,
            Message.CHANNEL_SUCCESS: self._answered,
            Message.CHANNEL_FAILURE: self._answered,
            Message.CHANNEL_CLOSE: self._closed,
            Message.GLOBAL_REQUEST: self._asked_globally,
            Message.REQUEST_SUCCESS: self._answered_globally,
            Message.REQUEST_FAILURE: self._answered_globally,
        }
        self._opened = 0
        self._events: list[KnownEvent] = []
        self._judge = Judge(self._channels[Side.TARGET])
        self._run: list[bytes] = []
        self._run_of: tuple[Channel, Stream] | None = None
        self._at_ms = 0
        self._typed = False
        self.active_ms = 0
        """When data last crossed, in session time."""
        self.heard_ms = 0
        """When the target last sent anything, in session time."""

    def receive(self, side: Side, bodies: list[bytes]) -> Out:
        """Take what `side` sent; return what to send. All of it is recorded on return.

        Raises `RemoteProtocolError` where the peer misbehaves, `RecordingLostError` where
        the recording cannot be kept; nothing of the burst may be forwarded then.
        """
        self._at_ms = self._sink.at_ms()
        out = Out()
        if side is _TARGET:
            self.heard_ms = self._at_ms
            forward = out.to[_CLIENT]
        else:
            forward = out.to[_TARGET]
        for body in bodies:
            kind = body[1]
            if kind in (_DATA, _ERROR_DATA):
                self._data(side, body, kind)
                forward.append(body)
            elif kind == _ADJUST and side is _CLIENT:
                forward += self._adjusted(body)
            elif kind in (_ADJUST, _EOF):
                self._channel(side, body[2:6])
                forward.append(body)
            else:
                self._end_run()
                self._events += self._judge.decide(self._at_ms)
                if self._control(side, kind, payload_of(body), out):
                    forward.append(body)
        self._record()
        return out

    def judge(self) -> bool:
        """Decide about what was typed, once the burst is on its way; record what is decided.

        Typed keys are recorded when their echo is known, so nobody has to wait for this.
        Return whether a typed line waits for its echo since this burst.
        """
        if self._judge.glance(self._at_ms):
            return False
        self._events += self._judge.decide(self._at_ms)
        self._record()
        return self._judge.waits

    def take_typed(self) -> bool:
        """Say whether something was typed on a terminal since this was asked last."""
        typed, self._typed = self._typed, False
        return typed

    def ignored(self) -> None:
        """Take an ignored packet of the target for what it says: a terminal is silent."""
        self._judge.hidden()

    def tick(self) -> None:
        """Let time pass: typed lines whose echo is not awaited any longer are decided."""
        self._at_ms = self._sink.at_ms()
        self._events += self._judge.tick(self._at_ms)
        self._record()

    @property
    def wants_tick(self) -> bool:
        """Whether a typed line waits for its echo."""
        return self._judge.waits

    def notice(self, text: str) -> list[bytes]:
        """Return the bodies that show `text` to the user, as far as the windows allow."""
        self._at_ms = self._sink.at_ms()
        bodies = []
        for channel in self._channels[Side.CLIENT].values():
            bodies += self._notice_on(channel, text)
        self._record()
        return bodies

    def ping(self) -> bytes:
        """Return the body of a request that a living target answers; the answer stays here."""
        return self._globals.ping()

    def finish(self) -> None:
        """Record how the channels that are still open ended."""
        self._at_ms = self._sink.at_ms()
        for channel in list(self._channels[Side.CLIENT].values()):
            self._events += channel.close(self._at_ms)
        self._channels[Side.CLIENT].clear()
        self._channels[Side.TARGET].clear()
        self._record()

    # --- data

    def _data(self, side: Side, body: bytes, kind: int) -> None:
        start = 10 if kind == _DATA else 14
        size = int.from_bytes(body[start - 4 : start], "big")
        end = start + size
        if end + body[0] != len(body):
            raise RemoteProtocolError("channel data of another length than its packet")
        channel = self._of_sender[side].get(body[2:6]) or self._channel(side, body[2:6])
        self.active_ms = self._at_ms
        if side is _CLIENT:
            stream = _FROM_CLIENT
        else:
            stream = _FROM_TARGET if kind == _DATA else _FROM_TARGET_ERROR
            channel.room_bytes -= size
        if channel.terminal:
            self._add(channel, stream, body[start:end])
            return
        capture = channel.captures.get(stream) or channel.capture(stream, self._capture_limit)
        data = memoryview(body)[start:end]
        capture.digest(data)
        if channel.ledger:
            fed = channel.ledger.client if side is _CLIENT else channel.ledger.target
            self._events += fed(self._at_ms, data)
        if capture.keeping:
            self._add(channel, stream, bytes(data))

    def _add(self, channel: Channel, stream: Stream, data: bytes) -> None:
        """Join what crosses one way on one channel in a burst: fewer, larger events."""
        run_of = self._run_of
        if run_of is None or run_of[0] is not channel or run_of[1] is not stream:
            self._end_run()
            self._run_of = channel, stream
        self._run.append(data)

    def _end_run(self) -> None:
        if self._run_of is None:
            return
        (channel, stream), run = self._run_of, self._run
        data = run[0] if len(run) == 1 else b"".join(run)
        self._run, self._run_of = [], None
        if not channel.terminal:
            self._events += channel.captures[stream].keep(self._at_ms, data)
        else:
            self._typed |= stream is _FROM_CLIENT
            if channel.masker:
                self._judge.later(channel.masker, stream, data)
            if stream is not _FROM_CLIENT or not channel.masker:
                self._events.append(event_of(stream, self._at_ms, channel.ident, data))

    def _record(self) -> None:
        if self._run_of is not None:
            self._end_run()
        if self._events:
            events, self._events = self._events, []
            self._sink.record(events)

    def _channel(self, side: Side, number: bytes) -> Channel:
        channel = self._of_sender[side].get(number)
        if channel is None:
            raise RemoteProtocolError("a packet for a channel that is not open")
        return channel

    def _adjusted(self, body: bytes) -> list[bytes]:
        """Pass on the room that the client grants, less what we have used of it ourselves."""
        if len(body) != _ADJUST_BYTES + body[0]:
            raise RemoteProtocolError("a window adjustment of another length than its fields")
        size_bytes = int.from_bytes(body[6:10], "big")
        channel = self._channel(Side.CLIENT, body[2:6])
        granted_bytes = channel.grant(size_bytes)
        if granted_bytes == size_bytes:
            return [body]
        if not granted_bytes:
            return []
        return [body_of(packets.window_adjust(channel.numbers[Side.TARGET], granted_bytes))]

    def _notice_on(self, channel: Channel, text: str) -> list[bytes]:
        if channel.kind != "session" or channel.closed_by:
            return []
        line = channel.spend(f"\r\n{text}\r\n".encode())
        if not line:
            return []
        self._events.append(NoticeShown(at_ms=self._at_ms, channel=channel.ident, text=text))
        write = packets.channel_data if channel.terminal else packets.channel_error_data
        return [body_of(write(channel.numbers[Side.CLIENT], line))]

    # --- control

    def _control(self, side: Side, kind: int, payload: bytes, out: Out) -> bool:
        """Look at a packet that is not data; return whether it goes on as it came."""
        if handle := self._handlers.get(kind):
            return handle(side, payload, out)
        raise RemoteProtocolError(f"message {kind} is not of the connection protocol")

    def _asked_globally(self, side: Side, payload: bytes, out: Out) -> bool:
        request = packets.GlobalRequest.read(payload)
        passes, refusals, events = self._globals.asked(side, request, self._at_ms)
        out.to[side].extend(refusals)
        self._events += events
        return passes

    def _answered_globally(self, side: Side, payload: bytes, out: Out) -> bool:
        answers, events = self._globals.answered(side, payload, self._at_ms)
        out.to[side.other].extend(answers)
        self._events += events
        return False

    def _open(self, side: Side, payload: bytes, out: Out) -> bool:
        request = packets.ChannelOpen.read(payload)
        asks = self._policy.client_opens if side is Side.CLIENT else self._policy.target_opens
        refusal, code = asks(request.kind), packets.OpenFailure.ADMINISTRATIVELY_PROHIBITED
        if refusal is None and self._crowded(request.kind):
            refusal, code = "too many open channels", packets.OpenFailure.RESOURCE_SHORTAGE
        if refusal is None:
            used = packets.uint32(request.sender) in self._channels[side]
            if used or request.sender in self._pending[side]:
                raise RemoteProtocolError("a channel number was used twice")
            self._pending[side][request.sender] = request
            return True
        self._events.append(refused_open(self._at_ms, request, refusal))
        answer = packets.OpenRefusal(request.sender, code, f"proxyd: {refusal}")
        out.to[side].append(body_of(answer.write()))
        return False

    def _crowded(self, kind: str) -> bool:
        waiting = [each.kind for side in Side for each in self._pending[side].values()]
        standing = [channel.kind for channel in self._channels[Side.CLIENT].values()]
        return self._limits.crowded(kind, waiting, standing)

    def _confirmed(self, side: Side, payload: bytes, _out: Out) -> bool:
        answer = packets.OpenConfirmation.read(payload)
        request = self._pending[side.other].pop(answer.recipient, None)
        if request is None:
            raise RemoteProtocolError("a confirmation of a channel that was not asked for")
        own, peers = answer.sender, answer.recipient
        numbers = (own, peers) if side is Side.CLIENT else (peers, own)
        if any(
            packets.uint32(n) in self._channels[s] for s, n in zip(Side, numbers, strict=True)
        ):
            raise RemoteProtocolError("a channel number was used twice")
        channel = Channel(self._opened, request.kind, numbers, self._terms.files_bytes)
        self._opened += 1
        # The window that counts for our own words is the one the client granted.
        granted = answer if side is Side.CLIENT else request
        channel.room_bytes, channel.packet_bytes = granted.window_bytes, granted.packet_bytes
        for each in Side:
            self._channels[each][packets.uint32(numbers[each])] = channel
        self._events.append(
            ChannelOpened(
                at_ms=self._at_ms,
                channel=channel.ident,
                kind=request.kind,
                detail=request.detail,
            )
        )
        return True

    def _not_opened(self, side: Side, payload: bytes, _out: Out) -> bool:
        answer = packets.OpenRefusal.read(payload)
        request = self._pending[side.other].pop(answer.recipient, None)
        if request is None:
            raise RemoteProtocolError("a refusal of a channel that was not asked for")
        self._events.append(refused_open(self._at_ms, request, answer.reason))
        return True

    def _asked(self, side: Side, payload: bytes, out: Out) -> bool:
        request = packets.ChannelRequest.read(payload)
        channel = self._channel(side, packets.uint32(request.recipient))
        refusal = None
        if side is Side.CLIENT:
            refusal = self._policy.client_asks(request.kind, request.rest)
        answers = channel.answers[side]
        if len(answers) >= ANSWERS_LIMIT:
            raise RemoteProtocolError("too many requests wait for an answer")
        if refusal is None:
            return self._granted(side, channel, request)
        self._events.append(refused_request(self._at_ms, channel.ident, request, refusal))
        if request.want_reply:
            answers.append(Answer.REFUSAL)
            self._send_refusals(channel, side, out)
        return False

    def _granted(self, side: Side, channel: Channel, request: packets.ChannelRequest) -> bool:
        self._events += asked_events(self._at_ms, channel.ident, request)
        answer = self._note(channel, request) if side is Side.CLIENT else Answer.PEER
        if request.want_reply:
            channel.answers[side].append(answer)
        return True

    def _note(self, channel: Channel, request: packets.ChannelRequest) -> Answer:
        """Take from a request of the client what decides how its channel is captured."""
        match request.kind:
            case "pty-req":
                channel.terminal = True
                channel.terminal_granted |= not request.want_reply
                if self._terms.mask_typed and channel.masker is None:
                    channel.masker = Masker(channel.ident)
                return Answer.TERMINAL
            case "exec" | "subsystem" if not channel.terminal:
                detail = Reader(request.rest).string()
                channel.ledger = ledger_for(request.kind, detail, channel.ident)
        return Answer.PEER

    def _answered(self, side: Side, payload: bytes, out: Out) -> bool:
        channel = self._channel(side, packets.uint32(Reader(payload, 1).uint32()))
        answers = channel.answers[side.other]
        if not answers:
            raise RemoteProtocolError("an answer that nobody asked for")
        if answers.pop(0) is Answer.TERMINAL:
            channel.terminal_granted |= payload[0] == Message.CHANNEL_SUCCESS
            if not channel.terminal_granted and Answer.TERMINAL not in answers:
                self._events += channel.without_terminal(self._at_ms)
        out.to[side.other].append(body_of(payload))
        self._send_refusals(channel, side.other, out)
        return False

    def _send_refusals(self, channel: Channel, side: Side, out: Out) -> None:
        """Send the refusals whose turn has come to the side that asked."""
        answers = channel.answers[side]
        while answers and answers[0] is Answer.REFUSAL:
            answers.pop(0)
            out.to[side].append(body_of(packets.channel_failure(channel.numbers[side])))

    def _closed(self, side: Side, payload: bytes, _out: Out) -> bool:
        channel = self._channel(side, packets.uint32(Reader(payload, 1).uint32()))
        channel.closed_by.add(side)
        if len(channel.closed_by) == len(Side):
            self._events += channel.close(self._at_ms)
            for each in Side:
                del self._channels[each][packets.uint32(channel.numbers[each])]
        return True
