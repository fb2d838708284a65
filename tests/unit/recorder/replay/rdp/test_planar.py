from itertools import product

import pytest
from samples.bitmaps import NATIVE, PURE, bitmap, shown


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
