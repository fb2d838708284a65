"""The user's pointer, which a target never draws: an arrow where the client said it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from recorder.replay.rdp.framebuffer import Framebuffer

_ARROW: Final = (
    "#",
    "##",
    "#.#",
    "#..#",
    "#...#",
    "#....#",
    "#.....#",
    "#......#",
    "#.......#",
    "#........#",
    "#.........#",
    "#......#####",
    "#...#..#",
    "#..##..#",
    "#.#  #..#",
    "##   #..#",
    "#     #..#",
    "      #..#",
    "       ##",
)
_SHADES: Final = {"#": b"\x00\x00\x00\xff", ".": b"\xff\xff\xff\xff"}


@contextmanager
def pointed(framebuffer: Framebuffer, place_px: tuple[int, int] | None) -> Iterator[None]:
    """Show the pointer for as long as this lasts; nothing where there is no place."""
    if place_px is None:
        yield
        return
    covered = list(_draw(framebuffer, *place_px))
    try:
        yield
    finally:
        for at, pixel in covered:
            framebuffer.pixels[at : at + 4] = pixel


def _draw(framebuffer: Framebuffer, left_px: int, top_px: int) -> Iterator[tuple[int, bytes]]:
    """Draw the arrow; yield what it covers."""
    for row, line in enumerate(_ARROW, top_px):
        for column, shade in enumerate(line, left_px):
            if (
                shade in _SHADES
                and row < framebuffer.height_px
                and column < framebuffer.width_px
            ):
                at = 4 * (row * framebuffer.width_px + column)
                yield at, bytes(framebuffer.pixels[at : at + 4])
                framebuffer.pixels[at : at + 4] = _SHADES[shade]
