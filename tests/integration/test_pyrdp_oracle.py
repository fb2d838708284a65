"""Our RDP decoders against PyRDP's, over sessions with real peers: see `script/pyrdp-oracle`.

The two share neither code nor authors. PyRDP does not inflate what is compressed in bulk, nor
put FastPath updates together: that it is spared, and reads what our `Inflater` made of them.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest
from peers.pyrdp import PyRDP, PyRDPError
from samples.desktops import SHOWN, TYPED, Watched, recorded, text_of
from samples.pyrdp import moves_of, told_of, with_alpha

from protocols.rdp.wire import clipboard as wire_clipboard
from protocols.rdp.wire import mcs
from protocols.rdp.wire.framing import Splitter
from protocols.rdp.wire.keys import keys_of
from recorder.events import ClientData, DesktopStarted, TargetData
from recorder.replay.rdp import share
from recorder.replay.rdp.bitmaps import Bitmap, PureDecoder, bitmaps
from recorder.replay.rdp.bulk import BulkState, Inflater
from recorder.replay.rdp.clipboard import Clipboard, ClipboardFile, ClipboardText
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.input import fast_path_input
from recorder.replay.rdp.interleaved import decode_interleaved
from recorder.replay.rdp.pdus import FastPathPdu, pdus
from recorder.replay.rdp.planar import decode_planar
from recorder.replay.rdp.virtual_channel import Reassembly

pytestmark = pytest.mark.pyrdp_oracle
SESSIONS: Final = (*SHOWN, *TYPED, "clip")
IO_CHANNEL: Final = 1003
BITMAP, WHOLE, LAST, FIRST = 1, 0, 1, 2
SLOW_UPDATE, OTHER = -1, -2
BULK_COMPRESSED: Final = 0x20
COMPRESSED, NO_HEADER, BITMAP_HEADER_BYTES = 0x0001, 0x0400, 8
PLANAR_BITS, PLANAR_WITHOUT_ALPHA = 32, 0x30
UNICODE_TEXT, DIRECTORY = 13, 0x10
MIN_BITMAPS: Final = 50
HEADERS_BYTES, KIND_AT, COMPRESSION_AT = 18, 14, 15
"""Of a share data PDU ([MS-RDPBCGR] 2.2.8.1.1.1.2)."""


class Session:
    """A recorded session as both cut it into what each channel carried."""

    def __init__(self, pyrdp: PyRDP, name: str) -> None:
        self.name = name
        started, *events = recorded(name)
        assert isinstance(started, DesktopStarted)
        self.clipboard = next(n for n, name in started.static_channels if name == "cliprdr")
        self.frames: list[tuple[bool, bytes, list[Any]]] = []
        """From the client?; a packet of ours; what PyRDP says of it."""
        for event in events:
            assert isinstance(event, ClientData | TargetData)
            from_client = isinstance(event, ClientData)
            told = pyrdp.ask("frames", event.data, from_client=from_client)
            packets = Splitter().feed(event.data)
            self.frames += [
                (from_client, packet, one) for packet, one in zip(packets, told, strict=True)
            ]

    def sent(self, channel: int) -> Iterator[tuple[bool, bytes]]:
        """Yield what PyRDP saw on a channel."""
        for from_client, _, (kind, *told) in self.frames:
            if kind == "sent" and told[2] == channel:
                yield from_client, bytes.fromhex(told[3])


@pytest.fixture(scope="module", params=SESSIONS)
def session(pyrdp: PyRDP, request: pytest.FixtureRequest) -> Session:
    return Session(pyrdp, request.param)


def test_both_find_the_same_packets_channels_and_data(session: Session) -> None:
    kinds: Counter[str] = Counter()
    for from_client, packet, (kind, *told) in session.frames:
        kinds[kind] += 1
        [pdu] = pdus(packet)
        if isinstance(pdu, FastPathPdu):
            assert kind == ("input" if from_client else "output")
            continue
        sent = mcs.read_sent(packet)
        ours = [
            mcs.number_of(packet),
            sent.initiator,
            sent.channel,
            packet[sent.offset :].hex(),
        ]
        assert (kind, told) == ("sent", ours)
        assert (pdu.channel, pdu.body.hex()) == (told[2], told[3])
    assert set(kinds) == {"input", "output", "sent"}


def test_both_find_the_same_updates_on_the_i_o_channel(pyrdp: PyRDP, session: Session) -> None:
    found: Counter[int] = Counter()
    for _, data in session.sent(IO_CHANNEL):
        controls = list(share.share_controls(memoryview(data)))
        if not controls:  # Licensing and Client Info have a security header there.
            with pytest.raises(PyRDPError, match="is not a valid SlowPathPDUType"):
                pyrdp.ask("share", data)
            continue
        [control], told = controls, pyrdp.ask("share", data)
        found[control.kind] += 1
        assert control.kind == told["kind"]
        if control.kind == share.DEMAND_ACTIVE:
            size = share.desktop_size(control.body)
            assert size is not None
            assert [size.width_px, size.height_px, size.colour_depth_bits] == told["desktop"]
        elif control.kind == share.DATA:
            one = share.share_data(control.body)
            assert (one.kind, one.compression) == (told["subtype"], told["compression"])
            if one.kind == share.UPDATE and not one.compression & BULK_COMPRESSED:
                kind, size = Cursor(one.body).u16(), len(one.body) - 2
                assert (kind, size) == (told["update"], told["bytes"])
    assert found[share.DEMAND_ACTIVE] > 0
    assert found[share.DATA] > found[share.DEMAND_ACTIVE]


def updates(session: Session) -> Iterator[bytes]:
    """Yield the whole bitmap updates that PyRDP saw, inflated."""
    inflater, begun = Inflater(BulkState()), b""
    for kind, place, flags, data in pieces(session):
        body = bytes(inflater.inflate(memoryview(data), flags))
        if kind == BITMAP:
            begun = body if place in (WHOLE, FIRST) else begun + body
            if place in (WHOLE, LAST):
                yield begun
        elif kind == SLOW_UPDATE and body[0] == BITMAP:
            yield body


def pieces(session: Session) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, place in an update, flags of compression and data on either path."""
    for from_client, _, (path, *told) in session.frames:
        if from_client:
            continue
        if path == "output":
            for kind, place, flags, data in told[0]:
                yield kind, place, flags, bytes.fromhex(data)
        elif told[2] == IO_CHANNEL:
            data = bytes.fromhex(told[3])
            if data[2] & 0x0F == share.DATA:
                kind = SLOW_UPDATE if data[KIND_AT] == share.UPDATE else OTHER
                yield kind, WHOLE, data[COMPRESSION_AT], data[HEADERS_BYTES:]


