"""From what a target sends to the picture that the client shows.

Understood are bitmap and palette updates on both paths, and the size that comes with each
activation: all that the relay lets a target use. What else comes is counted, not drawn.
"""

from typing import Final

from msgspec import Struct, field

from recorder.errors import MalformedPduError
from recorder.replay.rdp import share
from recorder.replay.rdp.bitmaps import (
    GREYS,
    BitmapDecoder,
    Palette,
    bitmaps,
    picture,
    read_palette,
)
from recorder.replay.rdp.bulk import BulkState, Inflater
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.framebuffer import Framebuffer, FramebufferState
from recorder.replay.rdp.pdus import FastPathPdu

_ORDERS: Final = 0
_BITMAP: Final = 1
_PALETTE: Final = 2
_SURFACE_COMMANDS: Final = 4
"""Kinds of an update; 0 to 2 are the same on both paths ([MS-RDPBCGR] 2.2.9.1.2.1)."""
_DRAWING: Final = frozenset({_ORDERS, _SURFACE_COMMANDS})
_COMPRESSION_USED: Final = 2
_LAST, _FIRST, _NEXT = 1, 2, 3
"""How a FastPath update is cut; 0 is whole."""
_MAX_UPDATE_BYTES: Final = 16 * 1024 * 1024


class ScreenState(Struct, array_like=True):
    """What carries a screen over to the next chunk."""

    framebuffer: FramebufferState | None = None
    bulk: BulkState = field(default_factory=BulkState)
    palette: Palette = ()
    """Empty: the greys."""
    fragment: bytes = b""
    """The beginning of a FastPath update."""


class Screen:
    """Follows one desktop."""

    def __init__(self, decoder: BitmapDecoder, state: ScreenState | None = None) -> None:
        state = state or ScreenState()
        self._decoder = decoder
        self._inflater = Inflater(state.bulk, decoder.unpacker())
        self._palette = state.palette or GREYS
        self._fragment = bytearray(state.fragment)
        self.framebuffer: Framebuffer | None = None
        if state.framebuffer is not None:
            self.framebuffer = Framebuffer.restored(state.framebuffer)
        self.drawn = 0
        """Counts what changed the picture."""
        self.not_drawn = 0
        """Updates of a kind that was not agreed."""

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height; None before they are known."""
        shown = self.framebuffer
        return None if shown is None else (shown.width_px, shown.height_px)

    def state(self) -> ScreenState:
        """Return what the next chunk needs."""
        framebuffer = None if self.framebuffer is None else self.framebuffer.state()
        palette = () if self._palette is GREYS else self._palette
        return ScreenState(framebuffer, self._inflater.state(), palette, bytes(self._fragment))

    def lose(self) -> None:
        """Note a gap: what the desktop shows is unknown until it is drawn anew."""
        self._inflater.lose()
        self._fragment.clear()
        if self.framebuffer is not None:
            self.framebuffer.forget()
            self.drawn += 1

    def resize(self, width_px: int, height_px: int) -> None:
        """Take the desktop's size; another one than before begins black."""
        before = self.framebuffer
        if before is not None and (before.width_px, before.height_px) == (width_px, height_px):
            return
        self.framebuffer = Framebuffer(width_px, height_px)
        self.drawn += 1

    def fast_path(self, pdu: FastPathPdu) -> None:
        """Take a FastPath update PDU; raise `MalformedPduError`."""
        cursor = Cursor(pdu.body)
        while cursor.left:
            header = cursor.u8()
            flags = cursor.u8() if header >> 6 & _COMPRESSION_USED else 0
            body = self._inflater.inflate(cursor.take(cursor.u16()), flags)
            whole = self._whole(header >> 4 & 3, body)
            if whole is not None:
                self._update(header & 0x0F, whole)

    def io_channel(self, data: memoryview) -> None:
        """Take what the target sent on the I/O channel; raise `MalformedPduError`."""
        for control in share.share_controls(data):
            if control.kind == share.DEMAND_ACTIVE:
                self._activate(control.body)
            elif control.kind == share.DATA:
                one = share.share_data(control.body)
                body = self._inflater.inflate(one.body, one.compression)
                if one.kind == share.UPDATE:
                    self._update(Cursor(memoryview(body)).u16(), body)

    def _activate(self, body: memoryview) -> None:
        size = share.desktop_size(body)
        if size is not None:
            self.resize(size.width_px, size.height_px)

    def _whole(self, place: int, body: bytes | memoryview) -> bytes | memoryview | None:
        """Return an update once all of it is there."""
        if place == 0:
            return body
        if place == _FIRST:
            self._fragment.clear()
        elif not self._fragment:
            return None  # Its beginning is in a gap.
        self._fragment += body
        if len(self._fragment) > _MAX_UPDATE_BYTES:
            self._fragment.clear()
            raise MalformedPduError("an update without end")
        if place != _LAST:
            return None
        whole = bytes(self._fragment)
        self._fragment.clear()
        return whole

    def _update(self, kind: int, body: bytes | memoryview) -> None:
        """Draw; the body of these two kinds begins with the kind, on either path."""
        cursor = Cursor(body)
        if kind == _BITMAP:
            cursor.skip(2)
            self._draw(cursor)
        elif kind == _PALETTE:
            cursor.skip(2)
            self._palette = read_palette(cursor)
        elif kind in _DRAWING and cursor.left:
            self.not_drawn += 1

    def _draw(self, cursor: Cursor) -> None:
        framebuffer = self.framebuffer
        if framebuffer is None:
            raise MalformedPduError("a picture before the desktop's size")
        for bitmap in bitmaps(cursor):
            framebuffer.draw(bitmap, picture(bitmap, self._decoder, self._palette))
            self.drawn += 1
