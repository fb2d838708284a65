"""Escape sequences are told from text, whole or cut anywhere."""

import pytest

from recorder.escapes import (
    alternate_screen,
    split_partial_key,
    split_partial_shown,
    visible,
    visible_pieces,
    without_keys,
)

KEYS = [
    b"\x1b[A",
    b"\x1b[1;5C",
    b"\x1b[3~",
    b"\x1bOP",
    b"\x1bO5P",
    b"\x1b[[A",
    b"\x1b[200~",
    b"\x1b[<0;10;20M",
    b"\x1b[M !!",
    b"\x1bb",
    b"\x1b]11;rgb:0000/0000/0000\x1b\\",
    b"\x1b]11;rgb:0000/0000/0000\x07",
    b"\x1bP1+r544e\x1b\\",
    b"\x1b[?62;22c",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_no_text(key):
    assert without_keys(b"a" + key + b"b") == b"ab"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_has_just_begun_is_waited_for(key):
    assert split_partial_key(b"a" + key) == (b"a" + key, b"")
    for cut in range(1, len(key)):
        if cut == 2 and key[1:2] in b"]P":
            continue  # So far it is alt and a key.
        whole, partial = split_partial_key(b"a" + key[:cut])
        assert whole + partial == b"a" + key[:cut]
        assert without_keys(whole) + without_keys(partial + key[cut:]) == b"a"


def test_alt_and_a_key_typed_by_hand_swallows_nothing():
    whole, partial = split_partial_key(b"\x1bP")
    assert (without_keys(whole), partial) == (b"", b"")
    assert without_keys(b"\x1bPsecret\r") == b"secret\n"


def test_enter_is_a_newline_and_other_controls_are_nothing():
    assert without_keys(b"a\tb\x7f\x01\rc\n") == b"ab\nc\n"


@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b[31;1m",
        b"\x1b[?2004h",
        b"\x1b]0;title\x07",
        b"\x1b]8;;x\x1b\\",
        b"\x1b(B",
        b"\x1b=",
        b"\x1bM",
    ],
)
def test_what_steers_the_terminal_is_not_visible(sequence):
    assert visible(b"a" + sequence + b"b\r\n") == b"ab\n"
    if b"\x1b\\" not in sequence:
        for cut in range(1, len(sequence)):
            whole, partial = split_partial_shown(b"a" + sequence[:cut])
            assert (whole, partial) == (b"a", sequence[:cut])


def test_an_endless_sequence_is_not_waited_for():
    endless = b"\x1b]0;" + b"x" * 5000
    assert split_partial_shown(endless) == (endless, b"")
    assert split_partial_key(endless) == (endless, b"")


def test_text_that_is_put_elsewhere_is_a_piece_of_its_own():
    assert (
        visible_pieces(b"Password: \x1b[24;1H\x1b[7m[0] bash\x1b[m") == b"Password: \n[0] bash"
    )


@pytest.mark.parametrize(
    ("shown", "before", "after"),
    [
        (b"text", True, True),
        (b"\x1b[?1049h", False, True),
        (b"\x1b[?1049h\x1b[?1049l", False, False),
        (b"\x1b[?25;47h", False, True),
        (b"\x1b[?25h", False, False),
        (b"\x1b[?1047l", True, False),
    ],
)
def test_the_alternate_screen_is_followed(shown, before, after):
    assert alternate_screen(shown, before=before) is after
