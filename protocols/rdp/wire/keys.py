"""Keys in a client's input, on both paths ([MS-RDPBCGR] 2.2.8.1.2, 2.2.8.1.1.3). No more.

Whatever cannot be read gives no keys: it is the target's to judge, and nothing is changed.
"""

from typing import Final

from msgspec import Struct

from protocols.rdp.wire import mcs, slowpath

EXTENDED: Final = 0x100
"""Added to the scan code of a key that 0xE0 comes before."""
NO_SCAN_CODE: Final = -1
"""Of a character that was sent as such."""
_FASTPATH_ACTION: Final = 0b11
_LONG: Final = 0x80
_FAST_COUNT: Final = 0x0F
_FAST_KEY, _FAST_UNICODE = 0, 4
_FAST_SIZES: Final = {_FAST_KEY: 2, 1: 7, 2: 7, 3: 1, _FAST_UNICODE: 3, 5: 7, 6: 5}
"""Of events, with their header, by their kind; 5 is a mouse that says only how far it moved."""
_RELEASED: Final = 0x01
_FAST_EXTENDED: Final = 0x02
_SLOW_INPUT: Final = 28
"""Type of the share data PDU."""
_SLOW_DATA_KIND, _SLOW_COUNT, _SLOW_EVENTS, _SLOW_EVENT_BYTES = 14, 18, 22, 12
_SLOW_KEY, _SLOW_UNICODE = 4, 5
_SLOW_EXTENDED, _SLOW_RELEASED = 0x0100, 0x8000


class KeyMove(Struct, frozen=True):
    """A key went down or up."""

    code: int
    """Set 1 scan code, perhaps with `EXTENDED`; or `NO_SCAN_CODE`."""
    released: bool = False
    unit: int = 0
    """In UTF-16, of a character that was sent as such."""


def keys_of(packet: bytes, io_channel: int) -> list[KeyMove]:
    """Return the keys of a client's packet; raise where it holds no PDU at all."""
    if not packet[0] & _FASTPATH_ACTION:
        return fast_path_keys(packet)
    if mcs.number_of(packet) != mcs.Domain.SEND_DATA_REQUEST:
        return []
    sent = mcs.read_sent(packet)
    kind = slowpath.share_kind(packet, sent.offset) if sent.channel == io_channel else None
    return slow_path_keys(packet, sent.offset) if kind == slowpath.Share.DATA else []


def fast_path_keys(packet: bytes) -> list[KeyMove]:
    """Return the keys of a FastPath packet."""
    keys: list[KeyMove] = []
    count = packet[0] >> 2 & _FAST_COUNT
    at = 3 if packet[1] & _LONG else 2
    if not count:
        count, at = (packet[at] if at < len(packet) else 0), at + 1
    for _ in range(count):
        size = _FAST_SIZES.get(packet[at] >> 5) if at < len(packet) else None
        if size is None or at + size > len(packet):
            return keys
        kind, flags = packet[at] >> 5, packet[at]
        if kind == _FAST_KEY:
            extended = EXTENDED if flags & _FAST_EXTENDED else 0
            keys.append(KeyMove(packet[at + 1] | extended, bool(flags & _RELEASED)))
        elif kind == _FAST_UNICODE:
            unit = packet[at + 1] | packet[at + 2] << 8
            keys.append(KeyMove(NO_SCAN_CODE, bool(flags & _RELEASED), unit))
        at += size
    return keys


def slow_path_keys(packet: bytes, start: int) -> list[KeyMove]:
    """Return the keys of a share PDU that begins at `start`."""
    if len(packet) < start + _SLOW_EVENTS or packet[start + _SLOW_DATA_KIND] != _SLOW_INPUT:
        return []
    keys: list[KeyMove] = []
    count = int.from_bytes(packet[start + _SLOW_COUNT :][:2], "little")
    for number in range(count):
        event = packet[start + _SLOW_EVENTS + number * _SLOW_EVENT_BYTES :][:_SLOW_EVENT_BYTES]
        if len(event) < _SLOW_EVENT_BYTES:
            return keys
        kind, flags, code = (int.from_bytes(event[at : at + 2], "little") for at in (4, 6, 8))
        released = bool(flags & _SLOW_RELEASED)
        if kind == _SLOW_KEY:
            extended = EXTENDED if flags & _SLOW_EXTENDED else 0
            keys.append(KeyMove(code & 0xFF | extended, released))
        elif kind == _SLOW_UNICODE:
            keys.append(KeyMove(NO_SCAN_CODE, released, code))
    return keys
