"""Decodes bitmaps, and inflates, with libfreerdp2: some fifty times faster than in Python.

It reads what a hostile target sent, in C. So it is used in the child process alone, which
`storage.child` holds to its limits; whatever breaks there takes no daemon with it.
"""

import ctypes
from typing import Final

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import Bitmap, BitmapDecoder, PureDecoder
from recorder.replay.rdp.bulk import COMPRESSED, HISTORY_BYTES

_LIBRARY: Final = "libfreerdp2.so.2"
_RUNTIME: Final = "libwinpr2.so.2"
_LOG_OFF: Final = 6
"""WLOG_OFF of winpr/wlog.h."""
_BGRX32: Final = 32 << 24 | 4 << 16 | 8 << 8 | 8 << 4 | 8
"""PIXEL_FORMAT_BGRX32 of freerdp/codec/color.h."""
_MAX_SIDE_PX: Final = 4096
"""For which the planar context has room; a larger bitmap is rare, and decoded in Python."""
_TYPE_64K: Final = 1
_PLANAR_BITS: Final = 32
_NATIVE_BITS: Final = frozenset({15, 16, 24, 32})


def best_decoder() -> BitmapDecoder:
    """Return the native decoder, or the one in Python where the library is not installed."""
    try:
        library, runtime = ctypes.CDLL(_LIBRARY), ctypes.CDLL(_RUNTIME)
    except OSError:
        return PureDecoder()
    _silence(runtime)
    return NativeDecoder(library)


def _silence(runtime: ctypes.CDLL) -> None:
    """Let the library log nothing: a hostile target could fill the journal with it."""
    runtime.WLog_GetRoot.restype = ctypes.c_void_p
    runtime.WLog_SetLogLevel(ctypes.c_void_p(runtime.WLog_GetRoot()), _LOG_OFF)


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

    def unpacker(self) -> "NativeUnpacker | None":
        """Return a new history; None where the library keeps it in an unknown way."""
        unpacker = NativeUnpacker(self._library)
        return unpacker if unpacker.fits else None


class _History(ctypes.Structure):
    """struct _MPPC_CONTEXT of freerdp/codec/mppc.h, as far as it is used."""

    _fields_ = (
        ("bits", ctypes.c_void_p),
        ("compressor", ctypes.c_int),
        ("place", ctypes.c_void_p),
        ("offset", ctypes.c_uint32),
        ("size_bytes", ctypes.c_uint32),
        ("history", ctypes.c_ubyte * HISTORY_BYTES),
    )


class NativeUnpacker:
    """Inflates MPPC into the history of a context that the library made."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.mppc_context_new.restype = ctypes.c_void_p
        self._library = library
        context = library.mppc_context_new(_TYPE_64K, 0)
        self._context = ctypes.c_void_p(context)
        self._fields = _History.from_address(context)
        self._start = context + _History.history.offset
        self.history = memoryview(self._fields.history).cast("B")

    def __del__(self) -> None:
        self._library.mppc_context_free(self._context)

    @property
    def fits(self) -> bool:
        """Whether the fields are where the header of another version had them."""
        fields = self._fields
        return (fields.place, fields.size_bytes) == (self._start, HISTORY_BYTES)

    def unpack(self, data: bytes, at: int) -> int:
        """Write what `data` says from `at` on; return where that ends.

        Raises `MalformedPduError`.
        """
        self._fields.place = self._start + at
        written, count = ctypes.c_void_p(), ctypes.c_uint32()
        status = self._library.mppc_decompress(
            self._context,
            data,
            len(data),
            ctypes.byref(written),
            ctypes.byref(count),
            COMPRESSED | _TYPE_64K,
        )
        end = at + count.value
        if status < 0 or end > HISTORY_BYTES:
            raise MalformedPduError("no compressed data")
        return end
