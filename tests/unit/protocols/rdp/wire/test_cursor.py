import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.cursor import Reader


def test_numbers_are_read_in_both_orders():
    reader = Reader(b"\x01\x02\x03\x04\x05\x06\x07\x08\x09rest")
    assert (reader.u8(), reader.u16(), reader.u16_big()) == (1, 0x0302, 0x0405)
    assert (reader.u32(), reader.offset, reader.left) == (0x09080706, 9, 4)
    assert (reader.rest(), reader.left) == (b"rest", 0)


@pytest.mark.parametrize("size", [4, -1])
def test_a_field_that_is_not_there_is_refused(size: int):
    with pytest.raises(RemoteProtocolError):
        Reader(b"abc").take(size)


def test_what_must_be_there_is_named_where_it_is_not():
    Reader(b"abc").expect(b"ab", "greeting")
    with pytest.raises(RemoteProtocolError, match="no greeting"):
        Reader(b"abc").expect(b"xx", "greeting")
