"""Reads the demo desktop's page back from its pixels."""

from protocols.rdp.demo import font
from protocols.rdp.demo.paint import CELL_HEIGHT_PX, CELL_WIDTH_PX

_LETTERS = {rows: character for character, rows in font.GLYPHS.items()}
_SCALE = 2


def lines_of(pixels: bytes, width_px: int, pixel_bytes: int = 4) -> list[str]:
    """What stands in each row of whole cells, without the spaces at its end."""
    stride = width_px * pixel_bytes
    rows = len(pixels) // stride // CELL_HEIGHT_PX

    def at(x: int, y: int) -> bytes:
        start = y * stride + x * pixel_bytes
        return pixels[start : start + 3]

    def letter(column: int, row: int) -> str:
        left, top = column * CELL_WIDTH_PX, row * CELL_HEIGHT_PX
        paper = at(left, top)
        glyph = bytes(
            sum(
                (at(left + x * _SCALE, top + (y + 1) * _SCALE) != paper) << (font.WIDTH - 1 - x)
                for x in range(font.WIDTH)
            )
            for y in range(font.HEIGHT)
        )
        return _LETTERS.get(glyph, "\N{REPLACEMENT CHARACTER}")

    columns = range(width_px // CELL_WIDTH_PX)
    return ["".join(letter(one, row) for one in columns).rstrip() for row in range(rows)]