class Kept(PureDecoder):
    """Keeps what was decoded."""

    def __init__(self) -> None:
        self.bitmaps: list[Bitmap] = []

    def decode(self, bitmap: Bitmap) -> bytes:
        self.bitmaps.append(bitmap)
        return super().decode(bitmap)


def rectangle(bitmap: Bitmap) -> list[Any]:
    return [
        *(bitmap.left_px, bitmap.top_px, bitmap.right_px, bitmap.bottom_px),
        *(bitmap.width_px, bitmap.height_px, bitmap.depth_bits),
        *(bitmap.compressed, bitmap.data.hex()),
    ]


def rectangles(pyrdp: PyRDP, body: bytes) -> list[Any]:
    """Return what PyRDP finds; it leaves the header of compressed data where it is."""
    found = []
    for *place, flags, data in pyrdp.ask("rectangles", body[2:]):
        is_compressed = bool(flags & COMPRESSED)
        header_bytes = BITMAP_HEADER_BYTES if is_compressed and not flags & NO_HEADER else 0
        found.append([*place, is_compressed, data[2 * header_bytes :]])
    return found


def test_both_find_the_same_rectangles(pyrdp: PyRDP, session: Session) -> None:
    theirs: list[Any] = []
    for body in updates(session):
        found = rectangles(pyrdp, body)
        assert [rectangle(one) for one in bitmaps(Cursor(body[2:]))] == found
        theirs += found
    kept = Kept()
    Watched(kept).take(recorded(session.name))
    assert len(kept.bitmaps) > MIN_BITMAPS
    assert [rectangle(one) for one in kept.bitmaps] == theirs


