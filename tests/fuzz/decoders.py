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
from fuzz import rdp_decoders, rdp_target_decoders
from fuzz.turns import turns
from samples.rdp import accepted_client, share

from bus import codec, signed
from bus.command_rules import CommandRule, RuleAction
from bus.errors import BadMessageError, FeedCutError
from bus.file_rules import Direction, FileRule, FileVerdict
from bus.sealed_feed import FeedOpener
from control.errors import ControlError
from control.wire import decode_answer, decode_request
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.demo.session import DemoSession
from protocols.rdp.wire import keys, mcs
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
from recorder.events import decode_burst
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
    TargetUnreachableError,
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


def _ledger(request: str, detail: bytes) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        ledger = ledger_for(request, detail)
        assert ledger is not None
        for side, piece in turns(data):
            (ledger.client if side else ledger.target)(0, piece)
        ledger.close(0)

    return feed


def _screen(data: bytes) -> None:
    screen = ScreenFilter()
    for _, piece in turns(data):
        screen.feed(piece)
    screen.reset()


def _desktop(data: bytes) -> None:
    """Both legs of an RDP session by turns; nothing may be raised."""
    state = DesktopState(clipboard_channel=1004)
    desktop = Desktop(state, lambda _at_ms, _kind, _text: None, PureDecoder())
    desktop.resize(0, 32, 16)
    for at_ms, (side, piece) in enumerate(turns(data)):
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


def _typed_keys(data: bytes) -> None:
    """Events of a keyboard, in packets whose headers are right."""
    state = DesktopState()
    desktop = Desktop(state, lambda _at_ms, _kind, _text: None, PureDecoder())
    for at_ms, (side, piece) in enumerate(turns(data)):
        events = 1 + len(piece) % 15
        size = (0x8000 | 3 + len(piece)).to_bytes(2, "big")
        packet = bytes([events << 2]) + size + piece
        keys.keys_of(packet, 1003)
        slow = mcs.send_request(1006, 1003, share(7, bytes(8) + b"\x1c\0\0\0" + piece))
        keys.keys_of(slow, 1003)
        desktop.type(at_ms, slow if side else packet)
    desktop.close()


def _demo_desktop(data: bytes) -> None:
    """What whoever is logged on says to the target of the demo."""
    session = DemoSession(accepted_client())
    session.start()
    for side, piece in turns(data):
        session.receive(mcs.send_request(1006, 1003, piece) if side else piece)
        session.take()


def _typed_commands(data: bytes) -> None:
    """What a client types and a target shows in turn, and the time that passes."""
    rules = Rules([CommandRule(name="r", pattern="a.*b", action=RuleAction.NOTICE)])
    guard, at_ms = Guard(rules, 1 + len(data) % 40), 0
    for side, piece in turns(data):
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
        for side, piece in turns(data):
            (gate.typed if side else gate.shown)(0, piece)
            gate.take()
            gate.take_answer()
        gate.finish(0)

    return feed


DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    **rdp_decoders.DECODERS,
    **rdp_target_decoders.DECODERS,
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
    "desktop_keys": _typed_keys,
    "demo_desktop": _demo_desktop,
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
