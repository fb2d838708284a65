"""Our RDP decoders against PyRDP's, over what the recorded sessions do not hold.

Where only one of the two is right, a test says which, and by which section.
"""

from random import Random
from typing import Final

import pytest
from peers.pyrdp import PyRDP, PyRDPError
from samples.pyrdp import UNREAD_TIME, interleaved, moves_of, planar, told_of
from samples.rdp import COOKIE, client_info, client_packets

from protocols.rdp.wire import gcc, mcs, slowpath
from protocols.rdp.wire.client_core import ClientCore
from protocols.rdp.wire.client_info import ClientInfo
from protocols.rdp.wire.keys import keys_of
from recorder.replay.rdp import share
from recorder.replay.rdp.input import (
    Key,
    Pointer,
    Synchronised,
    fast_path_input,
    io_channel_input,
)
from recorder.replay.rdp.interleaved import decode_interleaved
from recorder.replay.rdp.pdus import FastPathPdu, pdus
from recorder.replay.rdp.planar import decode_planar

pytestmark = pytest.mark.pyrdp_oracle
IO_CHANNEL: Final = 1003
SIDES: Final = ((4, 4), (8, 3), (16, 16), (64, 64), (36, 7), (12, 30))
FAST_EVENTS: Final = (
    *(bytes([flags, 0x1D]) for flags in range(8)),  # Down, up; behind 0xE0, behind 0xE1.
    b"\x20\x00\x10\x2c\x01\xc8\x00",
    b"\x40\x01\x80\x2c\x01\xc8\x00",
    b"\x67",
    *(bytes([0x80 | up]) + char.encode("utf-16-le") for up in (0, 1) for char in "ß€"),
    b"\xc0\x01\x02\x03\x04",
)
RELATIVE_MOUSE: Final = b"\xa0\x00\x08\x05\x00\xfb\xff"
SLOW_EVENTS: Final = (
    (0, 0, 0b0111, 0),
    *((4, flags, 0x1D, 0) for flags in (0x0000, 0x8000, 0x0100, 0x8100, 0x0200, 0xC000)),
    *((5, flags, ord(char), 0) for flags in (0, 0x8000) for char in "ß€"),
    (0x8001, 0x9000, 300, 200),
    (0x8002, 0x8001, 300, 200),
)


def fast_path(*events: bytes) -> bytes:
    count = len(events)
    body = (b"" if count <= 15 else bytes([count])) + b"".join(events)
    header = count << 2 if count <= 15 else 0
    return bytes([header]) + (0x8000 | 3 + len(body)).to_bytes(2, "big") + body


def slow_path(events: tuple[tuple[int, ...], ...]) -> bytes:
    body = len(events).to_bytes(2, "little") + bytes(2)
    for event in events:
        body += bytes(4) + b"".join(number.to_bytes(2, "little") for number in event)
    return slowpath.share_data(share.INPUT, body)


@pytest.mark.parametrize("count", [1, 8, 15, 16, 31, 200])
def test_both_read_every_event_of_the_fast_path(pyrdp: PyRDP, count: int) -> None:
    packet = fast_path(*(FAST_EVENTS[at % len(FAST_EVENTS)] for at in range(count)))
    [pdu] = pdus(packet)
    assert isinstance(pdu, FastPathPdu)
    [[kind, told]] = pyrdp.ask("frames", packet, from_client=True)
    assert (kind, len(told)) == ("input", count)
    # Times are no events to us.
    theirs = [one for one in told if one != UNREAD_TIME]
    assert [told_of(event) for event in fast_path_input(pdu)] == theirs
    assert keys_of(packet, IO_CHANNEL) == moves_of(told)


def test_only_pyrdp_stumbles_over_a_mouse_that_says_how_far_it_moved(pyrdp: PyRDP) -> None:
    """[MS-RDPBCGR] 2.2.8.1.2.2.7. It loses what follows, for want of the length."""
    packet = fast_path(RELATIVE_MOUSE, FAST_EVENTS[0])
    [pdu] = pdus(packet)
    assert isinstance(pdu, FastPathPdu)
    assert list(fast_path_input(pdu)) == [Key(0x1D)]
    with pytest.raises(PyRDPError, match="KeyError: 5"):
        pyrdp.ask("frames", packet, from_client=True)


def test_both_read_every_event_of_the_slow_path(pyrdp: PyRDP) -> None:
    data = slow_path(SLOW_EVENTS)
    told = pyrdp.ask("share", data)["inputs"]
    # On this path it reads the locks, and the further buttons, too.
    locks, *ours, further = io_channel_input(memoryview(data))
    assert isinstance(locks, Synchronised)
    assert isinstance(further, Pointer)
    assert further.extra_buttons
    assert told[0] == ["locks", locks.toggles]
    assert told[-1] == ["pointer", further.flags, further.x_px, further.y_px]
    assert [told_of(event) for event in ours] == told[1:-1]
    assert keys_of(mcs.send_request(1007, IO_CHANNEL, data), IO_CHANNEL) == moves_of(told)


