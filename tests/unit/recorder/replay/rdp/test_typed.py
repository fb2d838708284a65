from recorder.replay.rdp.input import Character, Key, Pointer, Synchronised
from recorder.replay.rdp.typed import PAUSE_MS, Line, Typing

A, C, E = 0x1E, 0x2E, 0x12


def lines(*events: tuple[int, Key | Character | Pointer | Synchronised]) -> list[Line]:
    typing = Typing()
    told = [line for at_ms, event in events for line in typing.take(at_ms, event)]
    return [*told, *typing.finish()]


def test_a_line_has_the_time_of_its_first_key_and_ends_with_enter():
    assert lines((5, Key(A)), (9, Key(C)), (12, Key(0x1C)), (20, Key(E))) == [
        Line(5, "ac"),
        Line(20, "e"),
    ]


def test_backspace_takes_back_a_character_and_is_named_where_there_is_none():
    assert lines((1, Key(A)), (2, Key(0x0E)), (3, Key(C)), (4, Key(0x0F)), (5, Key(0x0E))) == [
        Line(3, "c[Tab][Backspace]")
    ]


def test_a_click_and_a_long_pause_end_a_line():
    click = Pointer(0x8000 | 0x1000, 30, 40)
    assert lines((1, Key(A)), (2, click), (3, Key(C)), (4 + PAUSE_MS, Key(E))) == [
        Line(1, "a"),
        Line(2, "[Click 30,40]", typed=False),
        Line(3, "c"),
        Line(4 + PAUSE_MS, "e"),
    ]


def test_moves_and_wheels_are_no_clicks():
    assert (
        lines(
            (1, Pointer(0x0800, 3, 4)), (2, Pointer(0x0278, 3, 4)), (3, Pointer(0x1000, 3, 4))
        )
        == []
    )
    assert lines((1, Pointer(0x8001, 3, 4, extra_buttons=True))) == [
        Line(1, "[Back button 3,4]", typed=False)
    ]


def test_where_keys_may_be_missing_a_line_says_so_and_none_is_held():
    typing = Typing()
    typing.lose()
    assert list(typing.finish()) == []
    for event in (Key(0x1E), Key(0x2A)):
        list(typing.take(5, event))
    typing.lose()
    typing.lose()
    list(typing.take(9, Key(0x1E)))
    [line] = typing.finish()
    assert line.text == "a[…]a"
