"""A display as a stopwatch sees it: one pixel and one key at a time, by libX11 itself."""

import ctypes
import time
from typing import Any, Final

_ALL_PLANES: Final = 0xFFFFFFFF
_Z_PIXMAP: Final = 2
_LOOK_S: Final = 0.0005


class Screen:
    """One X display."""

    def __init__(self, name: str) -> None:
        self._x: Any = ctypes.CDLL("libX11.so.6")
        self._test: Any = ctypes.CDLL("libXtst.so.6")
        for function in ("XOpenDisplay", "XGetImage"):
            getattr(self._x, function).restype = ctypes.c_void_p
        for function in ("XGetPixel", "XDefaultRootWindow"):
            getattr(self._x, function).restype = ctypes.c_ulong
        self._x.XGetPixel.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        self._x.XKeysymToKeycode.restype = ctypes.c_ubyte
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(name.encode()))
        self._root = ctypes.c_ulong(self._x.XDefaultRootWindow(self._display))

    def pixel(self, x: int, y: int) -> int:
        """Return a pixel's colour."""
        place = (x, y, 1, 1, ctypes.c_ulong(_ALL_PLANES), _Z_PIXMAP)
        image = self._x.XGetImage(self._display, self._root, *place)
        colour = int(self._x.XGetPixel(image, 0, 0)) & 0xFFFFFF
        # `XDestroyImage` is a macro; the first pointer behind three ints is its data.
        data = ctypes.cast(image + 16, ctypes.POINTER(ctypes.c_void_p))[0]
        self._x.XFree(ctypes.c_void_p(data))
        self._x.XFree(ctypes.c_void_p(image))
        return colour

    def press(self, letter: str) -> None:
        """Press and release a key."""
        code = self._x.XKeysymToKeycode(self._display, ctypes.c_ulong(ord(letter)))
        for down in (1, 0):
            self._test.XTestFakeKeyEvent(self._display, ctypes.c_uint(code), down, 0)
        self._x.XFlush(self._display)

    def wait_for(self, x: int, y: int, *colours: int, limit_s: float = 30) -> float:
        """Wait until a pixel has one of these colours; return how long that took."""
        begun_s = time.monotonic()
        while self.pixel(x, y) not in colours:
            if time.monotonic() - begun_s > limit_s:
                raise SystemExit(
                    f"bench: ({x}, {y}) is {self.pixel(x, y):06x} after {limit_s} s"
                )
            time.sleep(_LOOK_S)
        return time.monotonic() - begun_s
