import pytest
from hypothesis import given
from hypothesis import strategies as some
from samples.rdp import share

from protocols.rdp.wire import slowpath
from protocols.rdp.wire.keys import (
    EXTENDED,
    NO_SCAN_CODE,
    KeyMove,
    fast_path_keys,
    slow_path_keys,
)

MOVED = b"\x20" + bytes(6)


@pytest.mark.parametrize(
    ("packet", "keys"),
    [
        (b"\x04\x04\x00\x1e", [KeyMove(0x1E)]),
        (b"\x04\x04\x03\x5b", [KeyMove(0x5B | EXTENDED, released=True)]),
        (b"\x08\x0b" + MOVED + b"\x00\x1e", [KeyMove(0x1E)]),
        (b"\x04\x05\x80\xe4\x00", [KeyMove(NO_SCAN_CODE, unit=0xE4)]),
        (b"\x00\x05\x01\x00\x1e", [KeyMove(0x1E)]),
        (b"\x04\x80\x05\x00\x1e", [KeyMove(0x1E)]),
        (b"\x08\x0b\xa0" + bytes(6) + b"\x00\x1e", [KeyMove(0x1E)]),
        (b"\x08\x05\xe0\x00\x1e", []),
        (b"\x08\x04\x00\x1e", [KeyMove(0x1E)]),
    ],
)
def test_keys_are_found_among_other_events(packet: bytes, keys: list[KeyMove]) -> None:
    assert fast_path_keys(packet) == keys


def event(kind: int, flags: int, code: int) -> bytes:
    words = (kind, flags, code, 0)
    return bytes(4) + b"".join(word.to_bytes(2, "little") for word in words)


def test_keys_on_the_slow_path_are_the_same() -> None:
    events = [event(4, 0x8100, 0x5B), event(0x8001, 0, 7), event(5, 0, 0xE4)]
    body = len(events).to_bytes(2, "little") + b"\0\0" + b"".join(events)
    head = bytes(8) + b"\x1c" + bytes(3)
    pdu = b"front" + share(slowpath.Share.DATA, head + body)
    keys = [KeyMove(0x5B | EXTENDED, released=True), KeyMove(NO_SCAN_CODE, unit=0xE4)]
    assert slow_path_keys(pdu, 5) == keys
    assert slow_path_keys(pdu[:-1], 5) == keys[:1]
    assert slow_path_keys(b"front", 5) == []


@given(some.binary(min_size=2, max_size=300))
def test_whatever_is_sent_nothing_breaks(data: bytes) -> None:
    fast_path_keys(data)
    slow_path_keys(data, 0)
