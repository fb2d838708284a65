import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ssh.terminal.words import Word, WordsError, quote, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  launch   web01 ", ["launch", "web01"]),
        ("cat 'a b'", ["cat", "a b"]),
        ('cat "a \\"b\\" \\c"', ["cat", 'a "b" \\c']),
        ("cat a\\ b", ["cat", "a b"]),
        ("cat ''", ["cat", ""]),
        ("a'b'\"c\"d", ["abcd"]),
        ("cat 'größe 値'", ["cat", "größe 値"]),
    ],
)
def test_a_line_is_taken_apart_as_a_shell_would(line, words):
    assert [word.text for word in split(line)] == words


@pytest.mark.parametrize("line", ["cat 'a", 'cat "a', "cat a\\"])
def test_a_line_that_ends_within_a_quote_is_refused(line):
    with pytest.raises(WordsError):
        split(line)


def test_what_is_quoted_is_no_option():
    assert split("'-c' \\-c -c") == [Word("-c", bare=False), Word("-c", bare=False), Word("-c")]


@given(st.text())
def test_what_is_quoted_is_read_back_as_one_word(text):
    assert [word.text for word in split(quote(text))] == [text]
