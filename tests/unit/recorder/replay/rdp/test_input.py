import struct

import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.input import (
    Character,
    Input,
    Key,
    Pointer,
    Synchronised,
    fast_path_input,
    io_channel_input,
)
from recorder.replay.rdp.pdus import FastPathPdu

EVENTS: list[Input] = [
    Synchronised(6),
    Key(0x1E),
    Key(0x4B, released=True, extended=True),
    Key(0x1D, extended_1=True),
    Character(0x20AC),
    Pointer(0x9000, 300, 400),
    Pointer(0x8001, 5, 6, extra_buttons=True),
]
FAST = (
    b"\x66"
    b"\x00\x1e"
    b"\x03\x4b"
    b"\x04\x1d"
    b"\x80\xac\x20"
    b"\x20"
    + struct.pack("<HHH", 0x9000, 300, 400)
    + b"\x40"
    + struct.pack("<HHH", 0x8001, 5, 6)
)


def slow(*events: bytes) -> memoryview:
    body = struct.pack("<HH", len(events), 0) + b"".join(b"\0" * 4 + one for one in events)
    data = struct.pack("<IBBHBBH", 1, 0, 1, 0, 28, 0, 0) + body
    return memoryview(struct.pack("<HHH", 6 + len(data), 0x17, 1007) + data)


SLOW = slow(
    struct.pack("<HHI", 0, 0, 6),
    struct.pack("<HHHH", 4, 0, 0x1E, 0),
    struct.pack("<HHHH", 4, 0x8100, 0x4B, 0),
    struct.pack("<HHHH", 4, 0x0200, 0x1D, 0),
    struct.pack("<HHHH", 5, 0, 0x20AC, 0),
    struct.pack("<HHHH", 0x8001, 0x9000, 300, 400),
    struct.pack("<HHHH", 0x8002, 0x8001, 5, 6),
)


def test_both_paths_say_the_same():
    assert list(fast_path_input(FastPathPdu(7 << 2, memoryview(FAST)))) == EVENTS
    assert list(io_channel_input(SLOW)) == EVENTS


def test_the_number_of_events_may_follow_the_header():
    counted = FastPathPdu(0, memoryview(b"\x07" + FAST))
    assert list(fast_path_input(counted)) == EVENTS


def test_a_timestamp_is_passed_over_and_an_unknown_event_ends_the_pdu():
    data = b"\xc0\1\2\3\4" + b"\x00\x1e" + b"\xe0" + b"\x00\x1e"
    assert list(fast_path_input(FastPathPdu(4 << 2, memoryview(data)))) == [Key(0x1E)]
    assert list(io_channel_input(slow(struct.pack("<HHHH", 99, 1, 2, 3)))) == []


def test_keys_behind_a_mouse_that_only_says_how_far_it_moved_are_read():
    data = b"\xa0\0\x08\5\0\xfb\xff" + b"\x00\x1e"
    assert list(fast_path_input(FastPathPdu(2 << 2, memoryview(data)))) == [Key(0x1E)]


def test_events_that_are_cut_off_are_refused():
    with pytest.raises(MalformedPduError):
        list(fast_path_input(FastPathPdu(7 << 2, memoryview(FAST[:-1]))))
