import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.rdp import connect_initial

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber, mcs
from protocols.rdp.wire.framing import data_packet

IDS = st.integers(1001, 0xFFFF)


def test_a_connect_initial_is_read_as_it_was_written():
    initial = connect_initial()
    assert mcs.ConnectInitial.read(initial.write()) == initial


def test_a_response_that_accepts_gives_its_user_data():
    assert mcs.read_connect_response(mcs.connect_response(b"data")) == b"data"


@given(IDS, IDS)
def test_joins_are_read_as_they_were_written(user: int, channel: int):
    number, reader = mcs.domain_of(mcs.join(user, channel))
    assert (number, *mcs.read_join(reader)) == (mcs.Domain.JOIN, user, channel)
    mcs.read_join_confirm(mcs.join_confirm(user, channel), channel)
    assert mcs.read_attach_user_confirm(mcs.attach_user_confirm(user)) == user


@given(IDS, IDS, st.binary(max_size=300))
def test_sent_data_is_read_as_it_was_written(user: int, channel: int, data: bytes):
    for write in (mcs.send_request, mcs.send_indication):
        packet = write(user, channel, data)
        sent = mcs.read_sent(packet)
        assert (sent.initiator, sent.channel) == (user, channel)
        assert packet[sent.offset :] == data


def test_a_length_of_one_byte_is_read_too():
    packet = data_packet(b"\x64\x00\x05\x03\xeb\x70\x02ab")
    assert packet[mcs.read_sent(packet).offset :] == b"ab"


@pytest.mark.parametrize(
    "read",
    [
        lambda: mcs.ConnectInitial.read(mcs.connect_response(b"")),
        lambda: mcs.ConnectInitial.read(data_packet(ber.write(b"\x7f\x65", b""))),
        lambda: mcs.read_connect_response(connect_initial().write()),
        lambda: mcs.read_connect_response(
            data_packet(ber.write(b"\x7f\x66", ber.write(ber.ENUMERATED, b"\x0e")))
        ),
        lambda: mcs.read_attach_user_confirm(data_packet(b"\x2e\x01\x00\x00")),
        lambda: mcs.read_join_confirm(data_packet(b"\x3e\x0f"), 1003),
        lambda: mcs.read_join_confirm(mcs.join_confirm(1001, 1004), 1003),
        lambda: mcs.read_sent(data_packet(b"\x64\x00\x05\x03\xeb\x70\x03ab")),
        lambda: mcs.domain_of(data_packet(b"")),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(read):
    with pytest.raises(RemoteProtocolError):
        read()
