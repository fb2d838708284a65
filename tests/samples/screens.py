"""What a person sees: the rows of a terminal of 80 by 24."""

import avt
from samples.typescripts import COLUMNS, ROWS


def screen(*drawings: bytes) -> list[str]:
    """Return what a terminal shows after `drawings`."""
    terminal = avt.Vt(COLUMNS, ROWS, 0)
    for drawing in drawings:
        terminal.feed_str(drawing.decode())
    return [terminal[row].text.rstrip() for row in range(ROWS)]
