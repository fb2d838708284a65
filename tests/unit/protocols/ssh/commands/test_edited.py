import pytest

from protocols.ssh.commands.edited import ERASING, MAX_CHARACTERS, EditedLine


@pytest.mark.parametrize(
    ("edits", "text"), [(None, "b"), (ERASING, "abX"), (frozenset(), "abcX")]
)
def test_a_key_edits_for_those_who_take_it_for_one(edits: frozenset[bytes] | None, text: str):
    line = EditedLine(edits)
    line.insert("abc")
    known = [line.press(key) for key in (b"\x7f", b"\x01", b"\x04", b"\x05")]
    assert all(known) == (edits is None)
    if edits is not None:
        line.insert("X")
    assert line.text == text


def test_a_line_has_an_end_and_says_so():
    line = EditedLine()
    line.insert("x" * (MAX_CHARACTERS + 1))
    assert (line.size, line.overflowed) == (MAX_CHARACTERS, True)
    line.keep(2)
    assert line.text == "xx"
    line.begin()
    assert (line.text, line.overflowed) == ("", False)
