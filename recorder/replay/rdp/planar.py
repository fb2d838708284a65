"""Decodes RDP 6.0 planar bitmaps ([MS-RDPEGDI] 2.2.2.5.1, 3.1.9), 32 bits a pixel.

Pictures here are rows of B, G, R, X bytes, the topmost first; X is 255.
"""

from typing import Final

from recorder.errors import MalformedPduError
from recorder.replay.rdp.cursor import Cursor

_COLOUR_LOSS: Final = 0x07
_SUBSAMPLED: Final = 0x08
_RUN_LENGTHS: Final = 0x10
_NO_ALPHA: Final = 0x20

_DELTAS: Final = bytes(
    (-(code >> 1) - 1 if code & 1 else code >> 1) & 0xFF for code in range(256)
)
"""A difference to the row above, of which the lowest bit is the sign."""


def decode_planar(data: bytes | memoryview, width_px: int, height_px: int) -> bytes:
    """Return the picture; raise `MalformedPduError`."""
    cursor = Cursor(data)
    header = cursor.u8()
    loss, subsampled = header & _COLOUR_LOSS, bool(header & _SUBSAMPLED)
    if subsampled and not loss:
        raise MalformedPduError("only chroma is subsampled, and there is none")
    small = ((width_px + 1) // 2, (height_px + 1) // 2)
    chroma = small if subsampled else (width_px, height_px)
    sizes = [(width_px, height_px), chroma, chroma]
    if not header & _NO_ALPHA:
        sizes.insert(0, (width_px, height_px))
    read = _packed_plane if header & _RUN_LENGTHS else _raw_plane
    planes = [read(cursor, *size) for size in sizes][-3:]
    if subsampled:
        planes[1:] = [_widened(plane, *small, width_px, height_px) for plane in planes[1:]]
    red, green, blue = _as_colours(planes, loss) if loss else planes
    return _flipped(red, green, blue, width_px)


def _raw_plane(cursor: Cursor, width_px: int, height_px: int) -> bytes:
    return bytes(cursor.take(width_px * height_px))


def _packed_plane(cursor: Cursor, width_px: int, height_px: int) -> bytes:
    """Read runs: the first row as values, each further one as differences to the row above."""
    above = bytes(_row_of_runs(cursor, width_px))
    rows = [above]
    for _ in range(height_px - 1):
        changes = _row_of_runs(cursor, width_px)
        if any(changes):
            deltas = changes.translate(_DELTAS)
            above = bytes([(a + d) & 0xFF for a, d in zip(above, deltas, strict=True)])
        rows.append(above)
    return b"".join(rows)


def _row_of_runs(cursor: Cursor, width_px: int) -> bytearray:
    """Read the segments of one row; a run repeats the last byte, or 0 where there is none."""
    row = bytearray()
    while len(row) < width_px:
        control = cursor.u8()
        run, raw = control & 0x0F, control >> 4
        if run in (1, 2):
            run, raw = 16 * run + raw, 0
        row += cursor.take(raw)
        row += row[-1:] * run if row else bytes(run)
    if len(row) > width_px:
        raise MalformedPduError("a run is longer than its row")
    return row


def _widened(plane: bytes, small_px: int, rows: int, width_px: int, height_px: int) -> bytes:
    """Undo the subsampling: each value stands for two by two pixels."""
    wide = []
    for row in range(rows):
        doubled = bytearray(2 * small_px)
        doubled[0::2] = doubled[1::2] = plane[row * small_px : (row + 1) * small_px]
        wide += [bytes(doubled[:width_px])] * 2
    return b"".join(wide[:height_px])


def _as_colours(planes: list[bytes], loss: int) -> tuple[bytes, bytes, bytes]:
    """Turn luma and chroma into red, green, blue ([MS-RDPEGDI] 3.1.9.1.2).

    On the wire red and blue are the other way around than that formula has them, which
    clients have learnt from Windows.
    """
    shift = loss - 1
    signed = [_signed((value << shift) & 0xFF) for value in range(256)]
    red, green, blue = bytearray(), bytearray(), bytearray()
    for luma, orange, green_chroma in zip(*planes, strict=True):
        co, cg = signed[orange], signed[green_chroma]
        t = luma - cg
        red.append(min(max(t - co, 0), 255))
        green.append(min(max(luma + cg, 0), 255))
        blue.append(min(max(t + co, 0), 255))
    return bytes(red), bytes(green), bytes(blue)


def _signed(value: int) -> int:
    return value - 256 if value > 127 else value  # noqa: PLR2004 - the two's complement of a byte


def _flipped(red: bytes, green: bytes, blue: bytes, width_px: int) -> bytes:
    """Put planes, whose first row is the lowest, together."""
    picture = bytearray(4 * len(red))
    picture[0::4], picture[1::4], picture[2::4] = blue, green, red
    picture[3::4] = b"\xff" * len(red)
    stride = 4 * width_px
    starts = range(len(picture) - stride, -1, -stride)
    return b"".join([picture[start : start + stride] for start in starts])
