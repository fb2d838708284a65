"""Packets as an SSH client and a target write them, and a sink that keeps what is recorded."""

from collections.abc import Callable, Sequence

from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import Limits, Out, Side
from protocols.ssh.packet_relay import PacketRelay
from protocols.ssh.packets import Message, body_of, string, uint32
from recorder.errors import RecordingLostError
from recorder.events import EndReason, KnownEvent
from recorder.session_info import Capture, RecordingTerms

CLIENT_NUMBER, TARGET_NUMBER = 7, 3


class ListSink:
    """An `EventSink` that keeps every burst; `full` makes it refuse."""

    def __init__(self) -> None:
        self.bursts: list[list[KnownEvent]] = []
        self.now_ms = 0
        self.full = False
        self.congested = False

    def at_ms(self) -> int:
        return self.now_ms

    def record(self, events: list[KnownEvent]) -> None:
        if self.full:
            raise RecordingLostError("the disk is full")
        self.bursts.append(events)

    async def drain(self) -> None:
        pass

    async def close(self, reason: EndReason, detail: str = "") -> None:
        del reason, detail

    @property
    def events(self) -> list[KnownEvent]:
        return [event for burst in self.bursts for event in burst]


class Wire:
    """A relay with both peers in the test's hands."""

    def __init__(
        self,
        allowed: Sequence[str] = ("shell", "exec", "sftp", "scp"),
        *,
        capture: Capture = Capture.TEXT,
        mask_typed: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.sink = ListSink()
        self.relay = PacketRelay(
            ChannelPolicy(frozenset(allowed)),
            RecordingTerms(capture=capture, mask_typed=mask_typed),
            limits or Limits(),
            self.sink,
        )

    def client(self, *payloads: bytes) -> Out:
        return self.burst(Side.CLIENT, *map(body_of, payloads))

    def target(self, *payloads: bytes) -> Out:
        return self.burst(Side.TARGET, *map(body_of, payloads))

    def burst(self, side: Side, *bodies: bytes) -> Out:
        out = self.relay.receive(side, list(bodies))
        self.relay.judge()
        return out

    def open_session(self, window: int = 1000) -> "Wire":
        self.client(opening("session", window=window))
        self.target(confirmation())
        return self

    def recorded(self, kind: type[KnownEvent]) -> list[KnownEvent]:
        return [event for event in self.sink.events if isinstance(event, kind)]


def opening(
    kind: str, number: int = CLIENT_NUMBER, window: int = 1000, rest: bytes = b""
) -> bytes:
    head = bytes((Message.CHANNEL_OPEN,)) + string(kind.encode())
    return head + uint32(number) + uint32(window) + uint32(32768) + rest


def confirmation(
    recipient: int = CLIENT_NUMBER, sender: int = TARGET_NUMBER, window: int = 2_000_000
) -> bytes:
    head = bytes((Message.CHANNEL_OPEN_CONFIRMATION,))
    return head + uint32(recipient) + uint32(sender) + uint32(window) + uint32(32768)


def request(
    kind: str, rest: bytes = b"", *, to: int = TARGET_NUMBER, reply: bool = True
) -> bytes:
    head = bytes((Message.CHANNEL_REQUEST,)) + uint32(to) + string(kind.encode())
    return head + bytes((reply,)) + rest


def pty(
    term: str = "xterm", columns: int = 80, rows: int = 24, *, to: int = TARGET_NUMBER
) -> bytes:
    size = uint32(columns) + uint32(rows) + uint32(0) + uint32(0)
    return request("pty-req", string(term.encode()) + size + string(b"\x00"), to=to)


def execute(command: str) -> bytes:
    return request("exec", string(command.encode()))


def global_request(kind: str, rest: bytes = b"", *, reply: bool = True) -> bytes:
    return bytes((Message.GLOBAL_REQUEST,)) + string(kind.encode()) + bytes((reply,)) + rest


def numbered(message: Message) -> Callable[[int], bytes]:
    return lambda number: bytes((message,)) + uint32(number)


success = numbered(Message.CHANNEL_SUCCESS)
failure = numbered(Message.CHANNEL_FAILURE)
close = numbered(Message.CHANNEL_CLOSE)
eof = numbered(Message.CHANNEL_EOF)
