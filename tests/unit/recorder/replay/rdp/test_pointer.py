import pytest

from recorder.replay.rdp.framebuffer import Framebuffer
from recorder.replay.rdp.pointer import pointed


@pytest.mark.parametrize("place", [(3, 2), (28, 19), (500, 500)])
def test_a_pointer_is_there_for_a_while_and_leaves_nothing_behind(place: tuple[int, int]):
    framebuffer = Framebuffer(30, 20)
    framebuffer.pixels[:] = b"\x11\x22\x33\xff" * 600
    before = bytes(framebuffer.pixels)
    with pointed(framebuffer, place):
        left, top = place
        at = 4 * (top * 30 + left)
        assert framebuffer.pixels[at : at + 4] in (b"\0\0\0\xff", b"")
    assert bytes(framebuffer.pixels) == before


def test_without_a_place_there_is_none():
    framebuffer = Framebuffer(3, 2)
    before = bytes(framebuffer.pixels)
    with pointed(framebuffer, None):
        assert bytes(framebuffer.pixels) == before
