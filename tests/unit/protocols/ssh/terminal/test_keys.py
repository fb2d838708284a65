import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ssh.terminal.keys import Key, KeyReader


def pressed(*pieces: bytes) -> list[Key | str]:
    reader, found = KeyReader(), []
    for piece in pieces:
        rest = piece
        while rest:
            key, rest = reader.take(rest)
            if key is not None:
                found.append(key)
    return found


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"\r", Key.ENTER),
        (b"\x7f", Key.BACKSPACE),
        (b"\x1b[A", Key.UP),
        (b"\x1bOA", Key.UP),
        (b"\x1b[1~", Key.HOME),
        (b"\x1b[7~", Key.HOME),
        (b"\x1b[1;5D", Key.WORD_LEFT),
        (b"\x1b[3~", Key.DELETE),
        (b"\x1bf", Key.WORD_RIGHT),
        (b"\x1b[200~", Key.PASTE_BEGINS),
    ],
)
def test_a_key_is_known_in_one_piece_and_in_many(sent, key):
    assert pressed(sent) == [key]
    assert pressed(*(sent[at : at + 1] for at in range(len(sent)))) == [key]


@given(st.text(st.characters(categories=("L", "N", "S"))), st.integers(1, 4))
def test_text_comes_through_whatever_pieces_it_is_sent_in(text, size):
    sent = text.encode()
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert "".join(pressed(*pieces)) == text


def test_what_is_no_text_and_no_key_is_left_out():
    assert pressed(b"\xff\x00\x1b[99;99z\x1b[31ma") == ["\ufffd", "a"]
    assert pressed("\u202ea".encode()) == ["a"]


@given(st.binary())
def test_any_bytes_are_taken(sent):
    pressed(sent)
