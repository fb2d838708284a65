"""Copies PDUs between a client and its target, and records them. Sans-io.

A PDU is recorded as it is on the client's leg: with the client's channel numbers, behind
what the proxy changed. It passes as it came, save for channel numbers, and for what is
said about capabilities.

INVARIANT: a PDU is recorded before it is returned to be forwarded.
INVARIANT: Client Info, which holds a password, is never recorded: the relay begins behind it.
"""

import enum
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp import capabilities, clipboard_policy
from protocols.rdp.acceptor import IO_CHANNEL, ClientSide
from protocols.rdp.channel_terms import ChannelTerms
from protocols.rdp.connector import TargetSide
from protocols.rdp.typed_secrets import TypedSecrets
from protocols.rdp.wire import licensing, logon_info, mcs, slowpath
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.framing import Splitter
from protocols.rdp.wire.keys import keys_of
from protocols.rdp.wire.mcs import number_of, renumbered
from protocols.rdp.wire.redirection import Redirection
from recorder.events import (
    ChannelRefused,
    ClientData,
    DesktopStarted,
    ForwardGranted,
    InputMasked,
    KnownEvent,
    TargetData,
)
from recorder.ports import EventSink

CHANNEL: Final = 0
"""A desktop session has one channel, the whole connection."""
_FASTPATH_ACTION: Final = 0b11
# Plain numbers: most of what crosses is compared with these.
_DISCONNECT: Final = int(mcs.Domain.DISCONNECT)
_REQUEST: Final = int(mcs.Domain.SEND_DATA_REQUEST)
_INDICATION: Final = int(mcs.Domain.SEND_DATA_INDICATION)
_DATA: Final = int(slowpath.Share.DATA)
_SAVE_SESSION_INFO: Final = int(slowpath.ShareData.SAVE_SESSION_INFO)
_LICENSING_FLAG: Final = 0x0080
_REDIRECTION_FLAG: Final = 0x0400
_SECURITY_BYTES: Final = 4
"""Of the header that licensing and a redirection without a share PDU begin with."""
_REDIRECTION_OFFSET: Final = slowpath.SHARE_HEADER_BYTES + 2
_LICENSING_KIND: Final = slice(4, 5)
_LICENSING_OVER: Final = b"\xff"
"""An error alert, which is what a target sends that wants no licence."""
_DROPPED: Final = b""
"""In place of data that the client is not to have."""


class Side(enum.IntEnum):
    """One leg."""

    CLIENT = 0
    TARGET = 1


class Ended(enum.Enum):
    """What ended the session from within."""

    CLIENT_LEFT = enum.auto()
    TARGET_LEFT = enum.auto()
    REDIRECTED = enum.auto()
    """The target sends the client elsewhere, which would go past the recording."""


class Crossed(Struct):
    """What is to be forwarded of one burst; all of it is recorded."""

    data: bytes
    ended: Ended | None = None
    back: bytes = b""
    """For the target, in answer to what it sent itself."""


