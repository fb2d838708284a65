import pytest

from recorder.replay.rdp.input import Character, Key
from recorder.replay.rdp.keyboard import Keyboard, layout_name

US, GERMAN, FRENCH, UK = 0x409, 0x407, 0x40C, 0x809
SHIFT, CONTROL, ALT, CAPS, WIN = 0x2A, 0x1D, 0x38, 0x3A, 0x5B
A, Q, E, C, N2, KEY_Q = 0x1E, 0x10, 0x12, 0x2E, 0x03, 0x10


def strokes(keyboard: Keyboard, *keys: Key) -> str:
    return "".join(keyboard.press(key) for key in keys)


def tap(code: int, *, extended: bool = False) -> tuple[Key, Key]:
    return Key(code, extended=extended), Key(code, released=True, extended=extended)


def with_held(held: Key, *keys: Key) -> list[Key]:
    up = Key(held.scan_code, released=True, extended=held.extended)
    return [held, *keys, up]


@pytest.mark.parametrize(
    ("layout", "plain", "shifted"),
    [(US, "2", "@"), (UK, "2", '"'), (GERMAN, "2", '"'), (FRENCH, "é", "2")],
)
def test_a_key_types_what_its_layout_says(layout: int, plain: str, shifted: str):
    keyboard = Keyboard(layout=layout)
    assert strokes(keyboard, *tap(N2)) == plain
    assert strokes(keyboard, *with_held(Key(SHIFT), *tap(N2))) == shifted


def test_caps_lock_raises_letters_alone_and_shift_undoes_it():
    keyboard = Keyboard()
    assert strokes(keyboard, *tap(CAPS), *tap(A), *tap(N2)) == "[CapsLock]A2"
    assert strokes(keyboard, *with_held(Key(SHIFT), *tap(A))) == "a"


@pytest.mark.parametrize(
    "held",
    [
        [Key(ALT, extended=True)],
        [Key(CONTROL), Key(ALT)],
        [Key(CONTROL), Key(ALT, extended=True)],
    ],
)
def test_altgr_is_the_right_alt_or_ctrl_and_alt(held: list[Key]):
    keyboard = Keyboard(layout=GERMAN)
    assert strokes(keyboard, *held, *tap(KEY_Q)) == "@"


def test_a_dead_key_waits_for_its_letter():
    acute, circumflex = 0x0D, 0x29
    keyboard = Keyboard(layout=GERMAN)
    assert strokes(keyboard, *tap(acute), *tap(E)) == "é"
    assert strokes(keyboard, *tap(circumflex), *tap(0x39)) == "^"
    assert strokes(keyboard, *tap(acute), *tap(C), *tap(acute), *tap(N2)) == "ć\xb42"


def test_combinations_and_extended_keys_are_named():
    keyboard = Keyboard()
    assert strokes(keyboard, *with_held(Key(CONTROL), *tap(C))) == "[Ctrl+C]"
    assert strokes(keyboard, *with_held(Key(ALT), *tap(0x3E))) == "[Alt+F4]"
    assert strokes(keyboard, *with_held(Key(SHIFT), *tap(0x0F))) == "[Shift+Tab]"
    assert strokes(keyboard, *tap(0x4B, extended=True), *tap(0x53, extended=True)) == (
        "[Left][Delete]"
    )
    assert strokes(keyboard, *with_held(Key(WIN, extended=True), *tap(0x13))) == "[Win+R]"
    assert strokes(keyboard, *tap(WIN, extended=True)) == "[Win]"
    assert strokes(keyboard, *tap(0x7F)) == "[Key 7F]"


def test_pause_is_two_keys_on_the_wire_and_one_in_the_index():
    keyboard = Keyboard()
    down = [Key(CONTROL, extended_1=True), Key(0x45)]
    up = [Key(CONTROL, released=True, extended_1=True), Key(0x45, released=True)]
    assert strokes(keyboard, *down, *up, *tap(A)) == "[Pause]a"
    assert keyboard.num


def test_the_pad_types_numbers_where_num_lock_says_so():
    keyboard = Keyboard(layout=GERMAN)
    keyboard.synchronise(2)
    assert strokes(keyboard, *tap(0x47), *tap(0x53), *tap(0x4E)) == "7,+"
    keyboard.synchronise(0)
    assert strokes(keyboard, *tap(0x47), *tap(0x53)) == "[Home][Delete]"


def test_a_synchronise_lets_go_of_every_key():
    keyboard = Keyboard()
    keyboard.press(Key(CONTROL))
    keyboard.synchronise(4)
    assert strokes(keyboard, *tap(A)) == "A"


def test_unicode_units_become_characters():
    keyboard = Keyboard()
    units = [0x00E9, 0xD83D, 0xDE00, 0xDC00]
    typed = [keyboard.type(Character(unit)) for unit in units]
    assert typed == ["é", "", "😀", ""]
    assert keyboard.type(Character(0x41, released=True)) == ""


@pytest.mark.parametrize(
    ("identifier", "name"),
    [(0x00010407, "de"), (0x0C0A, "es"), (0xF0C0_0409, "us"), (0x0, "us"), (0x1007, "de")],
)
def test_an_unknown_layout_is_read_as_one_of_its_language(identifier: int, name: str):
    assert layout_name(identifier) == name
