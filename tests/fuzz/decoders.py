"""Every decoder that reads what a stranger wrote, and the errors that it may raise.

`DECODERS[name](data)` returns or raises one of `ALLOWED`; anything else is a finding.
"""

import contextlib
import datetime as dt
import zlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from samples import devices, rdp

from bus import codec, signed
from bus.command_rules import CommandRule, RuleAction
from bus.errors import BadMessageError, FeedCutError
from bus.file_rules import Direction, FileRule, FileVerdict
from bus.sealed_feed import FeedOpener
from control.errors import ControlError
from control.wire import decode_answer, decode_request
from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import Acceptor
from protocols.rdp.capabilities import confirm_active, demand_active
from protocols.rdp.clipboard_policy import ClipboardPolicy, ClipboardTerms
from protocols.rdp.dynamic_channel import DynamicChannels
from protocols.rdp.followed import Followed
from protocols.rdp.relay import Relay, Side
from protocols.rdp.sound_channel import SoundChannel
from protocols.rdp.wire import gcc, logon_info, mcs, slowpath, virtual_channel
from protocols.rdp.wire.client_core import ClientCore
from protocols.rdp.wire.client_info import ClientInfo
from protocols.rdp.wire.ntlm import Authenticate
from protocols.rdp.wire.printers import read_settings
from protocols.rdp.wire.redirection import Redirection
from protocols.rdp.wire.spnego import Init
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest
from protocols.rdp.wire.x224 import ConnectionRequest, Security, read_answer
from protocols.ssh import packets
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.commands.guard import Guard
from protocols.ssh.commands.rules import Rules
from protocols.ssh.files import ledger_for
from protocols.ssh.requests import asked_events
from protocols.ssh.transfers.requests import Transfers
from recorder import chunk
from recorder.data_key import DataKey, WrappedKey
from recorder.errors import CorruptChunkError, MalformedPduError
from recorder.events import EndReason, KnownEvent, decode_burst
from recorder.replay import bundle
from recorder.replay.desktop import Desktop, DesktopState
from recorder.replay.rdp import clipboard
from recorder.replay.rdp.bitmaps import GREYS, Bitmap, PureDecoder, picture
from recorder.replay.rdp.bulk import Inflater
from recorder.replay.screen_filter import ScreenFilter
from recorder.segment import read_front
from recorder.tree_head import decode_head

ALLOWED: Final = (
    RemoteProtocolError,
    BadMessageError,
    FeedCutError,
    CorruptChunkError,
    ControlError,
    MalformedPduError,
)

POLICY: Final = ChannelPolicy(frozenset({"shell", "exec", "sftp", "scp", "local-forward"}))


_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(32))
_NOW: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def _envelope(data: bytes) -> None:
    _verifier().open(data, _NOW)


def _envelope_of_a_known_issuer(data: bytes) -> None:
    """Past the signature, as an engine that was taken over would come."""
    signature = _KEY.sign(signed._DOMAIN + data)
    _verifier().open(bytes((signed.VERSION,)) + signature + data, _NOW)


def _verifier() -> signed.Verifier:
    return signed.Verifier("control", lambda _: (_KEY.public_key().public_bytes_raw(),))


def _chunk(data: bytes) -> None:
    decoded = chunk.decode(data, bytes(32))
    decoded.unpack()


def _chunk_with_a_whole_checksum(data: bytes) -> None:
    """Past the checksum, as somebody who can write one would come."""
    rest = len(data[1:1025]).to_bytes(4, "big") + data[1:]
    _chunk(b"PXC1" + zlib.crc32(rest).to_bytes(4, "big") + rest)
    text = chunk.MAGIC + rest + bytes(64)
    _chunk(text + zlib.crc32(text).to_bytes(4, "big"))


def _encrypted_frames(data: bytes) -> None:
    """Whole frames that nobody encrypted with this key."""
    key = DataKey(UUID(int=7), bytes(32), WrappedKey(recording_key="", sealed=b""))
    chunk.decrypt_frames(bytearray(chunk.frame(data) + data), key, 0)


def _live_feed(data: bytes) -> None:
    """Messages that a broker made up: none of them is shown."""
    opener = FeedOpener(bytes(32), UUID(int=7), UUID(int=8), bytes(16))
    assert not opener.open(b"\x01" + bytes(8) + data)


def _bundle(data: bytes) -> None:
    """A bundle whose manifest and members are what a stranger wrote."""
    for finding in bundle.check(["manifest.json", "manifest.sig"], lambda _: data):
        str(finding)


def _frames(data: bytes) -> None:
    for body in chunk.read_frames(chunk.frame(data) + data):
        decode_burst(body)


def _channel_request(data: bytes) -> None:
    request = packets.ChannelRequest.read(data)
    POLICY.client_asks(request.kind, request.rest)
    asked_events(0, 0, request)


def _global_request(data: bytes) -> None:
    request = packets.GlobalRequest.read(data)
    POLICY.client_asks_globally(request.kind)
    str(request.detail)


