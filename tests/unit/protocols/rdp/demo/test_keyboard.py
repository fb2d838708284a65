import pytest
from hypothesis import given
from hypothesis import strategies as some

from protocols.rdp.demo.keyboard import BACKSPACE, ENTER, Keyboard
from protocols.rdp.wire.keys import EXTENDED, NO_SCAN_CODE, KeyMove

SHIFT, CONTROL, ALT, CAPS = 0x2A, 0x1D, 0x38, 0x3A


def pressed(*codes: int) -> list[KeyMove]:
    """Keys that go down in this order, and up in the opposite one."""
    down = [KeyMove(code) for code in codes]
    return down + [KeyMove(code, released=True) for code in reversed(codes)]


def sent(text: str) -> list[KeyMove]:
    raw = text.encode("utf-16-le")
    units = [raw[at] | raw[at + 1] << 8 for at in range(0, len(raw), 2)]
    return [
        KeyMove(NO_SCAN_CODE, released, unit) for unit in units for released in (False, True)
    ]


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ((0x1E,), "a"),
        ((SHIFT, 0x1E), "A"),
        ((0x36, 0x02), "!"),
        ((0x29,), "`"),
        ((SHIFT, 0x28), '"'),
        ((0x2B,), "\\"),
        ((0x35,), "/"),
        ((0x39,), " "),
        ((0x1C,), ENTER),
        ((0x1C | EXTENDED,), ENTER),
        ((0x0E,), BACKSPACE),
        ((0x4C,), "5"),
        ((0x53,), "."),
        ((0x53 | EXTENDED,), ""),
        ((0x48 | EXTENDED,), ""),
        ((0x35 | EXTENDED,), "/"),
        ((CONTROL, 0x2E), ""),
        ((ALT, 0x0F), ""),
        ((0x5B | EXTENDED, 0x26), ""),
        ((0x3B,), ""),
    ],
)
def test_a_key_types_what_stands_on_it(codes, text):
    assert Keyboard().typed(pressed(*codes)) == text


def test_caps_lock_is_for_letters_alone():
    keyboard = Keyboard()
    keys = pressed(CAPS) + pressed(0x1E) + pressed(0x02) + pressed(SHIFT, 0x1E)
    assert keyboard.typed(keys) == "A1a"
    assert keyboard.typed(pressed(CAPS) + pressed(0x1E)) == "a"


def test_a_modifier_lasts_until_it_goes_up():
    keyboard = Keyboard()
    assert keyboard.typed([KeyMove(SHIFT)]) == ""
    assert keyboard.typed(pressed(0x1E)) == "A"
    assert keyboard.typed([KeyMove(SHIFT, released=True), *pressed(0x1E)]) == "a"


def test_characters_that_were_sent_as_such_are_typed_once():
    assert Keyboard().typed(sent("żółw 漢 😀\r")) == "żółw 漢 😀" + ENTER


def test_half_a_character_and_control_characters_type_nothing():
    halves = [KeyMove(NO_SCAN_CODE, unit=unit) for unit in (0xDC00, 0xD83D, 0x41, 0x1B, 0)]
    assert Keyboard().typed(halves) == "A"


moves = some.builds(
    KeyMove,
    some.integers(-1, 0x1FF),
    some.booleans(),
    some.integers(0, 0xFFFF),
)


@given(some.lists(moves, max_size=60))
def test_whatever_is_pressed_only_what_can_be_shown_is_typed(keys):
    typed = Keyboard().typed(keys)
    assert all(one.isprintable() or one in {ENTER, BACKSPACE} for one in typed)
