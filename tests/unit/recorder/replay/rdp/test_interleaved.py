import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.bitmaps import NATIVE, PURE, bitmap, shown

from recorder.replay.rdp.interleaved import decode_interleaved

DEPTHS = (15, 16, 24)


class Orders:
    """Writes interleaved orders until a bitmap is full."""

    def __init__(self, area: int, depth: int) -> None:
        self.left, self._pixel_bytes = area, (depth + 7) // 8
        self.data = b""

    def add(self, kind: int, wanted: int, seed: int) -> None:  # noqa: C901, PLR0912 - a table in words
        length = min(wanted, self.left)
        if not length or (kind == 0xF8 and length == 1):
            return
        pixel = (seed * 2654435761 & 0xFFFFFF).to_bytes(3, "little")[: self._pixel_bytes]
        mega = bytes((kind,)) + struct.pack("<H", length)
        match kind:
            case 0xF0 | 0xF1:
                self.data += mega
            case 0xF2:
                self.data += mega + bytes((seed * 7 & 0xFF,)) * ((length + 7) // 8)
            case 0xF3 | 0xF6:
                self.data += mega + pixel
            case 0xF4:
                self.data += mega + pixel * length
            case 0xF7:
                self.data += mega + pixel + bytes((seed * 5 & 0xFF,)) * ((length + 7) // 8)
            case 0xF8:
                length = length // 2 * 2
                self.data += (
                    bytes((kind,)) + struct.pack("<H", length // 2) + pixel + pixel[::-1]
                )
            case 0xF9 | 0xFA if self.left >= 8:
                length = 8
                self.data += bytes((kind,))
            case 0xFD | 0xFE if self.left:
                length = 1
                self.data += bytes((kind,))
            case _ if length <= 31 and length:
                self.data += bytes((length,))  # A short background run.
            case _:
                length = 0
        self.left -= length


KINDS = (0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFD, 0xFE, 0x00)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(DEPTHS),
    st.integers(1, 20).map(lambda quarter: 4 * quarter),
    st.integers(1, 12),
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 90), st.integers(0, 2**20))),
)
def test_interleaved_bitmaps_are_what_the_native_decoder_makes_of_them(
    depth: int, width: int, height: int, wanted: list[tuple[int, int, int]]
):
    orders = Orders(width * height, depth)
    for kind, length, seed in wanted:
        orders.add(kind, length, seed)
    if orders.left:
        orders.add(0xF0, orders.left, 0)
    one = bitmap(orders.data, width, height, depth)
    mine = shown(PURE, one)
    assert mine is not None
    assert mine == shown(NATIVE, one)


def test_an_order_that_begins_in_the_first_row_has_black_above_to_its_end():
    """In [MS-RDPBCGR] 3.1.9 `fFirstLine` changes between orders, and never within one."""
    assert decode_interleaved(b"\xf1\x08\x00", 4, 2, 16) == 8 * [0xFFFF]
    white_and_background = b"\xfd\xf0\x07\x00"
    assert decode_interleaved(white_and_background, 4, 2, 16) == [0, 0, 0, 0, 0xFFFF, 0, 0, 0]
