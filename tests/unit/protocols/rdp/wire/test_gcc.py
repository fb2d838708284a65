import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.rdp import CHANNELS, client_blocks

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import gcc, per

BLOCKS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=80)), max_size=9)


@given(BLOCKS)
def test_blocks_are_read_as_they_were_written(blocks: gcc.Blocks):
    assert gcc.read_request(gcc.write_request(blocks)) == blocks
    assert gcc.read_response(gcc.write_response(blocks)) == blocks


def test_what_stands_before_a_response_has_the_size_that_clients_skip():
    response = gcc.write_response([(0x0C01, bytes(8))])
    assert response[21:] == per.write_length(12) + b"\x01\x0c\x0c\0" + bytes(8)
    assert response[7] == len(response) - 8


def test_a_length_of_one_byte_is_read():
    block = b"\x01\xc0\x06\x00ab"
    assert gcc.read_request(b"whatever" + b"Duca" + b"\x06" + block) == [(0xC001, b"ab")]


def test_channels_are_read_as_they_were_written():
    found = gcc.find(client_blocks(), gcc.Block.CLIENT_NETWORK)
    assert gcc.read_channels(found) == CHANNELS
    assert gcc.read_channels(None) == ()


@pytest.mark.parametrize("channels", [(1004, 1005), (1004, 1005, 1006)])
def test_numbers_are_read_as_they_were_written(channels: tuple[int, ...]):
    network = gcc.ServerNetwork(io_channel=1003, channels=channels)
    block = gcc.write_server_network(network)
    assert len(block) % 4 == 0
    assert gcc.read_server_network(block, len(channels)) == network


def network(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "little") for number in numbers)


@pytest.mark.parametrize(
    "read",
    [
        lambda: gcc.read_request(b"no key"),
        lambda: gcc.read_request(b"Duca" + per.write_length(4) + b"\x01\xc0\x03\x00"),
        lambda: gcc.read_request(b"Duca" + per.write_length(400) + b"\x01\xc0\x04\x00" * 100),
        lambda: gcc.read_channels(b"\x20\0\0\0" + bytes(12 * 32)),
        lambda: gcc.read_channels(b"\x01\0\0\0" + bytes(11)),
        lambda: gcc.read_channels(b"\x01\0\0\0" + b"clip\nrd\0" + bytes(4)),
        lambda: gcc.read_channels(b"\x01\0\0\0" + b"clip\xffrd\0" + bytes(4)),
        lambda: gcc.read_server_network(None, 0),
        lambda: gcc.read_server_network(network(1003, 1, 1004), 2),
        lambda: gcc.read_server_network(network(1003, 2, 1004, 1004), 2),
        lambda: gcc.read_server_network(network(1003, 1, 1003), 1),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(read):
    with pytest.raises(RemoteProtocolError):
        read()
