"""The events of a session: what crossed the proxy, and when.

An engine copies bytes and does not interpret them, so an event holds what was on
the wire. Screens, text and video are made later, by `recorder.replay`.

On disk and on the wire an event is a MessagePack array: a small integer that tells
its kind, `at_ms`, then its fields in the order below. A field may be added at the end
with a default; a number is never used again. `docs/formats/chunk.md` is the grammar.

Units: `at_ms` is whole milliseconds since the session began, from a monotonic
clock. Wall-clock time appears once, in `SessionStarted.info.started_at`.

INVARIANT: within one session `at_ms` never decreases.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from recorder.errors import CorruptChunkError
from recorder.session_info import SessionInfo

Milliseconds = Annotated[int, Meta(ge=0)]
ChannelId = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
"""Counts the channels of a session from 0, in the order they were opened."""


class EndReason(enum.StrEnum):
    """Why a session ended."""

    CLIENT_LEFT = "client_left"
    TARGET_LEFT = "target_left"
    TARGET_UNREACHABLE = "target_unreachable"
    TERMINATED = "terminated"
    IDLE = "idle"
    TOO_LONG = "too_long"
    PROTOCOL_ERROR = "protocol_error"
    RECORDING_LOST = "recording_lost"
    ENGINE_STOPPED = "engine_stopped"
    ENGINE_CRASHED = "engine_crashed"


class Stream(enum.StrEnum):
    """One direction of a channel."""

    CLIENT = "client"
    TARGET = "target"
    TARGET_ERROR = "target_error"


class SessionStarted(Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """The session was granted; recording begins here, before the target is dialled."""

    at_ms: Milliseconds
    info: SessionInfo


class SessionEnded(Struct, frozen=True, kw_only=True, array_like=True, tag=2):
    """The last event of every recording."""

    at_ms: Milliseconds
    reason: EndReason
    detail: str = ""


class ChannelOpened(Struct, frozen=True, kw_only=True, array_like=True, tag=3):
    """The peer confirmed a channel. `kind` is the SSH channel type (RFC 4254 5.1)."""

    at_ms: Milliseconds
    channel: ChannelId
    kind: str
    detail: str = ""
    """Where it leads, for a forward: `host:port`."""


class ChannelRefused(Struct, frozen=True, kw_only=True, array_like=True, tag=4):
    """A channel was asked for and not opened, by policy or by the peer."""

    at_ms: Milliseconds
    kind: str
    detail: str
    reason: str


class ChannelClosed(Struct, frozen=True, kw_only=True, array_like=True, tag=5):
    """Both sides closed the channel."""

    at_ms: Milliseconds
    channel: ChannelId


class ChannelRequested(Struct, frozen=True, kw_only=True, array_like=True, tag=6):
    """A request on a channel passed: `shell exec subsystem env signal break …`.

    `detail` is what was asked for, raw: the command, the subsystem's name,
    `NAME=value`, the signal, the length of the break.
    """

    at_ms: Milliseconds
    channel: ChannelId
    request: str
    detail: bytes = b""


class RequestRefused(Struct, frozen=True, kw_only=True, array_like=True, tag=7):
    """A channel request or a global request was refused by policy."""

    at_ms: Milliseconds
    request: str
    detail: str
    reason: str
    channel: ChannelId | None = None


class TerminalRequested(Struct, frozen=True, kw_only=True, array_like=True, tag=8):
    """A terminal was asked for. `modes` are as on the wire (RFC 4254 8)."""

    at_ms: Milliseconds
    channel: ChannelId
    terminal: str
    columns: int
    rows: int
    modes: bytes = b""


class TerminalResized(Struct, frozen=True, kw_only=True, array_like=True, tag=9):
    """The user's terminal took a new size."""

    at_ms: Milliseconds
    channel: ChannelId
    columns: int
    rows: int


