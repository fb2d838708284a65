import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.pdus import ChannelPdu, FastPathPdu, pdus


def tpkt(body: bytes) -> bytes:
    return b"\x03\x00" + (4 + len(body)).to_bytes(2, "big") + body


def sent(channel: int, data: bytes, number: int = 26, *, long: bool = True) -> bytes:
    size = (0x8000 | len(data)).to_bytes(2, "big") if long else bytes((len(data),))
    mcs = bytes((number << 2, 0, 6)) + channel.to_bytes(2, "big") + b"\x70" + size + data
    return tpkt(b"\x02\xf0\x80" + mcs)


def test_both_kinds_come_in_any_order_with_either_form_of_length():
    data = b"\x00\x04ab" + sent(1003, b"x") + b"\x04\x80\x05cd" + sent(9, b"y", 25, long=False)
    assert list(pdus(data)) == [
        FastPathPdu(0, memoryview(b"ab")),
        ChannelPdu(1003, memoryview(b"x")),
        FastPathPdu(4, memoryview(b"cd")),
        ChannelPdu(9, memoryview(b"y")),
    ]


def test_what_carries_no_channel_is_left_out():
    disconnect = tpkt(b"\x02\xf0\x80\x21\x80")
    assert list(pdus(tpkt(b"\x06\xe0\0\0\0\0\0") + disconnect + b"\x00\x03a")) == [
        FastPathPdu(0, memoryview(b"a"))
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\x02",
        b"\x00",
        b"\x00\x01",
        b"\x00\x82",
        b"\x00\x05ab",
        b"\x03\x00\x00\x03",
        b"\x03\x00\x00\x09\x02\xf0\x80\x68",
        tpkt(b""),
        sent(1003, b"abc")[:-1],
        tpkt(b"\x02\xf0\x80\x68\0\6\3\xeb\x70\x80\x09a"),
    ],
)
def test_what_is_cut_off_or_no_pdu_is_refused(data: bytes):
    with pytest.raises(MalformedPduError):
        list(pdus(data))
