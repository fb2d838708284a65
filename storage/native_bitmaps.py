"""Decodes bitmaps with libfreerdp2: an order of magnitude faster than in Python.

It reads what a hostile target sent, in C. So it is used in the child process alone, which
`storage.child` holds to its limits; whatever breaks there takes no daemon with it.
"""

import ctypes
from typing import Final

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import Bitmap, BitmapDecoder, PureDecoder

_LIBRARY: Final = "libfreerdp2.so.2"
_BGRX32: Final = 32 << 24 | 4 << 16 | 8 << 8 | 8 << 4 | 8
"""PIXEL_FORMAT_BGRX32 of freerdp/codec/color.h."""
_MAX_SIDE_PX: Final = 4096
"""For which the planar context has room; a larger bitmap is rare, and decoded in Python."""
_PLANAR_BITS: Final = 32
_NATIVE_BITS: Final = frozenset({15, 16, 24, 32})


def best_decoder() -> BitmapDecoder:
    """Return the native decoder, or the one in Python where the library is not installed."""
    try:
        return NativeDecoder(ctypes.CDLL(_LIBRARY))
    except OSError:
        return PureDecoder()


class NativeDecoder:
    """Holds what the library keeps between two bitmaps. One thread may use it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for make in (
            library.bitmap_interleaved_context_new,
            library.freerdp_bitmap_planar_context_new,
        ):
            make.restype = ctypes.c_void_p
        self._library = library
        self._interleaved = ctypes.c_void_p(library.bitmap_interleaved_context_new(0))
        self._planar = ctypes.c_void_p(
            library.freerdp_bitmap_planar_context_new(0, _MAX_SIDE_PX, _MAX_SIDE_PX)
        )
        self._pure = PureDecoder()

    def decode(self, bitmap: Bitmap) -> bytes:
        """Return the picture; raise `MalformedPduError`."""
        width, height, depth = bitmap.width_px, bitmap.height_px, bitmap.depth_bits
        if max(width, height) > _MAX_SIDE_PX or depth not in _NATIVE_BITS:
            return self._pure.decode(bitmap)
        data = bytes(bitmap.data)
        stride = 4 * width
        picture = ctypes.create_string_buffer(stride * height)
        place = (picture, _BGRX32, stride, 0, 0, width, height)
        if depth == _PLANAR_BITS:
            flip = 1
            done = self._library.planar_decompress(
                self._planar, data, len(data), width, height, *place, flip
            )
        else:
            palette = None
            done = self._library.interleaved_decompress(
                self._interleaved, data, len(data), width, height, depth, *place, palette
            )
        if not done:
            raise MalformedPduError(f"no bitmap of {depth} bits")
        return picture.raw
