"""From cells to bitmap updates ([MS-RDPBCGR] 2.2.9.1.1.3.1.2).

A picture is cut into pieces of rows of cells, and only those that changed are sent. Their
pixels are packed as runs of one colour, which is all that letters are made of: a whole desktop
of them is some 50 KB, where plain pixels would be 2 MB.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from protocols.rdp.demo import font
from protocols.rdp.demo.page import CARET, DESK, PAPER, TITLE, Grid

_SCALE: Final = 2
"""Pixels of the screen for one of a letter."""
CELL_WIDTH_PX: Final = (font.WIDTH + 1) * _SCALE
CELL_HEIGHT_PX: Final = (font.HEIGHT + 2) * _SCALE
_PIECE_COLUMNS: Final = 10
"""120 by 20 pixels: in the worst case 10 KB, which every client takes at once. What scrolls is
the same pieces elsewhere, and packed already."""
_UPDATE_BITMAP: Final = b"\x01\x00"
_COMPRESSED: Final = 0x0001
MAX_UPDATE_BYTES: Final = 8192
"""Rectangles are joined up to here."""

_COLOURS: Final = (0x1F3A57, 0xE8EEF4, 0xFFD166, 0xFFFFFF, 0x1A1A1A)
"""RGB."""
_STYLES: Final = MappingProxyType(
    {DESK: b"\x00\x01", TITLE: b"\x00\x02", PAPER: b"\x03\x04", CARET: b"\x04\x03"}
)
"""Background and letter, as places in `_COLOURS`."""
_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)
_COLOUR_RUN, _MEGA_COLOUR_RUN = 0x60, 0xF3
_SHORT_RUN, _MEDIUM_RUN = 32, 288
"""Where a run's length no longer fits its first byte, and its second ([MS-RDPBCGR]
2.2.9.1.1.3.1.2.4)."""

_Piece = tuple[str, str]
"""Characters and styles."""


class Depth(Struct, frozen=True):
    """How the pixels of one colour depth are written."""

    bits: int
    pixels: tuple[bytes, ...]
    """Each of `_COLOURS`."""


def depth_for(asked_bits: int) -> Depth | None:
    """Return the best depth of at most what a client asked for; None where it has none.

    For 32 bits it is 24, which are the same colours: 32 is packed in a way of its own.
    """
    bits = next((one for one in _PACKED if one <= asked_bits), None)
    return None if bits is None else Depth(bits, tuple(map(_PACKED[bits], _COLOURS)))


class Painter:
    """Knows what a client was shown, and paints what differs."""

    def __init__(self, width_px: int, height_px: int, depth: Depth) -> None:
        self._width_px, self._height_px, self._depth = width_px, height_px, depth
        self._shown: dict[tuple[int, int], _Piece] = {}

    def forget(self) -> None:
        """Take it that the client shows nothing any more."""
        self._shown.clear()

    def paint(self, grid: Grid) -> Iterator[bytes]:
        """Yield the bodies of updates after which the client shows `grid`."""
        pending: list[bytes] = []
        size = 0
        for rectangle in self._rectangles(grid):
            if pending and size + len(rectangle) > MAX_UPDATE_BYTES:
                yield _update(pending)
                pending, size = [], 0
            pending.append(rectangle)
            size += len(rectangle)
        if pending:
            yield _update(pending)

    def _rectangles(self, grid: Grid) -> Iterator[bytes]:
        columns = -(-self._width_px // CELL_WIDTH_PX)
        rows = -(-self._height_px // CELL_HEIGHT_PX)
        for row in range(rows):
            for column in range(0, columns, _PIECE_COLUMNS):
                width = min(_PIECE_COLUMNS, columns - column)
                piece = _piece(grid, row, slice(column, column + width))
                if self._shown.get((row, column)) != piece:
                    self._shown[row, column] = piece
                    yield self._rectangle(row, column, piece)

    def _rectangle(self, row: int, column: int, piece: _Piece) -> bytes:
        left, top = column * CELL_WIDTH_PX, row * CELL_HEIGHT_PX
        # A multiple of four pixels, as it must be.
        width = len(piece[0]) * CELL_WIDTH_PX
        # Cells may end beyond the desktop: below they are cut off, to the right not drawn.
        height = min(CELL_HEIGHT_PX, self._height_px - top)
        right = min(left + width, self._width_px) - 1
        packed = _packed(piece, height, self._depth)
        row_bytes = width * len(self._depth.pixels[0])
        header = _words(0, len(packed), row_bytes, row_bytes * height)
        place = (left, top, right, top + height - 1, width, height)
        size = len(header) + len(packed)
        return _words(*place, self._depth.bits, _COMPRESSED, size) + header + packed


def _piece(grid: Grid, row: int, columns: slice) -> _Piece:
    """Return what stands there; cells beyond the page are empty ones of the desk."""
    width = columns.stop - columns.start
    if row >= len(grid.characters):
        return " " * width, DESK * width
    characters, styles = grid.characters[row][columns], grid.styles[row][columns]
    return characters.ljust(width), styles.ljust(width, DESK)


def _update(rectangles: list[bytes]) -> bytes:
    return _UPDATE_BITMAP + _words(len(rectangles)) + b"".join(rectangles)


@lru_cache(2048)
def _packed(piece: _Piece, height_px: int, depth: Depth) -> bytes:
    """Return the pixels, the lowest row first, as runs; a run may go on in the next row."""
    cells = list(zip(*piece, strict=True))
    lines = [b"".join(_cell_row(*cell, at) for cell in cells) for at in range(height_px)]
    pixels = b"".join(reversed(lines))
    return b"".join(
        _run(match.end() - match.start(), depth.pixels[pixels[match.start()]])
        for match in _RUN.finditer(pixels)
    )


def _run(count: int, pixel: bytes) -> bytes:
    if count < _SHORT_RUN:
        return bytes([_COLOUR_RUN | count]) + pixel
    if count < _MEDIUM_RUN:
        return bytes([_COLOUR_RUN, count - _SHORT_RUN]) + pixel
    return bytes([_MEGA_COLOUR_RUN]) + _words(count) + pixel


@lru_cache(8192)
def _cell_row(character: str, style: str, at_px: int) -> bytes:
    """Return one row of pixels of a cell, as places in `_COLOURS`."""
    at = at_px // _SCALE - 1
    bits = font.glyph(character)[at] if 0 <= at < font.HEIGHT else 0
    # The last column is the space to the next letter.
    return b"".join(
        _STYLES[style][bits << 1 >> place & 1 :][:1] * _SCALE
        for place in range(font.WIDTH, -1, -1)
    )


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "little") for number in numbers)


def _of_15_bits(colour: int) -> bytes:
    return _words(colour >> 9 & 0x7C00 | colour >> 6 & 0x03E0 | colour >> 3 & 0x1F)


def _of_16_bits(colour: int) -> bytes:
    return _words(colour >> 8 & 0xF800 | colour >> 5 & 0x07E0 | colour >> 3 & 0x1F)


def _of_24_bits(colour: int) -> bytes:
    return colour.to_bytes(3, "little")


_PACKED: Final = MappingProxyType({24: _of_24_bits, 16: _of_16_bits, 15: _of_15_bits})
"""The best first."""