def _pieces(data: bytes) -> list[tuple[int, bytes]]:
    """The first byte of each piece says from whom it comes, the second how long it is."""
    pieces = []
    while len(data) > 1:
        side, size = data[0] & 1, data[1]
        pieces.append((side, data[2 : 2 + size]))
        data = data[2 + size :]
    return pieces


def _ledger(request: str, detail: bytes) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        ledger = ledger_for(request, detail)
        assert ledger is not None
        for side, piece in _pieces(data):
            (ledger.client if side else ledger.target)(0, piece)
        ledger.close(0)

    return feed


def _screen(data: bytes) -> None:
    screen = ScreenFilter()
    for _, piece in _pieces(data):
        screen.feed(piece)
    screen.reset()


def _desktop(data: bytes) -> None:
    """Both legs of an RDP session by turns; nothing may be raised."""
    state = DesktopState(clipboard_channel=1004)
    desktop = Desktop(state, lambda _at_ms, _kind, _text: None, PureDecoder())
    desktop.resize(0, 32, 16)
    for at_ms, (side, piece) in enumerate(_pieces(data)):
        (desktop.type if side else desktop.show)(at_ms, piece)
    desktop.close()
    desktop.suspend()


def _io_channel(data: bytes) -> None:
    """Behind the headers of one PDU of the I/O channel."""
    mcs = b"\x68\x00\x06\x03\xeb\x70" + (0x8000 | len(data)).to_bytes(2, "big") + data
    pdu = b"\x02\xf0\x80" + mcs
    state = DesktopState()
    desktop = Desktop(state, lambda _at_ms, _kind, _text: None, PureDecoder())
    desktop.resize(0, 32, 16)
    desktop.show(0, b"\x03\x00" + (4 + len(pdu)).to_bytes(2, "big") + pdu)


def _bitmap(data: bytes) -> None:
    """The first byte says how deep it is."""
    depth_bits = (8, 15, 16, 24, 32)[data[0] % 5] if data else 32
    one = Bitmap(0, 0, 15, 7, 16, 8, depth_bits, compressed=True, data=memoryview(data[1:]))
    assert len(picture(one, PureDecoder(), GREYS)) == 16 * 8 * 4


def _bulk(data: bytes) -> None:
    inflater = Inflater()
    for piece in (data[:9], data[9:]):
        inflater.inflate(memoryview(piece), 0x21)


def _clipboard(data: bytes) -> None:
    for asked in (1, 13, 0xC001):
        side = clipboard.Side(long_names=bool(asked & 1), files_format=0xC001, asked=asked)
        followed = clipboard.Clipboard(client=side, target=clipboard.Side(long_names=True))
        list(followed.take(data, from_client=True))
        header = b"\x05\x00\x01\x00" + len(data).to_bytes(4, "little")
        side.asked = asked
        list(followed.take(header + data, from_client=True))


class _NoSink:
    """Records nothing."""

    congested = False

    def at_ms(self) -> int:
        return 0

    def record(self, events: list[KnownEvent]) -> None:
        """Forget them."""

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def _rdp_login(data: bytes) -> None:
    """A client under TLS that sends what it likes."""
    acceptor = Acceptor(rdp.BOTH, rdp.PUBLIC_KEY, rdp.challenge())
    rdp.logged_in(acceptor, [data])


def _rdp_nla(data: bytes) -> None:
    acceptor = Acceptor(rdp.BOTH, rdp.PUBLIC_KEY, rdp.challenge())
    rdp.requested(acceptor, Security.NLA)
    acceptor.tls_started()
    acceptor.receive(data)


_CLIENT: Final = rdp.accepted_client()
_TARGET: Final = rdp.connected(_CLIENT, rdp.ScriptedTarget(), "cliprdr")[1]


def _rdp_relay(data: bytes) -> None:
    """Both sides in turn; the header of a piece is made right, so that more is reached."""
    relay = Relay(_CLIENT, _TARGET, _NoSink())
    for side, piece in _pieces(data):
        relay.receive(Side(side), piece)
        channel = (1003, 1005)[len(piece) & 1]
        write = (mcs.send_request, mcs.send_indication)[side]
        relay.receive(Side(side), write((1006, 1010)[side], channel, piece))


def _rdp_clipboard(data: bytes) -> None:
    """Both sides in turn, each piece a message of its own."""
    policy = ClipboardPolicy(ClipboardTerms())
    for side, piece in _pieces(data):
        for part in virtual_channel.pieces(piece):
            policy.take(part, from_client=not side)


def _follow(followed: Followed, data: bytes) -> None:
    """Both sides in turn: each piece as it is, and as a message of its own."""
    for side, piece in _pieces(data):
        for part in (*virtual_channel.pieces(piece), piece):
            followed.take(0, part, from_client=not side)
    followed.end(0)


def _rdp_devices(data: bytes) -> None:
    """A file is open, so that what comes may be about it."""
    talk = devices.conversation()
    talk.target(devices.create("\\a")).client(devices.opened())
    _follow(talk.channel, data)


