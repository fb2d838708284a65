import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.virtual_channel import pieces, read_piece


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
