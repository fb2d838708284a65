"""Decodes interleaved run-length bitmaps of 8, 15, 16 and 24 bits ([MS-RDPBCGR] 3.1.9).

Pixels are kept as numbers while they are decoded, the lowest row first, as on the wire.
"""

from collections.abc import Callable, Sequence
from typing import Final

from recorder.errors import MalformedPduError
from recorder.replay.rdp.cursor import Cursor

_WHITE: Final = {8: 0xFF, 15: 0x7FFF, 16: 0xFFFF, 24: 0xFFFFFF}
_LITE: Final = 0xC0
_MEGA: Final = 0xF0
_IMAGE_MASKS: Final = {0xF9: 0x03, 0xFA: 0x05}
"""Orders that draw eight pixels by a mask of their own."""
_SPECIAL_WHITE: Final = 0xFD
_SPECIAL_BLACK: Final = 0xFE


def decode_interleaved(
    data: bytes | memoryview, width_px: int, height_px: int, depth_bits: int
) -> list[int]:
    """Return the pixels, topmost row first; raise `MalformedPduError`."""
    decoding = _Decoding(Cursor(data), width_px, width_px * height_px, depth_bits)
    while decoding.cursor.left:
        decoding.order()
    pixels = decoding.pixels
    if len(pixels) != width_px * height_px:
        raise MalformedPduError(f"{len(pixels)} pixels of {width_px * height_px}")
    starts = range(len(pixels) - width_px, -1, -width_px)
    return [pixel for start in starts for pixel in pixels[start : start + width_px]]


class _Decoding:
    """One bitmap, as far as it is decoded."""

    def __init__(self, cursor: Cursor, width_px: int, limit: int, depth_bits: int) -> None:
        self.cursor = cursor
        self.pixels: list[int] = []
        self._width_px = width_px
        self._limit = limit
        self._white = self._foreground = _WHITE[depth_bits]
        self._pixel_bytes = (depth_bits + 7) // 8
        self._after_background = False
        self._in_first_row = True

    def order(self) -> None:
        """Decode one order."""
        header = self.cursor.u8()
        after_background, self._after_background = self._after_background, False
        if self._in_first_row and len(self.pixels) >= self._width_px:
            self._in_first_row = after_background = False
        if header in _IMAGE_MASKS:
            self._image(8, [_IMAGE_MASKS[header]])
        elif header in (_SPECIAL_WHITE, _SPECIAL_BLACK):
            self._add([self._white if header == _SPECIAL_WHITE else 0])
        else:
            kind, length = self._kind_and_length(header)
            draw = _ORDERS.get(kind)
            if draw is None:
                raise MalformedPduError(f"no order has the code {header:#04x}")
            if kind == _BACKGROUND:
                self._background(length, continued=after_background)
            else:
                draw(self, length)

    def _kind_and_length(self, header: int) -> tuple[int, int]:
        """Return which order it is, by its MEGA_MEGA code, and the length it gives."""
        if header >= _MEGA:
            return header, self.cursor.u16()
        lite = header >= _LITE
        kind = _LITE_CODES[header >> 4] if lite else _REGULAR_CODES[header >> 5]
        mask = 0x0F if lite else 0x1F
        length = header & mask
        if kind in (_FOREGROUND_IMAGE, _SET_FOREGROUND_IMAGE):
            return kind, 8 * length or self.cursor.u8() + 1
        return kind, length or self.cursor.u8() + mask + 1

    def _background(self, length: int, *, continued: bool) -> None:
        """Repeat the row above. Two such orders in a row have a foreground pixel between."""
        self._after_background = True
        if continued and length:
            self._add([pixel ^ self._foreground for pixel in self._above(1)])
            length -= 1
        while length > 0:
            above = self._above(length)
            self._add(above)
            length -= len(above)

    def foreground_run(self, length: int) -> None:
        """Mix the row above with the foreground colour."""
        while length > 0:
            above = self._above(length)
            foreground = self._foreground
            self._add([pixel ^ foreground for pixel in above])
            length -= len(above)

    def set_foreground_run(self, length: int) -> None:
        """Take a foreground colour, and mix it in."""
        self._foreground = self._pixel()
        self.foreground_run(length)

    def dithered_run(self, length: int) -> None:
        """Draw two colours by turns, `length` times both."""
        pair = [self._pixel(), self._pixel()]
        self._check(2 * length)
        self._add(pair * length)

    def colour_run(self, length: int) -> None:
        """Draw one colour."""
        colour = self._pixel()
        self._check(length)
        self._add([colour] * length)

    def colour_image(self, length: int) -> None:
        """Draw the pixels that follow."""
        self._check(length)
        self._add([self._pixel() for _ in range(length)])

    def foreground_image(self, length: int) -> None:
        """Mix in the foreground where the masks that follow say so."""
        self._image(length, self.cursor.take((length + 7) // 8))

    def set_foreground_image(self, length: int) -> None:
        """Take a foreground colour, and do the same."""
        self._foreground = self._pixel()
        self.foreground_image(length)

    def _image(self, length: int, masks: Sequence[int] | memoryview) -> None:
        """Draw foreground where a bit is set, and the row above where it is not."""
        for place in range(length):
            set_bit = masks[place >> 3] >> (place & 7) & 1
            above = self._above(1)[0]
            self._add([above ^ self._foreground if set_bit else above])

    def _above(self, length: int) -> Sequence[int]:
        """Return at most `length` pixels of the row above.

        An order that begins in the first row has a black one, to its end in whatever row.
        """
        if self._in_first_row:
            return [0] * length
        start = len(self.pixels) - self._width_px
        return self.pixels[start : start + min(length, self._width_px)]

    def _add(self, pixels: Sequence[int]) -> None:
        self._check(len(pixels))
        self.pixels.extend(pixels)

    def _check(self, length: int) -> None:
        if len(self.pixels) + length > self._limit:
            raise MalformedPduError("more pixels than the bitmap has")

    def _pixel(self) -> int:
        return int.from_bytes(self.cursor.take(self._pixel_bytes), "little")


_BACKGROUND: Final = 0xF0
_FOREGROUND_IMAGE: Final = 0xF2
_SET_FOREGROUND_IMAGE: Final = 0xF7
_REGULAR_CODES: Final = (_BACKGROUND, 0xF1, _FOREGROUND_IMAGE, 0xF3, 0xF4, 0)
_LITE_CODES: Final = {0xC: 0xF6, 0xD: _SET_FOREGROUND_IMAGE, 0xE: 0xF8}
"""Shorter codes, and the MEGA_MEGA code of the same order."""
_ORDERS: Final[dict[int, Callable[[_Decoding, int], None]]] = {
    _BACKGROUND: _Decoding.foreground_run,
    0xF1: _Decoding.foreground_run,
    _FOREGROUND_IMAGE: _Decoding.foreground_image,
    0xF3: _Decoding.colour_run,
    0xF4: _Decoding.colour_image,
    0xF6: _Decoding.set_foreground_run,
    _SET_FOREGROUND_IMAGE: _Decoding.set_foreground_image,
    0xF8: _Decoding.dithered_run,
}
