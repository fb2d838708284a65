"""Bitmap updates ([MS-RDPBCGR] 2.2.9.1.1.3.1.2): rectangles of the desktop, and their pixels.

Pictures here are rows of B, G, R, X bytes, the topmost first.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from msgspec import Struct

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bulk import Unpacker
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.interleaved import decode_interleaved
from recorder.replay.rdp.planar import decode_planar

MAX_SIDE_PX: Final = 16384
MAX_AREA_PX: Final = 16 * 1024 * 1024
"""Of one bitmap: a peer may claim 65535 pixels each way."""
_COMPRESSED: Final = 0x0001
_NO_HEADER: Final = 0x0400
_HEADER_BYTES: Final = 8
_ROW_PADDING: Final = 4

Palette = tuple[bytes, ...]
"""Four bytes for each of 256 colours."""
GREYS: Final[Palette] = tuple(bytes((level, level, level, 0xFF)) for level in range(256))


class Bitmap(Struct, frozen=True):
    """One rectangle as it was sent."""

    left_px: int
    top_px: int
    right_px: int
    """The last column that is drawn; the picture may be wider."""
    bottom_px: int
    width_px: int
    height_px: int
    depth_bits: int
    compressed: bool
    data: memoryview


class BitmapDecoder(Protocol):
    """Turns compressed pixels of 15, 16, 24 or 32 bits into a picture."""

    def decode(self, bitmap: Bitmap) -> bytes:
        """Return the picture; raise `MalformedPduError`."""
        ...

    def unpacker(self) -> Unpacker | None:
        """Return a new history and what writes to it; None: as written in Python."""
        ...


class PureDecoder:
    """In Python alone: slow, and the oracle for what is fast."""

    def decode(self, bitmap: Bitmap) -> bytes:
        """Return the picture; raise `MalformedPduError`."""
        width, height, depth = bitmap.width_px, bitmap.height_px, bitmap.depth_bits
        if depth == 32:  # noqa: PLR2004
            return decode_planar(bitmap.data, width, height)
        pixels = decode_interleaved(bitmap.data, width, height, depth)
        return b"".join(map(_COLOURS[depth], pixels))

    def unpacker(self) -> None:
        """There is nothing faster."""


def bitmaps(cursor: Cursor) -> Iterator[Bitmap]:
    """Yield the rectangles that follow an update's kind; raise `MalformedPduError`."""
    for _ in range(cursor.u16()):
        left, top, right, bottom = (cursor.u16() for _ in range(4))
        width, height, depth = cursor.u16(), cursor.u16(), cursor.u16()
        flags, size = cursor.u16(), cursor.u16()
        data = cursor.take(size)
        if flags & _COMPRESSED and not flags & _NO_HEADER:
            data = data[_HEADER_BYTES:]
        yield Bitmap(
            left_px=left,
            top_px=top,
            right_px=right,
            bottom_px=bottom,
            width_px=width,
            height_px=height,
            depth_bits=depth,
            compressed=bool(flags & _COMPRESSED),
            data=data,
        )


def picture(bitmap: Bitmap, decoder: BitmapDecoder, palette: Palette) -> bytes:
    """Return what a rectangle shows; raise `MalformedPduError`."""
    width, height, depth = bitmap.width_px, bitmap.height_px, bitmap.depth_bits
    if not 0 < width <= MAX_SIDE_PX or not 0 < height <= MAX_SIDE_PX:
        raise MalformedPduError(f"a bitmap of {width} x {height} pixels")
    if width * height > MAX_AREA_PX:
        raise MalformedPduError(f"a bitmap of {width} x {height} pixels")
    if depth not in _PIXEL_BYTES:
        raise MalformedPduError(f"a bitmap of {depth} bits")
    if not bitmap.compressed:
        return _uncompressed(bitmap, palette)
    if depth == 8:  # noqa: PLR2004
        pixels = decode_interleaved(bitmap.data, width, height, depth)
        return b"".join([palette[pixel] for pixel in pixels])
    return decoder.decode(bitmap)


def read_palette(cursor: Cursor) -> Palette:
    """Read a palette update (2.2.9.1.1.3.1.1) behind its kind; raise `MalformedPduError`."""
    cursor.skip(2)
    count = cursor.u32()
    if count > len(GREYS):
        raise MalformedPduError(f"a palette of {count} colours")
    colours = [bytes(cursor.take(3)) for _ in range(count)]
    own = tuple(bytes((blue, green, red, 0xFF)) for red, green, blue in colours)
    return own + GREYS[count:]


def _uncompressed(bitmap: Bitmap, palette: Palette) -> bytes:
    """Read rows, the lowest first, each padded to four bytes where there is room for that."""
    size = _PIXEL_BYTES[bitmap.depth_bits]
    row_bytes = bitmap.width_px * size
    stride = row_bytes + -row_bytes % _ROW_PADDING
    if len(bitmap.data) < stride * bitmap.height_px:
        stride = row_bytes
    if len(bitmap.data) < stride * bitmap.height_px:
        raise MalformedPduError(f"{len(bitmap.data)} bytes of {stride * bitmap.height_px}")
    data = bytes(bitmap.data)
    starts = range((bitmap.height_px - 1) * stride, -1, -stride)
    rows = b"".join([data[start : start + row_bytes] for start in starts])
    if bitmap.depth_bits == 32:  # noqa: PLR2004
        opaque = bytearray(rows)
        opaque[3::4] = b"\xff" * (len(rows) // 4)
        return bytes(opaque)
    pixels = [
        int.from_bytes(rows[at : at + size], "little") for at in range(0, len(rows), size)
    ]
    if bitmap.depth_bits == 8:  # noqa: PLR2004
        return b"".join([palette[pixel] for pixel in pixels])
    return b"".join(map(_COLOURS[bitmap.depth_bits], pixels))


@lru_cache(32768)
def _of_15_bits(pixel: int) -> bytes:
    return _from_parts(_wide(pixel >> 10, 5), _wide(pixel >> 5, 5), _wide(pixel, 5))


@lru_cache(65536)
def _of_16_bits(pixel: int) -> bytes:
    return _from_parts(_wide(pixel >> 11, 5), _wide(pixel >> 5, 6), _wide(pixel, 5))


@lru_cache(65536)
def _of_24_bits(pixel: int) -> bytes:
    return _from_parts(pixel >> 16 & 0xFF, pixel >> 8 & 0xFF, pixel & 0xFF)


def _wide(value: int, bits: int) -> int:
    """Return the value of 8 bits for one of `bits` bits, as libfreerdp and so its client do."""
    value &= (1 << bits) - 1
    return min((value << 8 - bits) + (value >> bits - 3), 0xFF)


def _from_parts(red: int, green: int, blue: int) -> bytes:
    return bytes((blue, green, red, 0xFF))


_PIXEL_BYTES: Final = {8: 1, 15: 2, 16: 2, 24: 3, 32: 4}
_COLOURS: Final = {15: _of_15_bits, 16: _of_16_bits, 24: _of_24_bits}