class Relay:
    """The relay of one session."""

    def __init__(
        self,
        client: ClientSide,
        target: TargetSide,
        sink: EventSink,
        *,
        mask_typed: bool = True,
        terms: ChannelTerms | None = None,
    ) -> None:
        self._client = client
        self._sink = sink
        self._splitters = [Splitter(), Splitter()]
        self._follow(target)
        self._refused = frozenset(client.channel_ids) - target.channel_ids.keys()
        self._followed = (terms or ChannelTerms()).follow(client, target, sink)
        self._back: list[bytes] = []
        self._secrets = TypedSecrets() if mask_typed else None
        self._looked_into = frozenset({IO_CHANNEL, client.user})
        self._clipboard = client.channel_id(clipboard_policy.CHANNEL_NAME)
        self._ended: Ended | None = None
        self.redirection: Redirection | None = None
        """Where the target sends the client, once `Ended.REDIRECTED` is told."""
        self._licensed = self._redirected = False
        self.activated = False
        """Whether the client was told to become active: then no other target can go on."""
        self.active_ms = 0
        """When the client last sent anything, in session time."""
        self.crossed_bytes = [0, 0]
        """By `Side`, what came since this was set to nothing."""

    def start(self) -> None:
        """Record what a reader must know of the session before its first PDU."""
        client, target = self._client, self._target
        at_ms = self.active_ms = self._sink.at_ms()
        named = zip(client.channel_ids, client.channels, strict=True)
        started = DesktopStarted(
            at_ms=at_ms,
            channel=CHANNEL,
            width_px=client.core.width_px,
            height_px=client.core.height_px,
            colour_depth_bits=client.core.colour_depth_bits,
            keyboard_layout=client.core.keyboard_layout,
            keyboard_type=client.core.keyboard_type,
            compression=int(target.compressed),
            static_channels=tuple(
                (number, one.name) for number, one in named if number in target.channel_ids
            ),
            io_channel=IO_CHANNEL,
            user_channel=client.user,
        )
        refused: list[KnownEvent] = [
            ChannelRefused(at_ms=at_ms, kind=one.name, detail="", reason="not allowed")
            for number, one in zip(client.channel_ids, client.channels, strict=True)
            if number in self._refused
        ]
        self._sink.record([started, *refused])
        self._expect_logon()

    def receive(self, side: Side, data: bytes) -> Crossed:
        """Take what `side` sent; return what to forward to the other one.

        Raises `RemoteProtocolError` where the peer misbehaves, `RecordingLostError` where
        the recording cannot be kept; nothing of the burst may be forwarded then.
        """
        at_ms = self._sink.at_ms()
        self._back.clear()
        self.crossed_bytes[side] += len(data)
        packets = self._splitters[side].feed(data)
        masked: list[KnownEvent] = []
        if side is Side.CLIENT:
            self.active_ms = at_ms
            kept, forward, masked = self._from_client(packets, at_ms)
        else:
            kept, forward = self._from_target(packets)
        data = b"".join(kept)
        if kept:
            make = ClientData if side is Side.CLIENT else TargetData
            self._sink.record([*masked, make(at_ms=at_ms, channel=CHANNEL, data=data)])
        elif masked:
            self._sink.record(masked)
        forwarded = data if forward is kept else b"".join(forward)
        return Crossed(forwarded, self._ended, b"".join(self._back))

    def redirected(self, target: TargetSide, where: str) -> None:
        """Go on with another target; raise `RecordingLostError`.

        It was dialled with the same channels, so the client's numbers stay what they are.
        """
        at_ms = self._sink.at_ms()
        told = ForwardGranted(at_ms=at_ms, request="redirection", detail=where)
        self._followed.end()
        self._sink.record([told])
        self._splitters[Side.TARGET] = Splitter()
        self._follow(target)
        self._ended = self.redirection = None
        self._redirected = True
        self._expect_logon()

    def farewell(self, code: ErrorInfo) -> bytes:
        """Return what tells the user why the session ends; `end` before."""
        info = mcs.send_indication(
            slowpath.SERVER_USER, IO_CHANNEL, slowpath.set_error_info(code)
        )
        return info + mcs.disconnect()

    def end(self, code: ErrorInfo | None) -> None:
        """Record what was under way, and the farewell; raise `RecordingLostError`."""
        self._followed.end()
        if code is not None:
            at_ms = self._sink.at_ms()
            told = TargetData(at_ms=at_ms, channel=CHANNEL, data=self.farewell(code))
            self._sink.record([told])

    def _follow(self, target: TargetSide) -> None:
        self._target = target
        self._to_target = {
            IO_CHANNEL: target.io_channel,
            self._client.user: target.user,
            **target.channel_ids,
        }
        self._to_client = {theirs: ours for ours, theirs in self._to_target.items()}

    def _expect_logon(self) -> None:
        """Take what is typed for a password until the target says that somebody is logged on.

        That its clipboard speaks says so, too: who holds it is a program of the user's. Behind
        NLA somebody is; and where there is no clipboard, targets are that never say it.
        """
        has_clipboard = self._clipboard in self._followed.numbers
        if self._secrets is not None and has_clipboard and not self._target.checked:
            self._secrets.logon_expected()

    # --- from the client

    def _from_client(
        self, packets: list[bytes], at_ms: int
    ) -> tuple[list[bytes], list[bytes], list[KnownEvent]]:
        """Return what is kept, what is forwarded, and what is said of what is not kept."""
        kept: list[bytes] = []
        forward: list[bytes] = []
        masked: list[KnownEvent] = []
        secrets = self._secrets
        for packet in packets:
            if self._ended:
                break
            if packet[0] & _FASTPATH_ACTION:
                followed = self._followed_of(packet)
                if followed is not None:
                    crossing, _ = self._followed.crossing(packet, from_client=True)
                    kept += crossing
                    there = self._to_target[followed]
                    forward += [renumbered(one, self._target.user, there) for one in crossing]
                    continue
                passed = self._client_packet(packet)
                if passed is None:
                    continue
                forward.append(passed)
            else:
                forward.append(packet)
            if secrets is not None and secrets.hides(keys_of(packet, IO_CHANNEL), at_ms):
                if secrets.hidden:
                    masked.append(InputMasked(at_ms=at_ms, channel=CHANNEL))
                continue
            kept.append(packet)
        return kept, forward, masked

    def _client_packet(self, packet: bytes) -> bytes | None:
        """Return a TPKT packet as the target is to have it; None where it is not to."""
        number = number_of(packet)
        if number == _DISCONNECT:
            self._ended = Ended.CLIENT_LEFT
            return packet
        if number != _REQUEST:
            raise RemoteProtocolError(f"MCS PDU {number} from the client")
        sent = mcs.read_sent(packet)
        if sent.channel in self._refused:
            # It was told of a channel that is not there behind us; that it is refused is
            # recorded at the start.
            return None
        channel = self._to_target.get(sent.channel)
        if channel is None or sent.initiator != self._client.user:
            raise RemoteProtocolError(f"data for channel {sent.channel}, which is not there")
        if sent.channel != IO_CHANNEL:
            return renumbered(packet, self._target.user, channel)
        changed = self._client_share(packet, sent.offset)
        if changed is None:
            return renumbered(packet, self._target.user, channel)
        return mcs.send_request(self._target.user, channel, changed) if changed else None

    def _client_share(self, packet: bytes, start: int) -> bytes | None:
        """Return other data where the target is not to have what begins at `start`.

        Raises `RemoteProtocolError` at what a client may not say.
        """
        kind = slowpath.share_kind(packet, start)
        if kind == slowpath.Share.CONFIRM_ACTIVE:
            return capabilities.confirm_active(packet[start:])
        if kind is None and slowpath.is_flow(packet[start:]):
            return _DROPPED
        if kind is None and not licensing.is_clients(packet[start:]):
            # A second Client Info would be one with a password of the user's choice.
            raise RemoteProtocolError("neither a share PDU nor licensing from the client")
        return None

    def _followed_of(self, packet: bytes) -> int | None:
        """Return the followed channel that a client's packet is of, if it is its own."""
        if not self._followed.numbers or number_of(packet) != _REQUEST:
            return None
        sent = mcs.read_sent(packet)
        is_followed = sent.channel in self._followed.numbers
        return sent.channel if is_followed and sent.initiator == self._client.user else None

    # --- from the target

    def _from_target(self, packets: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        passed: list[bytes] = []
        for packet in packets:
            if self._ended:
                break
            if not packet[0] & _FASTPATH_ACTION:
                passed.append(packet)
                continue
            changed = self._target_packet(packet)
            if changed is not None:
                passed.append(changed)
        return passed, passed

    def _target_packet(self, packet: bytes) -> bytes | None:
        """Return a TPKT packet as the client is to have it; None where it is not to."""
        number = number_of(packet)
        if number == _DISCONNECT:
            self._ended = Ended.TARGET_LEFT
            return packet
        if number != _INDICATION:
            raise RemoteProtocolError(f"MCS PDU {number} from the target")
        sent = mcs.read_sent(packet)
        channel = self._to_client.get(sent.channel)
        if channel is None:
            raise RemoteProtocolError(f"data on channel {sent.channel}, which nobody joined")
        initiator = self._to_client.get(sent.initiator, sent.initiator)
        if channel in self._followed.numbers:
            return self._target_piece(renumbered(packet, initiator, channel), channel)
        if channel not in self._looked_into:
            return renumbered(packet, initiator, channel)
        changed = self._target_share(packet, sent.offset)
        if self._ended or changed == _DROPPED:
            return None
        if changed is None:
            return renumbered(packet, initiator, channel)
        return mcs.send_indication(initiator, channel, changed)

    def _target_piece(self, packet: bytes, channel: int) -> bytes | None:
        """Return what goes on of a followed channel, in place of a packet in our numbers."""
        if channel == self._clipboard and self._secrets is not None:
            self._secrets.logged_on()
        crossing, back = self._followed.crossing(packet, from_client=False)
        user, there = self._target.user, self._to_target[channel]
        self._back += [mcs.send_request(user, there, piece) for piece in back]
        return b"".join(crossing) or None

    def _target_share(self, packet: bytes, start: int) -> bytes | None:
        """Return other data where the client is not to have what begins at `start`."""
        kind = slowpath.share_kind(packet, start)
        if kind == _DATA:
            if slowpath.share_data_kind(packet, start) == _SAVE_SESSION_INFO:
                return self._session_info(packet[start:])
        elif kind == slowpath.Share.DEMAND_ACTIVE:
            self.activated = True
            return capabilities.demand_active(packet[start:])
        elif kind == slowpath.Share.SERVER_REDIRECT:
            return self._redirect(packet[start + _REDIRECTION_OFFSET :])
        elif kind is None:
            return self._target_unknown(packet[start:])
        return None

    def _session_info(self, share: bytes) -> bytes | None:
        if self._secrets is not None:
            match logon_info.told(share):
                case logon_info.Told.LOGGED_ON:
                    self._secrets.logged_on()
                case logon_info.Told.FAILED:
                    self._secrets.logon_expected()
        return slowpath.without_reconnect_cookie(share)

    def _target_unknown(self, data: bytes) -> bytes | None:
        parts = slowpath.split_shares(data)
        if parts is not None:
            changed = [(self._target_share(part, 0), part) for part in parts]
            return b"".join(part if new is None else new for new, part in changed)
        flags = int.from_bytes(data[:2], "little")
        if flags & _REDIRECTION_FLAG:
            return self._redirect(data[_SECURITY_BYTES:])
        if flags & _LICENSING_FLAG:
            return self._license(data)
        # Whatever a client makes of it, it could be a redirection.
        raise RemoteProtocolError("neither a share PDU nor licensing from the target")

    def _redirect(self, data: bytes) -> bytes:
        """Take a Server Redirection; the client never has it: it may hold credentials."""
        self.redirection = Redirection.read(data)
        if self.redirection is not None:
            self._ended = Ended.REDIRECTED
        return _DROPPED

    def _license(self, data: bytes) -> bytes | None:
        """Let a client that was licensed by one target hear nothing of it from the next."""
        if self._redirected and self._licensed:
            if data[_LICENSING_KIND] != _LICENSING_OVER:
                raise RemoteProtocolError("another licence is wanted behind a redirection")
            return _DROPPED
        self._licensed = True
        return None
