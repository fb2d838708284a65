import struct

import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp import share
from recorder.replay.rdp.share import DesktopSize, ShareControl, share_controls, share_data


def control(kind: int, body: bytes) -> bytes:
    return struct.pack("<HHH", 6 + len(body), 0x10 | kind, 1002) + body


def test_several_share_one_channel_pdu():
    data = control(7, b"one") + struct.pack("<HHI", 0x8000, 0, 0) + control(6, b"two")
    assert list(share_controls(memoryview(data))) == [
        ShareControl(7, memoryview(b"one")),
        ShareControl(6, memoryview(b"two")),
    ]


@pytest.mark.parametrize(
    "data", [b"\x80\x00\x10\x00\xff\x03\x10\x00", b"\x80\x00\x00\x00licence", b""]
)
def test_a_licence_is_none_of_them(data: bytes):
    assert list(share_controls(memoryview(data))) == []


def test_the_header_of_data_tells_its_kind_and_compression():
    body = struct.pack("<IBBHBBH", 1, 0, 1, 9, 2, 0x21, 3) + b"abc"
    one = share_data(memoryview(body))
    assert (one.kind, one.compression, bytes(one.body)) == (share.UPDATE, 0x21, b"abc")
    with pytest.raises(MalformedPduError):
        share_data(memoryview(body[:8]))


def active(*capabilities: bytes) -> memoryview:
    sets = b"".join(capabilities)
    head = struct.pack("<IHH", 1, 4, 4 + len(sets)) + b"RDP\0"
    return memoryview(head + struct.pack("<HH", len(capabilities), 0) + sets)


GENERAL = struct.pack("<HH", 1, 8) + b"\0" * 4
BITMAP = struct.pack("<HHHHHHHH", 2, 16, 24, 1, 1, 1, 800, 600)


def test_an_activation_tells_the_size_of_the_desktop():
    assert share.desktop_size(active(GENERAL, BITMAP)) == DesktopSize(800, 600, 24)
    assert share.desktop_size(active(GENERAL)) is None


@pytest.mark.parametrize("damaged", [active(BITMAP)[:-2], active(struct.pack("<HH", 2, 3))])
def test_a_damaged_activation_is_refused(damaged: memoryview):
    with pytest.raises(MalformedPduError):
        share.desktop_size(damaged)
