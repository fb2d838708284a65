import struct

import pytest
from samples.bitmaps import PURE

from recorder.errors import MalformedPduError
from recorder.replay.rdp.bitmaps import GREYS, bitmaps, picture
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.framebuffer import Framebuffer, FramebufferState


def test_what_hangs_over_the_edge_is_cut_off():
    framebuffer = Framebuffer(4, 2)
    update = struct.pack("<H9H", 1, 2, 1, 5, 2, 4, 2, 32, 0, 32) + b"\x77" * 32
    (one,) = bitmaps(Cursor(update))
    framebuffer.draw(one, picture(one, PURE, GREYS))
    black, grey = b"\0\0\0\xff", b"\x77\x77\x77\xff"
    assert bytes(framebuffer.pixels) == black * 6 + grey * 2


def test_a_picture_comes_back_from_its_state():
    framebuffer = Framebuffer(5, 3)
    framebuffer.pixels[8:12] = b"\1\2\3\xff"
    assert Framebuffer.restored(framebuffer.state()).pixels == framebuffer.pixels


@pytest.mark.parametrize(
    "state",
    [
        FramebufferState(5, 3, b"no zstd"),
        FramebufferState(5, 4, Framebuffer(5, 3).state().packed),
        FramebufferState(5, 2, Framebuffer(5, 3).state().packed),
        FramebufferState(0, 2, b""),
    ],
)
def test_what_is_no_picture_is_refused(state: FramebufferState):
    with pytest.raises(MalformedPduError):
        Framebuffer.restored(state)


def test_what_is_forgotten_shows_a_pattern():
    framebuffer = Framebuffer(17, 9)
    framebuffer.forget()
    pixels = bytes(framebuffer.pixels)
    assert len(pixels) == 17 * 9 * 4
    assert len({pixels[at : at + 4] for at in range(0, len(pixels), 4)}) == 2
