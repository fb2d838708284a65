"""The demo desktop's part of a session behind Client Info ([MS-RDPBCGR] 1.3.1.1 on).

    licence, Demand Active ── Confirm Active ── Synchronise, Control, Font List ── pictures

What a client sends that a desktop of letters has no use for is skipped, as Windows does.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import IO_CHANNEL, ClientSide
from protocols.rdp.demo.keyboard import Keyboard
from protocols.rdp.demo.page import Page
from protocols.rdp.demo.paint import CELL_HEIGHT_PX, CELL_WIDTH_PX, Painter, depth_for
from protocols.rdp.wire import keys, licensing, mcs, slowpath
from protocols.rdp.wire.capability_sets import Active, Capability, Sets
from protocols.rdp.wire.framing import Splitter

MAX_WIDTH_PX, MAX_HEIGHT_PX = 1920, 1200
"""A larger client gets this much: it shows the rest empty, or a smaller window."""
MIN_SIDE_PX: Final = 200
"""As small as a client may ask for ([MS-RDPBCGR] 2.2.1.3.2)."""
_FASTPATH_ACTION: Final = 0b11

_UPDATE, _CONTROL, _POINTER, _INPUT, _SYNCHRONISE = 2, 20, 27, 28, 31
_REFRESH, _SUPPRESS, _SHUTDOWN, _FONT_LIST, _FONT_MAP = 33, 35, 36, 39, 40
"""Share data PDUs ([MS-RDPBCGR] 2.2.8.1.1.1.2)."""
_REQUEST, _GRANTED, _COOPERATE = 1, 2, 4
"""Actions of Control (2.2.1.15.1)."""
_CONTROL_ID: Final = 0x03EA
_FONTS: Final = b"\x00\x00\x00\x00\x03\x00\x04\x00"
"""No fonts, the first and last of such lists (2.2.1.22.1)."""
_ARROW: Final = b"\x01\x00\x00\x00\x00\x7f\x00\x00"
"""The client's own default pointer (2.2.9.1.1.4.3)."""
_LOGGED_ON: Final = b"\x02\x00\x00\x00" + bytes(576)
"""Somebody is logged on, whoever it is (2.2.10.1.1.3)."""