def _rdp_device_requests(data: bytes) -> None:
    """What is asked of an open file and answered, behind right headers."""
    talk = devices.conversation()
    talk.target(devices.create("\\a")).client(devices.opened())
    for completion, (side, piece) in enumerate(_pieces(data), 1):
        if side:
            talk.client(devices.done(completion - 1, data=piece))
        else:
            talk.target(devices.asked(len(piece) & 0x13, completion, piece))
    talk.end()


def _rdp_dynamic(data: bytes) -> None:
    channels = DynamicChannels(frozenset({"x"}))
    [opening] = virtual_channel.pieces(b"\x10\x01x\0")
    channels.take(0, opening, from_client=False)
    _follow(channels, data)


def _rdp_sound(data: bytes) -> None:
    _follow(SoundChannel(), data)


def _rdp_shares(data: bytes) -> None:
    for kind, reduced in ((3, confirm_active), (1, demand_active)):
        reduced(rdp.share(kind, data))
    slowpath.without_reconnect_cookie(rdp.share(7, data))
    logon_info.told(rdp.share(7, data))


def _typed_commands(data: bytes) -> None:
    """What a client types and a target shows in turn, and the time that passes."""
    rules = Rules([CommandRule(name="r", pattern="a.*b", action=RuleAction.NOTICE)])
    guard, at_ms = Guard(rules, 1 + len(data) % 40), 0
    for side, piece in _pieces(data):
        at_ms += 40
        (guard.typed if side else guard.shown)(at_ms, piece)
        guard.tick(at_ms)
        guard.take()
    guard.finish(at_ms)


def _gate(request: str, detail: str) -> Callable[[bytes], None]:
    """What a client sends where rules go by paths, and what the target answers."""

    def feed(data: bytes) -> None:
        rule = FileRule(
            name="r", verdict=FileVerdict.REFUSE, directions=tuple(Direction), glob="/a*/**"
        )
        gate = Transfers([rule]).gate(request, detail)
        assert gate is not None
        for side, piece in _pieces(data):
            (gate.typed if side else gate.shown)(0, piece)
            gate.take()
            gate.take_answer()
        gate.finish(0)

    return feed


DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    "bundle": _bundle,
    "bundle_manifest": bundle.decode_manifest,
    "bus_command": codec.decode_command,
    "bus_reply": codec.decode_reply,
    "bus_request": codec.decode_request,
    "bus_result": codec.decode_result,
    "channel_open": packets.ChannelOpen.read,
    "channel_request": _channel_request,
    "chunk": _chunk,
    "chunk_behind_checksum": _chunk_with_a_whole_checksum,
    "desktop": _desktop,
    "desktop_bitmap": _bitmap,
    "desktop_bulk": _bulk,
    "desktop_clipboard": _clipboard,
    "desktop_io_channel": _io_channel,
    "envelope": _envelope,
    "envelope_behind_signature": _envelope_of_a_known_issuer,
    "encrypted_frames": _encrypted_frames,
    "events": decode_burst,
    "frames": _frames,
    "global_request": _global_request,
    "ledger_command": lambda data: ledger_for("exec", data),
    "live_feed": _live_feed,
    "open_confirmation": packets.OpenConfirmation.read,
    "open_refusal": packets.OpenRefusal.read,
    "operator_answer": decode_answer,
    "operator_request": decode_request,
    "packet_body": packets.payload_of,
    "scp_download": _ledger("exec", b"scp -f /x"),
    "scp_upload": _ledger("exec", b"scp -r -t /x"),
    "scp_gate": _gate("exec", "scp -r -t /x"),
    "rdp_answer": read_answer,
    "rdp_client_core": ClientCore.read,
    "rdp_clipboard": _rdp_clipboard,
    "rdp_client_info": ClientInfo.read,
    "rdp_conference": gcc.read_request,
    "rdp_credentials": PasswordCredentials.read,
    "rdp_device_requests": _rdp_device_requests,
    "rdp_devices": _rdp_devices,
    "rdp_dynamic_channels": _rdp_dynamic,
    "rdp_login": _rdp_login,
    "rdp_nla": _rdp_nla,
    "rdp_ntlm": Authenticate.read,
    "rdp_printers": read_settings,
    "rdp_redirection": Redirection.read,
    "rdp_relay": _rdp_relay,
    "rdp_request": ConnectionRequest.read,
    "rdp_shares": _rdp_shares,
    "rdp_sound": _rdp_sound,
    "rdp_spnego": Init.read,
    "rdp_ts_request": TSRequest.read,
    "screen": _screen,
    "segment_front": lambda data: read_front(chunk.frame(data) + data),
    "sftp": _ledger("subsystem", b"sftp"),
    "sftp_gate": _gate("subsystem", "sftp"),
    "tree_head": decode_head,
    "typed_commands": _typed_commands,
    "terminal_request": packets.Terminal.read,
}


def check(name: str, data: bytes) -> None:
    """Decode; raise only what is a finding."""
    with contextlib.suppress(*ALLOWED):
        DECODERS[name](data)
