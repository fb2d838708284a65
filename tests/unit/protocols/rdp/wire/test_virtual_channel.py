import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.virtual_channel import Pieces, pieces, read_piece


@pytest.mark.parametrize("size", [1, 1599, 1600, 1601, 5000])
def test_a_message_is_cut_into_pieces_that_say_what_they_are(size: int) -> None:
    message = bytes(range(256)) * 20
    cut = [read_piece(one) for one in pieces(message[:size])]
    assert b"".join(one.data for one in cut) == message[:size]
    assert {one.whole_bytes for one in cut} == {size}
    assert [one.is_first for one in cut] == [True] + [False] * (len(cut) - 1)
    assert [one.is_last for one in cut] == [False] * (len(cut) - 1) + [True]
    assert max(len(one.data) for one in cut) <= 1600


def test_data_without_a_header_are_no_piece() -> None:
    with pytest.raises(RemoteProtocolError):
        read_piece(bytes(7))


def test_a_piece_has_the_flags_that_its_channel_was_asked_for_with() -> None:
    assert [one[4] for one in pieces(bytes(1601))] == [0x11, 0x12]
    assert [one[4] for one in pieces(bytes(1601), show_protocol=False)] == [0x01, 0x02]


def test_what_is_compressed_cannot_be_read() -> None:
    with pytest.raises(RemoteProtocolError, match="compressed"):
        read_piece(b"\1\0\0\0\3\0\x20\0x")


def test_pieces_make_a_message_of_the_size_that_was_said() -> None:
    reader, cut = Pieces(), list(pieces(bytes(3500)))
    assert [reader.read(one).is_last for one in cut * 2] == [False, False, True] * 2


def test_a_word_about_the_channel_is_of_no_message() -> None:
    reader, [first, second] = Pieces(), pieces(bytes(1700))
    reader.read(first)
    assert reader.read(b"\0\0\0\0\x40\0\0\0").is_signal
    assert reader.read(second).is_last


FIRST, SECOND, LAST = pieces(bytes(3500))


@pytest.mark.parametrize(
    "cut",
    [
        (SECOND,),
        (FIRST, FIRST),
        (FIRST, LAST),
        (FIRST, SECOND, SECOND),
        (FIRST, SECOND[:8]),
        (b"\4\0\0\0\3\0\0\0abc",),
        (b"\3\0\0\0\1\0\0\0abc",),
        (b"\0\0\0\0\3\0\0\0",),
    ],
)
def test_pieces_that_do_not_are_an_error(cut: tuple[bytes, ...]) -> None:
    reader = Pieces()
    for one in cut[:-1]:
        reader.read(one)
    with pytest.raises(RemoteProtocolError):
        reader.read(cut[-1])