def test_only_pyrdp_loses_the_end_of_an_update(pyrdp: PyRDP) -> None:
    """It takes `uncompressedLength` to count all headers, as xrdp has it.

    [MS-RDPBCGR] 2.2.8.1.1.1.2 leaves that open; what we write counts from the kind on.
    """
    body = b"\x01\x00" + bytes(100)
    data = slowpath.share_data(share.UPDATE, body)
    [control] = share.share_controls(memoryview(data))
    assert share.share_data(control.body).body == body
    assert pyrdp.ask("share", data)["bytes"] == 100 - 12


def test_both_read_the_same_conference(pyrdp: PyRDP) -> None:
    packet = client_packets()[0]
    blocks = gcc.read_request(mcs.ConnectInitial.read(packet).user_data)
    core = ClientCore.read(gcc.find(blocks, gcc.Block.CLIENT_CORE))
    asked = gcc.read_channels(gcc.find(blocks, gcc.Block.CLIENT_NETWORK))
    assert pyrdp.ask("conference", packet) == {
        "size": [core.width_px, core.height_px],
        "depth": core.colour_depth_bits - 8,  # Without the flag that asks for 32.
        "early": 0x0502,
        "layout": core.keyboard_layout,
        "keyboard": core.keyboard_type,
        "protocol": 0,
        "channels": [[one.name, one.options] for one in asked],
        "session": 0,
    }


def test_pyrdp_reads_the_conference_that_we_answer(pyrdp: PyRDP) -> None:
    network = gcc.ServerNetwork(io_channel=IO_CHANNEL, channels=(1004, 1005, 1006))
    blocks: gcc.Blocks = [
        (gcc.Block.SERVER_CORE, bytes(12)),
        (gcc.Block.SERVER_NETWORK, gcc.write_server_network(network)),
        (gcc.Block.SERVER_SECURITY, bytes(8)),
    ]
    told = pyrdp.ask("answered", mcs.connect_response(gcc.write_response(blocks)))
    assert told == {"result": 0, "channels": [IO_CHANNEL, 1004, 1005, 1006]}


def test_both_read_the_same_client_info(pyrdp: PyRDP) -> None:
    packet = client_packets(client_info("jürgen", "pä€ss"))[-1]
    data = packet[mcs.read_sent(packet).offset :]
    ours, told = ClientInfo.read(data[4:]), pyrdp.ask("info", data)
    assert told == {
        "code_page": ours.code_page,
        "flags": ours.flags,
        "texts": [ours.domain, ours.username, ours.password, ours.shell, ours.directory],
        "cookie": COOKIE.hex(),
    }
    # A target gets the same without the cookie.
    assert pyrdp.ask("info", data[:4] + ours.write()) == told | {"cookie": ""}


@pytest.mark.parametrize("depth", [8, 15, 16, 24])
def test_both_make_the_same_of_interleaved_orders(pyrdp: PyRDP, depth: int) -> None:
    random, size = Random(depth), (depth + 7) // 8  # noqa: S311 - the same in each run
    for at in range(120):
        width, height = SIDES[at % len(SIDES)]
        data = interleaved(random, width, height, size)
        told = pyrdp.ask("pixels", data, width=width, height=height, size=size)
        pixels = decode_interleaved(data, width, height, depth)
        # It is not told 15 from 16 bits, and has white in the one that is left over.
        mask = (1 << depth) - 1
        theirs = bytes.fromhex(told)
        assert [pixel & mask for pixel in pixels] == [
            int.from_bytes(theirs[start : start + size], "little") & mask
            for start in range(0, len(theirs), size)
        ]


def test_only_pyrdp_has_a_row_above_in_an_order_that_began_in_the_first(pyrdp: PyRDP) -> None:
    """In [MS-RDPBCGR] 3.1.9 `fFirstLine` changes between orders, and never within one."""
    white_run = b"\xf1\x08\x00"
    assert decode_interleaved(white_run, 4, 2, 16) == 8 * [0xFFFF]
    told = pyrdp.ask("pixels", white_run, width=4, height=2, size=2)
    assert bytes.fromhex(told) == bytes(8) + b"\xff" * 8


def test_both_make_the_same_of_planes(pyrdp: PyRDP) -> None:
    random = Random(32)  # noqa: S311 - the same in each run
    for at in range(120):
        width, height = SIDES[at % len(SIDES)]
        data = planar(random, width, height)
        theirs = bytearray.fromhex(
            pyrdp.ask("pixels", data, width=width, height=height, size=4)
        )
        theirs[3::4] = b"\xff" * (width * height)
        assert theirs == decode_planar(data, width, height)
