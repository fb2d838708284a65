import struct

import pytest
from samples.bitmaps import PURE

from recorder.errors import MalformedPduError
from recorder.replay.rdp.pdus import FastPathPdu
from recorder.replay.rdp.screen import Screen

GREY = b"\x55" * 16
BITMAP = struct.pack("<HH9H", 1, 1, 0, 0, 1, 1, 2, 2, 32, 0, 16) + GREY
WHOLE, LAST, FIRST, NEXT = range(4)


def update(body: bytes, place: int = WHOLE, kind: int = 1) -> FastPathPdu:
    header = bytes((place << 4 | kind,)) + struct.pack("<H", len(body))
    return FastPathPdu(0, memoryview(header + body))


@pytest.fixture
def screen() -> Screen:
    screen = Screen(PURE)
    screen.resize(2, 2)
    return screen


def shown(screen: Screen) -> bytes:
    assert screen.framebuffer is not None
    return bytes(screen.framebuffer.pixels[:3])


def test_an_update_may_come_in_pieces_and_in_two_chunks(screen: Screen):
    screen.fast_path(update(BITMAP[:9], FIRST))
    screen.fast_path(update(BITMAP[9:20], NEXT))
    resumed = Screen(PURE, screen.state())
    assert shown(resumed) == b"\0\0\0"
    resumed.fast_path(update(BITMAP[20:], LAST))
    assert shown(resumed) == b"\x55\x55\x55"


def test_a_piece_whose_beginning_is_missing_is_passed_over(screen: Screen):
    screen.fast_path(update(BITMAP[20:], LAST))
    screen.fast_path(update(BITMAP))
    assert shown(screen) == b"\x55\x55\x55"


def test_an_update_without_end_is_given_up(screen: Screen):
    piece = b"\0" * 65535
    screen.fast_path(update(piece, FIRST))
    for _ in range(255):
        screen.fast_path(update(piece, NEXT))
    with pytest.raises(MalformedPduError, match="without end"):
        screen.fast_path(FastPathPdu(0, memoryview(bytes(update(piece, NEXT).body) * 2)))


def test_a_new_size_begins_black_and_the_same_size_changes_nothing(screen: Screen):
    screen.fast_path(update(BITMAP))
    screen.resize(2, 2)
    assert shown(screen) == b"\x55\x55\x55"
    screen.resize(3, 2)
    assert shown(screen) == b"\0\0\0"


def test_drawing_orders_and_surfaces_are_counted_for_they_were_not_agreed(screen: Screen):
    screen.fast_path(update(b"\x01\x00\x0a", kind=0))
    screen.fast_path(update(b"\x01\x00", kind=4))
    screen.fast_path(update(b"", kind=3))
    screen.fast_path(update(b"pointer", kind=9))
    assert screen.not_drawn == 2


def test_a_picture_before_the_desktops_size_is_refused():
    with pytest.raises(MalformedPduError):
        Screen(PURE).fast_path(update(BITMAP))
