"""A line knows which of its keys were echoed, and what of it may be kept."""

import pytest

from recorder.typed_line import TypedLine, common_prefix


def line(
    text: bytes, *, ended: bool = True, prompted: bool = False, ahead: bool = False
) -> TypedLine:
    typed = TypedLine(prompted=prompted, ahead=ahead)
    for key in text:
        typed.add(0, bytes([key]), bytes([key]))
    if ended:
        typed.finish(5, b"\r")
    return typed


def kept(typed: TypedLine) -> tuple[bytes, bool]:
    pieces, masked = typed.verdict()
    return b"".join(raw for _, raw in pieces), masked


def test_a_whole_echo_completes_a_line_and_takes_its_newline():
    typed = line(b"ls")
    assert typed.match_whole(b"$ ls\nfile", 0, 9) == 5
    assert typed.complete
    assert kept(typed) == (b"ls\r", False)


def test_a_short_text_elsewhere_is_no_echo():
    assert line(b"ls").match_whole(b"tools", 0, 5) == -1
    assert line(b"ls", ended=False).match_whole(b"ls", 0, 2) == -1
    assert line(b"", ended=False).match_whole(b"ls", 0, 2) == -1


def test_keys_are_matched_in_order_near_the_start_only():
    typed = line(b"ab", ended=False)
    assert typed.match_keys(b"a", 0, 1) == 1
    assert typed.match_keys(b"xxxxxxb", 0, 7) == 0
    assert not typed.complete
    assert typed.match_keys(b"ab", 0, 2) == 2
    assert typed.complete


def test_an_echo_that_redraws_in_between_is_followed():
    typed = line(b"wrapped line", ended=False)
    assert typed.match_keys(b"wrapped  line", 0, 13) == 13
    assert typed.complete


def test_a_key_typed_too_long_ago_finds_no_echo():
    typed = line(b"abcd", ended=False)
    typed.expire(3001)
    assert typed.match_whole(b"abcd", 0, 4) == -1
    assert typed.unechoed


def test_a_key_typed_ahead_does_not_grow_old():
    typed = line(b"abcd", ahead=True)
    typed.expire(60_000)
    assert typed.match_whole(b"abcd", 0, 4) == 4


@pytest.mark.parametrize(
    ("echoed", "prompted", "expected"),
    [
        (0, False, (b"\r", True)),
        (1, False, (b"\r", True)),
        (2, False, (b"\r", True)),
        (5, False, (b"\r", True)),
        (6, False, (b"012345\r", True)),
        (8, True, (b"\r", True)),
        (9, True, (b"0123456789\r", False)),
        (7, False, (b"0123456789\r", False)),
    ],
)
def test_how_much_echo_keeps_a_line(echoed, prompted, expected):
    typed = line(b"0123456789", prompted=prompted)
    typed.match_straight(b"0123456789"[:echoed], 0)
    assert kept(typed) == expected


def test_lone_echoes_are_a_coincidence():
    typed = line(b"hunter2")
    typed.match_keys(b"u", 0, 1)
    typed.match_keys(b"t", 0, 1)
    typed.match_keys(b"r", 0, 1)
    assert kept(typed) == (b"\r", True)


def test_the_echoed_front_of_a_long_line_can_be_handed_out():
    typed = line(b"abcdef", ended=False)
    typed.match_straight(b"abc", 0)
    assert typed.take_echoed() == [(0, b"a"), (0, b"b"), (0, b"c")]
    assert typed.pieces() == [(0, b"d"), (0, b"e"), (0, b"f")]
    assert typed.take_echoed() == []
    assert typed.match_straight(b"def", 0) == 3
    assert [raw for _, raw in typed.take_echoed()] == [b"d", b"e", b"f"]


@pytest.mark.parametrize(
    ("one", "other", "size"),
    [
        (b"", b"", 0),
        (b"abc", b"abc", 3),
        (b"abcX", b"abcY", 3),
        (b"X", b"Y", 0),
        (b"ab", b"abc", 2),
    ],
)
def test_a_common_prefix_is_found_by_halves(one, other, size):
    assert common_prefix(b"--" + one, 2, b"-" + other, 1) == size
