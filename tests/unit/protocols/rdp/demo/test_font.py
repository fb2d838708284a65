import string

from protocols.rdp.demo.font import GLYPHS, HEIGHT, UNKNOWN, WIDTH, glyph


def test_every_printable_ascii_character_has_its_own_letter():
    printable = string.printable[:95]
    assert set(GLYPHS) == set(printable)
    assert len({*GLYPHS.values(), UNKNOWN}) == len(printable) + 1
    assert GLYPHS[" "] == bytes(HEIGHT)


def test_letters_fit_their_matrix():
    for rows in (*GLYPHS.values(), UNKNOWN):
        assert len(rows) == HEIGHT
        assert max(rows) < 1 << WIDTH


def test_what_has_no_letter_is_a_box():
    assert glyph("漢") == UNKNOWN
