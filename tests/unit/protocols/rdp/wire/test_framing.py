import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rdp.wire.framing import DERSplitter, Splitter, data_of, data_packet, tpkt


def fastpath(body: bytes) -> bytes:
    size = len(body) + 3
    return b"\x00" + (0x8000 | size).to_bytes(2, "big") + body


PACKETS = st.lists(
    st.one_of(
        st.binary(min_size=3, max_size=60).map(tpkt),
        st.binary(min_size=1, max_size=60).map(fastpath),
        st.binary(min_size=1, max_size=60).map(lambda body: bytes((4, len(body) + 2)) + body),
    ),
    max_size=12,
)


@given(PACKETS, st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_packets_are_the_same_however_they_were_fragmented(
    packets: list[bytes], sizes: list[int]
):
    stream, found, splitter = b"".join(packets), [], Splitter()
    while stream:
        size = sizes[len(found) % len(sizes)]
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == packets
    assert splitter.take_rest() == b""


@pytest.mark.parametrize(
    "data", [b"\x03\0\0\6xxx", b"\x01\x05", b"\x02\x05", b"\0\2", b"\0\x80\3"]
)
def test_what_is_no_packet_is_refused(data: bytes):
    with pytest.raises(RemoteProtocolError):
        Splitter().feed(data)


def test_an_unfinished_packet_can_be_taken_out():
    splitter = Splitter()
    assert splitter.feed(b"\x03\x00\x00\x09\x02") == []
    assert splitter.take_rest() == b"\x03\x00\x00\x09\x02"


def test_x224_data_is_unwrapped_and_nothing_else():
    assert data_of(data_packet(b"abc")) == b"abc"
    for packet in (tpkt(b"\x02\xf0\x00abc"), b"\x00\x05abcdef"):
        with pytest.raises(RemoteProtocolError):
            data_of(packet)


def test_a_packet_that_is_too_long_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        tpkt(bytes(0x10000))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_tokens_are_the_same_however_they_were_fragmented(bodies: list[bytes], size: int):
    written = [b"\x30" + (b"\x82" + len(body).to_bytes(2, "big")) + body for body in bodies]
    stream, found, splitter = b"".join(written), [], DERSplitter()
    for at in range(0, len(stream), size):
        token = splitter.feed(stream[at : at + size])
        while token is not None:
            found.append(token)
            token = splitter.feed(b"")
    assert found == written
    assert splitter.take_rest() == b""


@pytest.mark.parametrize(
    "data", [b"\x04\x01x", b"\x30\x80", b"\x30\x84", b"\x30\x83\xff\xff\xff"]
)
def test_what_is_no_token_or_too_long_is_refused(data: bytes):
    with pytest.raises(RemoteProtocolError):
        DERSplitter().feed(data)