class ClientData(Struct, frozen=True, kw_only=True, array_like=True, tag=10):
    """Bytes from the user. Typed keys may be recorded late: they came `held_ms` before."""

    at_ms: Milliseconds
    channel: ChannelId
    data: bytes
    held_ms: Milliseconds = 0


class TargetData(Struct, frozen=True, kw_only=True, array_like=True, tag=11):
    """Bytes from the target: standard output, before the user saw it."""

    at_ms: Milliseconds
    channel: ChannelId
    data: bytes


class TargetErrorData(Struct, frozen=True, kw_only=True, array_like=True, tag=12):
    """Bytes from the target: standard error, before the user saw it."""

    at_ms: Milliseconds
    channel: ChannelId
    data: bytes


class InputMasked(Struct, frozen=True, kw_only=True, array_like=True, tag=13):
    """A line was typed that the target did not echo: no text, length or timing is kept."""

    at_ms: Milliseconds
    channel: ChannelId


class CommandExited(Struct, frozen=True, kw_only=True, array_like=True, tag=14):
    """What ran on the channel ended with a status (RFC 4254 6.10)."""

    at_ms: Milliseconds
    channel: ChannelId
    status: int


class CommandKilled(Struct, frozen=True, kw_only=True, array_like=True, tag=15):
    """What ran on the channel was ended by a signal (RFC 4254 6.10)."""

    at_ms: Milliseconds
    channel: ChannelId
    signal: str
    message: str = ""


class CaptureTruncated(Struct, frozen=True, kw_only=True, array_like=True, tag=16):
    """The capture limit was reached: from here on only count and digest are kept."""

    at_ms: Milliseconds
    channel: ChannelId
    stream: Stream
    kept_bytes: int


class StreamDigested(Struct, frozen=True, kw_only=True, array_like=True, tag=17):
    """The whole of one stream of a closed channel without a terminal."""

    at_ms: Milliseconds
    channel: ChannelId
    stream: Stream
    size_bytes: int
    sha256: bytes


class FileTouched(Struct, frozen=True, kw_only=True, array_like=True, tag=18):
    """The ledger: what SFTP, SCP or a redirected drive did to a file."""

    at_ms: Milliseconds
    channel: ChannelId
    operation: str
    """`download upload remove rename mkdir rmdir symlink link copy setstat print unreadable`.

    An `upload` is to the target, a `download` to the client, whoever asked for it.
    """
    path: str
    size_bytes: int = 0
    sha256: bytes = b""
    """Of the bytes that crossed; empty where they crossed out of order or not at all."""
    outcome: str = "ok"
    new_path: str = ""


class NoticeShown(Struct, frozen=True, kw_only=True, array_like=True, tag=19):
    """proxyd wrote to the user's terminal."""

    at_ms: Milliseconds
    channel: ChannelId
    text: str


class ClockStepped(Struct, frozen=True, kw_only=True, array_like=True, tag=20):
    """The wall clock moved by `step_ms` against the monotonic one."""

    at_ms: Milliseconds
    step_ms: int


class RecordingGap(Struct, frozen=True, kw_only=True, array_like=True, tag=21):
    """Events are missing here. Only a session that does not require its recording has one."""

    at_ms: Milliseconds
    from_ms: Milliseconds
    reason: str


class ForwardGranted(Struct, frozen=True, kw_only=True, array_like=True, tag=22):
    """The target listens for the client: `tcpip-forward` or its unix-socket twin.

    Or, as `redirection`, it sent the client to another one, and the proxy followed. Or the
    client lends it a `drive`, a `printer`, a `dynamic channel`.
    """

    at_ms: Milliseconds
    request: str
    detail: str