class DemoSession:
    """One client's session. What it is to be sent collects until `take` is called."""

    def __init__(self, client: ClientSide) -> None:
        """Take a client that is logged on; `RemoteProtocolError` at one of 256 colours."""
        core = client.core
        depth = depth_for(core.colour_depth_bits)
        if depth is None:
            raise RemoteProtocolError(f"a client of {core.colour_depth_bits} bits a pixel")
        self._user, self._depth = client.user, depth
        self._width_px = min(max(core.width_px, MIN_SIDE_PX), MAX_WIDTH_PX)
        self._height_px = min(max(core.height_px, MIN_SIDE_PX), MAX_HEIGHT_PX)
        self._page = Page(self._width_px // CELL_WIDTH_PX, self._height_px // CELL_HEIGHT_PX)
        self._painter = Painter(self._width_px, self._height_px, depth)
        self._keyboard = Keyboard()
        self._splitter = Splitter()
        self._out: list[bytes] = []
        self._confirmed = self._suppressed = False
        self.active = False
        """Whether the connection sequence is over: then the client may take its time."""
        self.over = False
        """Whether the client said that it leaves."""

    def start(self) -> None:
        """Begin."""
        self._send(licensing.valid_client())
        self._send(self._demand_active())

    def receive(self, data: bytes) -> None:
        """Take what the client sent; raise `RemoteProtocolError` where it makes no sense."""
        for packet in self._splitter.feed(data):
            if self.over:
                return
            if packet[0] & _FASTPATH_ACTION:
                self._tpkt(packet)
            else:
                self._type(keys.fast_path_keys(packet))
        if self.active and not self._suppressed:
            # Once for all that came: whoever asks often gets no more for it.
            for body in self._painter.paint(self._page.grid()):
                self._share_data(_UPDATE, body)

    def take(self) -> bytes:
        """Return what the client is to be sent, and forget it."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    # --- from the client

    def _tpkt(self, packet: bytes) -> None:
        number = mcs.number_of(packet)
        if number == mcs.Domain.DISCONNECT:
            self.over = True
        elif number == mcs.Domain.SEND_DATA_REQUEST:
            sent = mcs.read_sent(packet)
            if sent.channel == IO_CHANNEL:
                self._share(packet[sent.offset :])

    def _share(self, share: bytes) -> None:
        kind = slowpath.share_kind(share)
        if kind == slowpath.Share.CONFIRM_ACTIVE:
            self._confirmed = True
        elif kind == slowpath.Share.DATA and not slowpath.is_compressed(share):
            handle = self._handlers.get(slowpath.share_data_kind(share) or 0)
            if handle is not None:
                handle(share)

    @property
    def _handlers(self) -> Mapping[int, Callable[[bytes], None]]:
        return MappingProxyType(
            {
                _SYNCHRONISE: self._synchronised,
                _CONTROL: self._controlled,
                _FONT_LIST: self._font_list,
                _INPUT: lambda share: self._type(keys.slow_path_keys(share, 0)),
                _REFRESH: lambda _share: self._painter.forget(),
                _SUPPRESS: self._suppress,
                _SHUTDOWN: self._shut_down,
            }
        )

    def _synchronised(self, _share: bytes) -> None:
        self._share_data(_SYNCHRONISE, b"\x01\x00" + self._user.to_bytes(2, "little"))

    def _controlled(self, share: bytes) -> None:
        action = int.from_bytes(_body(share)[:2], "little")
        if action == _COOPERATE:
            self._share_data(_CONTROL, _COOPERATE.to_bytes(2, "little") + bytes(6))
        elif action == _REQUEST:
            granted = _GRANTED.to_bytes(2, "little") + self._user.to_bytes(2, "little")
            self._share_data(_CONTROL, granted + _CONTROL_ID.to_bytes(4, "little"))

    def _font_list(self, _share: bytes) -> None:
        if not self._confirmed:
            raise RemoteProtocolError("a Font List before the Confirm Active")
        self._share_data(_FONT_MAP, _FONTS)
        if not self.active:
            self.active = True
            self._share_data(slowpath.ShareData.SAVE_SESSION_INFO, _LOGGED_ON)
            self._share_data(_POINTER, _ARROW)

    def _suppress(self, share: bytes) -> None:
        """[MS-RDPBCGR] 2.2.11.3: a client that is minimised wants no pictures."""
        self._suppressed = _body(share)[:1] == b"\x00"
        self._painter.forget()

    def _shut_down(self, _share: bytes) -> None:
        """Let the user close the window: nothing is open here that would be lost."""
        self._out.append(mcs.disconnect())
        self.over = True

    def _type(self, moves: list[keys.KeyMove]) -> None:
        self._page.type(self._keyboard.typed(moves))

    # --- to the client

    def _send(self, data: bytes) -> None:
        self._out.append(mcs.send_indication(slowpath.SERVER_USER, IO_CHANNEL, data))

    def _share_data(self, kind: int, body: bytes) -> None:
        self._send(slowpath.share_data(kind, body))

    def _demand_active(self) -> bytes:
        empty = slowpath.share_control(slowpath.Share.DEMAND_ACTIVE, b"")
        demand = Active(
            header=empty[2:],
            ids=slowpath.SHARE_ID.to_bytes(4, "little"),
            source=b"RDP\0",
            sets=(),
            after=bytes(4),
        )
        return demand.write(self._sets())

    def _sets(self) -> Sets:
        """Return what this desktop can do: bitmaps, and keys ([MS-RDPBCGR] 2.2.7)."""
        size = (self._width_px, self._height_px)
        return [
            (Capability.SHARE, _words(_CONTROL_ID, 0)),
            # Windows, RDP 5; long credentials; Refresh Rect and Suppress Output.
            (Capability.GENERAL, _words(1, 3, 0x0200, 0, 0, 0x0004, 0, 0, 0, 0x0101)),
            (Capability.BITMAP, _words(self._depth.bits, 1, 1, 1, *size, 0, 1, 1, 0, 1, 0)),
            (Capability.FONT, _words(1, 0)),
            (Capability.ORDER, _ORDER),
            (Capability.COLOUR_CACHE, _words(6, 0)),
            (Capability.POINTER, _words(1, 20, 20)),
            # Scan codes, mouse, FastPath of both kinds, characters.
            (Capability.INPUT, _words(0x003D, 0) + bytes(80)),
            (Capability.VIRTUAL_CHANNEL, bytes(4)),
        ]


def _body(share: bytes) -> bytes:
    return share[slowpath.SHARE_DATA_BYTES :]


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "little") for number in numbers)


_ORDER: Final = bytes(20) + _words(1, 20, 0, 1, 0) + b"\x0a\x00" + bytes(32 + 4 + 4 + 4 + 4 + 4)
"""No drawing orders: the two flags that are a must, and desktop save areas of the usual grain
([MS-RDPBCGR] 2.2.7.1.3)."""
