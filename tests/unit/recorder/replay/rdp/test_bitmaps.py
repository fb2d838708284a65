import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.bitmaps import PURE, bitmap, shown

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import GREYS, picture, read_palette
from recorder.replay.rdp.cursor import Cursor


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from((8, 15, 16, 24, 32)))
def test_noise_is_a_bitmap_or_it_is_refused(data: bytes, depth: int):
    made = shown(PURE, bitmap(data, 8, 4, depth))
    assert made is None or len(made) == 8 * 4 * 4


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (65535, 65535), (16384, 16384)])
def test_a_bitmap_larger_than_any_desktop_is_refused_before_it_takes_memory(
    size: tuple[int, int],
):
    with pytest.raises(MalformedPduError):
        picture(bitmap(b"\x10", *size, 32), PURE, GREYS)


def test_uncompressed_rows_are_padded_and_come_lowest_first():
    rows = b"\x01\x02\x03\0" + b"\x04\x05\x06\0"
    one = bitmap(rows, 3, 2, 8, compressed=False)
    assert picture(one, PURE, GREYS) == b"".join(GREYS[level] for level in (4, 5, 6, 1, 2, 3))
    with pytest.raises(MalformedPduError):
        picture(bitmap(rows[:5], 3, 2, 8, compressed=False), PURE, GREYS)


@pytest.mark.parametrize(
    ("depth", "data"), [(16, b"\x00\xf8\xe0\x07"), (24, b"\0\0\xff\0\xff\0")]
)
def test_uncompressed_pixels_have_their_colours(depth: int, data: bytes):
    one = bitmap(data, 2, 1, depth, compressed=False)
    assert picture(one, PURE, GREYS) == b"\x00\x00\xff\xff" + b"\x00\xff\x00\xff"


def test_a_palette_colours_bitmaps_of_eight_bits():
    colours = b"\0\0" + struct.pack("<I", 2) + b"\x10\x20\x30" + b"\x40\x50\x60"
    palette = read_palette(Cursor(colours))
    one = bitmap(b"\x62\x01", 2, 1, 8)  # A colour run of two.
    assert picture(one, PURE, palette) == b"\x60\x50\x40\xff" * 2
    assert len(palette) == 256
    with pytest.raises(MalformedPduError):
        read_palette(Cursor(b"\0\0" + struct.pack("<I", 257)))
