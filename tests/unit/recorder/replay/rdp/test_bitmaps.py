import struct
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import (
    GREYS,
    Bitmap,
    BitmapDecoder,
    PureDecoder,
    bitmaps,
    picture,
    read_palette,
)
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.framebuffer import Framebuffer
from storage.native_bitmaps import best_decoder

DEPTHS = (15, 16, 24)
NATIVE, PURE = best_decoder(), PureDecoder()


def bitmap(
    data: bytes, width: int, height: int, depth: int, *, compressed: bool = True
) -> Bitmap:
    return Bitmap(
        0, 0, width - 1, height - 1, width, height, depth, compressed, memoryview(data)
    )


def shown(decoder: BitmapDecoder, one: Bitmap) -> bytes | None:
    try:
        return picture(one, decoder, GREYS)
    except MalformedPduError:
        return None


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


def planar(planes: list[bytes], header: int, *, pad: bytes = b"\0") -> bytes:
    return bytes((header,)) + b"".join(planes) + pad


@pytest.mark.parametrize(("no_alpha", "loss"), [*product((True, False), range(4))])
def test_raw_planes_are_what_the_native_decoder_makes_of_them(no_alpha: bool, loss: int):  # noqa: FBT001
    width, height = 8, 5
    count = 3 if no_alpha else 4
    planes = [bytes((37 * i * (n + 3) + n) & 0xFF for i in range(40)) for n in range(count)]
    one = bitmap(planar(planes, (0x20 if no_alpha else 0) | loss), width, height, 32)
    mine = shown(PURE, one)
    assert mine is not None
    native = shown(NATIVE, one)
    assert native is not None
    assert [mine[at : at + 3] for at in range(0, 160, 4)] == [
        native[at : at + 3] for at in range(0, 160, 4)
    ]


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_subsampled_chroma_is_widened_as_the_native_decoder_does(size: tuple[int, int]):
    width, height = size
    small = ((width + 1) // 2) * ((height + 1) // 2)
    luma = bytes((29 * i + 90) & 0xFF for i in range(width * height))
    chroma = [bytes((53 * i + n) & 0xFF for i in range(small)) for n in (3, 60)]
    one = bitmap(planar([luma, *chroma], 0x20 | 0x08 | 1), width, height, 32)
    mine = shown(PURE, one)
    assert mine is not None
    assert mine == shown(NATIVE, one)


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


def test_what_hangs_over_the_edge_is_cut_off():
    framebuffer = Framebuffer(4, 2)
    update = struct.pack("<H9H", 1, 2, 1, 5, 2, 4, 2, 32, 0, 32) + b"\x77" * 32
    (one,) = bitmaps(Cursor(update))
    framebuffer.draw(one, picture(one, PURE, GREYS))
    black, grey = b"\0\0\0\xff", b"\x77\x77\x77\xff"
    assert bytes(framebuffer.pixels) == black * 6 + grey * 2
