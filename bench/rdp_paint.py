"""What runs on the benchmark's desktop: paints, as its keys ask it to. Needs libX11 alone.

a   another colour in the upper left corner
n   noise, 640 by 400 pixels, again and again
t   lines of text that scroll
s   stop
"""

import ctypes
import os
import select
from collections.abc import Callable
from typing import Any, Final

WIDTH, HEIGHT = 1000, 700
RED, BLUE, GREY, BLACK = 0xFF0000, 0x0000FF, 0x808080, 0x000000
_NOISE: Final = (640, 400)
_LINE_PX: Final = 13
_CORNER_PX: Final = 100
_KEY_PRESS: Final = 2
_EXPOSE: Final = 12
_WANTED: Final = 0x8001
"""Key presses, and what was uncovered: the desktop takes its client's size after the start."""
_KEY_CODE: Final = slice(84, 88)
"""Of an `XKeyEvent` on 64 bits."""
_POOL_BYTES: Final = 16 * 1024 * 1024


class Painter:
    """A window without a frame that has the keyboard."""

    def __init__(self) -> None:
        self._x: Any = ctypes.CDLL("libX11.so.6")
        for name in ("XOpenDisplay", "XDefaultVisual", "XCreateImage", "XCreateGC"):
            getattr(self._x, name).restype = ctypes.c_void_p
        self._x.XCreateSimpleWindow.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(None))
        root = ctypes.c_ulong(self._x.XDefaultRootWindow(self._display))
        size = (0, 0, WIDTH, HEIGHT, 0, ctypes.c_ulong(0), ctypes.c_ulong(GREY))
        self._window = ctypes.c_ulong(self._x.XCreateSimpleWindow(self._display, root, *size))
        self._x.XSelectInput(self._display, self._window, ctypes.c_long(_WANTED))
        self._x.XMapRaised(self._display, self._window)
        self._gc = ctypes.c_void_p(self._x.XCreateGC(self._display, self._window, 0, None))
        self._x.XSync(self._display, 0)
        self._x.XGrabKeyboard(self._display, self._window, 1, 1, 1, ctypes.c_ulong(0))
        self._pool = os.urandom(_POOL_BYTES)
        self._frames = 0
        self._colour = BLUE
        self._paint: Callable[[], None] | None = None

    def run(self) -> None:
        """Paint until the display is gone."""
        event = ctypes.create_string_buffer(192)
        while True:
            while self._x.XPending(self._display):
                self._x.XNextEvent(self._display, event)
                kind = int.from_bytes(event.raw[:4], "little")
                if kind == _KEY_PRESS:
                    self._press(int.from_bytes(event.raw[_KEY_CODE], "little"))
                elif kind == _EXPOSE:
                    self._fill_corner()
            if self._paint is None:
                # Nothing waits in libX11 by now, so the socket will tell.
                select.select([self._x.XConnectionNumber(self._display)], [], [])
            else:
                self._paint()
                self._x.XSync(self._display, 0)

    def _press(self, code: int) -> None:
        keysym = self._x.XkbKeycodeToKeysym(self._display, ctypes.c_ubyte(code), 0, 0)
        match chr(keysym & 0xFF):
            case "a":
                self._recolour()
            case "n":
                self._paint = self._noise
            case "t":
                self._paint = self._text
            case "s":
                self._paint = None

    def _recolour(self) -> None:
        self._colour = RED if self._colour == BLUE else BLUE
        self._fill_corner()

    def _fill_corner(self) -> None:
        self._foreground(self._colour)
        self._x.XFillRectangle(
            self._display, self._window, self._gc, 0, 0, _CORNER_PX, _CORNER_PX
        )
        self._x.XFlush(self._display)

    def _foreground(self, colour: int) -> None:
        self._x.XSetForeground(self._display, self._gc, ctypes.c_ulong(colour))

    def _noise(self) -> None:
        width, height = _NOISE
        self._frames += 1
        start = self._frames * 7919 * 4 % (_POOL_BYTES - width * height * 4)
        data = self._pool[start : start + width * height * 4]
        visual = ctypes.c_void_p(self._x.XDefaultVisual(self._display, 0))
        image = ctypes.c_void_p(
            self._x.XCreateImage(*(self._display, visual, 24, 2, 0, data, width, height, 32, 0))
        )
        place = (0, 0, 200, 200, width, height)
        self._x.XPutImage(self._display, self._window, self._gc, image, *place)
        self._x.XFree(image)

    def _text(self) -> None:
        self._frames += 1
        line = self._pool[self._frames * 61 :][:60].hex().encode()
        # Below the corner, which the next connection looks at.
        top = _CORNER_PX + _LINE_PX
        scrolled = (0, top, WIDTH, HEIGHT - top, 0, _CORNER_PX)
        window = self._window
        self._x.XCopyArea(self._display, window, window, self._gc, *scrolled)
        bottom = (0, HEIGHT - _LINE_PX, WIDTH, _LINE_PX)
        self._foreground(GREY)
        self._x.XFillRectangle(self._display, window, self._gc, *bottom)
        self._foreground(BLACK)
        self._x.XDrawString(*(self._display, window, self._gc, 2, HEIGHT - 3, line, len(line)))


if __name__ == "__main__":
    Painter().run()
