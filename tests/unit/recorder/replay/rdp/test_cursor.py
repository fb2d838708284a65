import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.cursor import Cursor


def test_numbers_are_read_in_their_order_of_bytes():
    cursor = Cursor(b"\x01\x02\x03\x04\x05\xff\xff\x06\x07\x08\x09end")
    assert cursor.u8() == 1
    assert cursor.u16() == 0x0302
    assert cursor.u16_big() == 0x0405
    assert cursor.i16() == -1
    assert cursor.u32() == 0x09080706
    assert bytes(cursor.rest()) == b"end"
    assert cursor.left == 0


@pytest.mark.parametrize("count", [4, -1, 2**40])
def test_nothing_is_read_past_the_end(count: int):
    cursor = Cursor(b"abcdef", 1, 4)
    with pytest.raises(MalformedPduError):
        cursor.take(count)
    assert bytes(cursor.take(3)) == b"bcd"
