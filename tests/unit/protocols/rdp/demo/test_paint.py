import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from samples.letters import lines_of

from protocols.rdp.demo.page import Grid, Page
from protocols.rdp.demo.paint import MAX_UPDATE_BYTES, Painter, depth_for
from recorder.replay.rdp.bitmaps import GREYS, PureDecoder, bitmaps, picture
from recorder.replay.rdp.cursor import Cursor
from recorder.replay.rdp.framebuffer import Framebuffer

SIZE = (320, 240)


def draw(screen: Framebuffer, updates: list[bytes]) -> int:
    """Draw as the storage side does; return how many rectangles that were."""
    count = 0
    for update in updates:
        assert update[:2] == b"\x01\x00"
        for bitmap in bitmaps(Cursor(memoryview(update)[2:])):
            assert bitmap.width_px % 4 == 0
            assert bitmap.right_px < screen.width_px
            assert bitmap.bottom_px < screen.height_px
            screen.draw(bitmap, picture(bitmap, PureDecoder(), GREYS))
            count += 1
    return count


def page_of(size: tuple[int, int]) -> Page:
    return Page(size[0] // 12, size[1] // 20)


def painter_of(size: tuple[int, int], bits: int = 24) -> Painter:
    depth = depth_for(bits)
    assert depth is not None
    return Painter(*size, depth)


@pytest.mark.parametrize("bits", [15, 16, 24, 32])
@pytest.mark.parametrize("size", [SIZE, (333, 251)])
def test_each_character_stands_in_its_cell(bits, size):
    page, screen = page_of(size), Framebuffer(*size)
    page.type("Hello, World! {~}\nA second line")
    draw(screen, list(painter_of(size, bits).paint(page.grid())))
    shown = [line.rstrip() for line in page.grid().characters]
    assert lines_of(bytes(screen.pixels), size[0]) == shown
    assert "  Hello, World! {~}" in shown


def test_every_pixel_is_painted():
    size = (333, 251)
    screen = Framebuffer(*size)
    pink = bytes.fromhex("ff00ffff")
    screen.pixels[:] = pink * (len(screen.pixels) // 4)
    draw(screen, list(painter_of(size).paint(page_of(size).grid())))
    left = [at for at in range(0, len(screen.pixels), 4) if screen.pixels[at : at + 4] == pink]
    assert not left


def test_only_what_changed_is_painted_again():
    page, painter, screen = page_of(SIZE), painter_of(SIZE), Framebuffer(*SIZE)
    assert draw(screen, list(painter.paint(page.grid()))) > 20
    assert list(painter.paint(page.grid())) == []
    page.type("a")
    assert draw(screen, list(painter.paint(page.grid()))) == 1


def test_a_client_that_lost_the_picture_gets_all_of_it():
    page, painter, screen = page_of(SIZE), painter_of(SIZE), Framebuffer(*SIZE)
    count = draw(screen, list(painter.paint(page.grid())))
    painter.forget()
    assert draw(screen, list(painter.paint(page.grid()))) == count


def test_an_update_fits_what_every_client_takes():
    size = (1920, 1200)
    page = page_of(size)
    page.type("#@%&" * 2000)
    updates = list(painter_of(size).paint(page.grid()))
    # One rectangle may be larger than what others are joined to.
    assert max(map(len, updates)) < 16_000
    assert sum(map(len, updates)) > MAX_UPDATE_BYTES


def test_a_client_of_256_colours_has_no_depth():
    assert depth_for(8) is None


@settings(max_examples=10)
@given(some.data())
def test_whatever_stands_on_a_page_is_drawn_as_it_is(data):
    columns, rows = SIZE[0] // 12, SIZE[1] // 20
    letters = some.text(some.sampled_from(" #aA~"), min_size=columns, max_size=columns)
    styles = some.text(some.sampled_from("dtpc"), min_size=columns, max_size=columns)
    lines = data.draw(some.lists(letters, min_size=rows, max_size=rows))
    grid = Grid(lines, data.draw(some.lists(styles, min_size=rows, max_size=rows)))
    screen = Framebuffer(*SIZE)
    draw(screen, list(painter_of(SIZE, 16).paint(grid)))
    shown = lines_of(bytes(screen.pixels), SIZE[0])
    assert shown == [line.rstrip() for line in lines]
