import struct

import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.virtual_channel import MAX_MESSAGE_BYTES, Reassembly

FIRST, LAST = 1, 2


def part(size: int, flags: int, data: bytes) -> memoryview:
    return memoryview(struct.pack("<II", size, flags) + data)


def test_a_message_is_whole_with_its_last_part():
    channel = Reassembly()
    assert channel.add(part(2, FIRST | LAST, b"ab")) == b"ab"
    assert channel.add(part(6, FIRST, b"ab")) is None
    assert channel.add(part(6, 0, b"cd")) is None
    assert channel.add(part(6, LAST, b"ef")) == b"abcdef"


def test_what_has_lost_its_beginning_is_passed_over():
    channel = Reassembly()
    assert channel.add(part(6, LAST, b"ef")) is None
    assert channel.add(part(1, FIRST | LAST, b"x")) == b"x"


def test_a_message_larger_than_any_text_is_passed_over():
    channel = Reassembly()
    assert channel.add(part(MAX_MESSAGE_BYTES + 1, FIRST, b"ab")) is None
    assert channel.add(part(MAX_MESSAGE_BYTES + 1, LAST, b"cd")) is None


@pytest.mark.parametrize(("size", "flags"), [(1, FIRST), (9, FIRST | 0x0020_0000)])
def test_what_was_not_agreed_is_refused_and_the_next_message_is_read(size: int, flags: int):
    channel = Reassembly()
    with pytest.raises(MalformedPduError):
        channel.add(part(size, flags, b"ab"))
    assert channel.add(part(9, LAST, b"ab")) is None
    assert channel.add(part(1, FIRST | LAST, b"x")) == b"x"