def test_both_see_the_same_pixels_at_every_depth(pyrdp: PyRDP, session: Session) -> None:
    kept, refused = Kept(), 0
    Watched(kept).take(recorded(session.name))
    for one in kept.bitmaps:
        data, size = bytes(one.data), (one.depth_bits + 7) // 8
        sought = {"width": one.width_px, "height": one.height_px, "size": size}
        if one.depth_bits == PLANAR_BITS and data[0] == PLANAR_WITHOUT_ALPHA:
            # It wants the plane that [MS-RDPEGDI] 2.2.2.5.1 allows to leave out.
            with pytest.raises(PyRDPError, match="returned NULL"):
                pyrdp.ask("pixels", data, **sought)
            data, refused = with_alpha(data, one.width_px, one.height_px), refused + 1
        theirs = bytearray.fromhex(pyrdp.ask("pixels", data, **sought))
        if one.depth_bits == PLANAR_BITS:
            theirs[3::4] = b"\xff" * (len(theirs) // 4)
            assert theirs == decode_planar(one.data, one.width_px, one.height_px)
        else:
            sides = one.width_px, one.height_px
            pixels = decode_interleaved(one.data, *sides, one.depth_bits)
            assert theirs == b"".join(pixel.to_bytes(size, "little") for pixel in pixels)
    # freerdp-shadow sends all without it.
    assert refused == (len(kept.bitmaps) if session.name == "shadow" else 0)


def test_both_find_the_same_keys_and_clicks(pyrdp: PyRDP, session: Session) -> None:
    events = 0
    for _, packet, (kind, *told) in session.frames:
        if kind == "input":
            [pdu] = pdus(packet)
            assert isinstance(pdu, FastPathPdu)
            assert [told_of(event) for event in fast_path_input(pdu)] == told[0]
            assert keys_of(packet, IO_CHANNEL) == moves_of(told[0])
            events += len(told[0])
    assert events > 0


def test_both_put_the_same_clipboard_together(pyrdp: PyRDP, session: Session) -> None:
    clipboard, ours = Clipboard(), {True: Reassembly(), False: Reassembly()}
    copied: list[ClipboardText | ClipboardFile] = []
    theirs: list[ClipboardText | ClipboardFile] = []
    for from_client, data in session.sent(session.clipboard):
        message = ours[from_client].add(memoryview(data))
        told = pyrdp.ask("message", data, channel=f"{session.name} {from_client}")
        assert told == ([] if message is None else [message.hex()])
        if message is None:
            continue
        copied += clipboard.take(message, from_client=from_client)
        whole = wire_clipboard.check_size(message)
        kind = wire_clipboard.kind_of(whole)
        # Who is asked has what is asked for.
        is_from_owner = kind != wire_clipboard.Kind.DATA_REQUEST
        owner = f"{session.name} {from_client == is_from_owner}"
        told = pyrdp.ask("clipboard", message, owner=owner)
        assert told["kind"] == kind
        if kind == wire_clipboard.Kind.FORMAT_LIST:
            formats = wire_clipboard.read_formats(whole, long_names=True)
            assert [one.number for one in formats] == told["formats"]
        elif kind == wire_clipboard.Kind.DATA_REQUEST:
            assert wire_clipboard.asked_format(whole) == told["asked"]
        elif kind == wire_clipboard.Kind.DATA_RESPONSE:
            theirs += crossed(told, to_target=from_client)
    assert copied == theirs
    if session.name == "clip":
        assert [text_of("copied-to-target.txt"), text_of("copied-from-target.txt")] == [
            one.text.replace("\r\n", "\n") for one in theirs if isinstance(one, ClipboardText)
        ]
        assert any(isinstance(one, ClipboardFile) for one in theirs)


def crossed(
    told: dict[str, Any], *, to_target: bool
) -> Iterator[ClipboardText | ClipboardFile]:
    """Yield what PyRDP saw in a response; for it a text goes on behind its end."""
    if told["ok"] and told["asked"] == UNICODE_TEXT:
        yield ClipboardText(to_target, told["text"].partition("\0")[0])
    for name, size_bytes, attributes in told["files"]:
        yield ClipboardFile(to_target, name, size_bytes, bool(attributes & DIRECTORY))
