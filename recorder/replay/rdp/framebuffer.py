"""The desktop as the client shows it: rows of B, G, R, X bytes, the topmost first."""

from typing import Final

import zstandard
from msgspec import Struct

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import Bitmap

MAX_SIDE_PX: Final = 16384
MAX_AREA_PX: Final = 32 * 1024 * 1024
"""Four screens of 3840 x 2160; a peer may claim 65535 pixels each way."""
_LEVEL: Final = 1
"""zstd-1 packs 700 MB/s, and a desktop to a fiftieth."""
_UNKNOWN_TILE_PX: Final = 8
_UNKNOWN_SHADES: Final = (b"\x60\x60\x60\xff", b"\x48\x48\x48\xff")


class FramebufferState(Struct, array_like=True):
    """A whole picture, compressed: where decoding resumes, and what a player seeks to."""

    width_px: int
    height_px: int
    packed: bytes
    """zstd of the rows."""


class Framebuffer:
    """Begins black, as a client's does."""

    def __init__(self, width_px: int, height_px: int) -> None:
        """Raise `MalformedPduError` where no desktop can be so large, or so small."""
        sides_fit = 0 < width_px <= MAX_SIDE_PX and 0 < height_px <= MAX_SIDE_PX
        if not sides_fit or width_px * height_px > MAX_AREA_PX:
            raise MalformedPduError(f"a desktop of {width_px} x {height_px} pixels")
        self.width_px = width_px
        self.height_px = height_px
        self.pixels = bytearray(b"\x00\x00\x00\xff" * (width_px * height_px))

    @staticmethod
    def restored(state: FramebufferState) -> "Framebuffer":
        """Return what was packed; raise `MalformedPduError` where it is none."""
        framebuffer = Framebuffer(state.width_px, state.height_px)
        size = len(framebuffer.pixels)
        try:
            # The size is given, so a bomb ends where the desktop does.
            pixels = zstandard.ZstdDecompressor().decompress(state.packed, max_output_size=size)
        except zstandard.ZstdError as error:
            raise MalformedPduError(f"no picture: {error}") from error
        if len(pixels) != size:
            raise MalformedPduError("a picture of another size")
        framebuffer.pixels[:] = pixels
        return framebuffer

    def state(self) -> FramebufferState:
        """Return the whole picture, packed."""
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(self.pixels)
        return FramebufferState(self.width_px, self.height_px, packed)

    def draw(self, bitmap: Bitmap, picture: bytes) -> None:
        """Put a picture where its bitmap says, as far as that is on the desktop."""
        left, top = bitmap.left_px, bitmap.top_px
        width = min(bitmap.right_px + 1 - left, bitmap.width_px)
        height = min(bitmap.bottom_px + 1 - top, bitmap.height_px)
        self.put(left, top, picture, (width, height), bitmap.width_px)

    def put(
        self,
        left_px: int,
        top_px: int,
        picture: bytes,
        size_px: tuple[int, int],
        picture_width_px: int | None = None,
    ) -> None:
        """Put the upper left of a picture somewhere, as far as that is on the desktop."""
        width = min(size_px[0], self.width_px - left_px)
        height = min(size_px[1], self.height_px - top_px)
        if width <= 0:
            return
        pixels, stride = self.pixels, 4 * self.width_px
        source_stride, row_bytes = 4 * (picture_width_px or size_px[0]), 4 * width
        start = top_px * stride + 4 * left_px
        for row in range(height):
            source = row * source_stride
            pixels[start : start + row_bytes] = picture[source : source + row_bytes]
            start += stride

    def forget(self) -> None:
        """Show a pattern that no desktop has: what is under it is not known."""
        tile = [shade * _UNKNOWN_TILE_PX for shade in _UNKNOWN_SHADES]
        repeats = self.width_px // (2 * _UNKNOWN_TILE_PX) + 1
        stride = 4 * self.width_px
        rows = [(a + b) * repeats for a, b in (tile, tile[::-1])]
        for row in range(self.height_px):
            pattern = rows[row // _UNKNOWN_TILE_PX % 2][:stride]
            self.pixels[row * stride : (row + 1) * stride] = pattern