class DesktopStarted(Struct, frozen=True, kw_only=True, array_like=True, tag=23):
    """The RDP relay stands; `ClientData` and `TargetData` of `channel` hold whole PDUs.

    Each holds one or more of them, TPKT or FastPath, as they are on the client's leg inside
    TLS: with the client's channel numbers, and behind what the proxy changed.
    """

    at_ms: Milliseconds
    channel: ChannelId
    width_px: int
    height_px: int
    colour_depth_bits: int
    keyboard_layout: int
    """The input locale, 32 bits ([MS-RDPBCGR] 2.2.1.3.2)."""
    keyboard_type: int
    compression: int
    """Bulk compression of what the target sends: 0 none, 1 MPPC with 64 KiB of history."""
    static_channels: tuple[tuple[int, str], ...]
    """Number and name of each one that is open."""
    io_channel: int
    user_channel: int


class CommandMatched(Struct, frozen=True, kw_only=True, array_like=True, tag=24):
    """A command that was typed or asked for breaks a rule of the secret's block list."""

    at_ms: Milliseconds
    channel: ChannelId
    rule: str
    action: str
    """The rule's: `alert notice hold end`."""
    outcome: str
    """What became of the command: `ran refused waits ended`."""
    command: str


class Became(Struct, frozen=True, kw_only=True, array_like=True, tag=25):
    """proxyd made another account of the one that had logged on, and gave its password."""

    at_ms: Milliseconds
    channel: ChannelId
    account: str
    method: str
    """The command that the target ran for it."""


class UnknownEvent(Struct, frozen=True, kw_only=True):
    """A kind that this version does not know, carried as it came."""

    at_ms: Milliseconds
    body: bytes


KnownEvent = (
    SessionStarted
    | SessionEnded
    | ChannelOpened
    | ChannelRefused
    | ChannelClosed
    | ChannelRequested
    | RequestRefused
    | TerminalRequested
    | TerminalResized
    | ClientData
    | TargetData
    | TargetErrorData
    | InputMasked
    | CommandExited
    | CommandKilled
    | CaptureTruncated
    | StreamDigested
    | FileTouched
    | NoticeShown
    | ClockStepped
    | RecordingGap
    | ForwardGranted
    | DesktopStarted
    | CommandMatched
    | Became
)
Event = KnownEvent | UnknownEvent

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at bytes that are no events: noise, bad text, arrays without end."""

_encoder = msgspec.msgpack.Encoder()
_known = msgspec.msgpack.Decoder(list[KnownEvent])
_one: msgspec.msgpack.Decoder[KnownEvent] = msgspec.msgpack.Decoder(KnownEvent)
_parts = msgspec.msgpack.Decoder(list[msgspec.Raw])
_loose = msgspec.msgpack.Decoder(list[object])


def put_in_order(events: list[KnownEvent], since_ms: int) -> int:
    """Let none of `events` be earlier than `since_ms` or the one before it.

    What was put together first may be recorded second. Returns the time of the last one.
    """
    for number, event in enumerate(events):
        if event.at_ms < since_ms:
            events[number] = msgspec.structs.replace(event, at_ms=since_ms)
        else:
            since_ms = event.at_ms
    return since_ms


def encode_burst(events: list[KnownEvent]) -> bytes:
    """Return one frame body: the MessagePack array of `events`."""
    return _encoder.encode(events)


def decode_burst(body: bytes) -> list[Event]:
    """Return the events of one frame body; raise `CorruptChunkError` where it is none."""
    try:
        return list(_known.decode(body))
    except _UNREADABLE:
        return _decode_leniently(body)


def _decode_leniently(body: bytes) -> list[Event]:
    try:
        return [_decode_one(bytes(part)) for part in _parts.decode(body)]
    except _UNREADABLE as error:
        raise CorruptChunkError(f"not a burst of events: {error}") from error


def _decode_one(body: bytes) -> Event:
    try:
        return _one.decode(body)
    except msgspec.ValidationError as error:
        fields = _loose.decode(body)
        match fields:
            case [int(kind), int(at_ms), *_] if kind not in KNOWN_KINDS and at_ms >= 0:
                return UnknownEvent(at_ms=at_ms, body=body)
        raise CorruptChunkError(f"not an event: {error}") from error


KNOWN_KINDS = frozenset(range(1, 26))
