from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.packets import body_of, payload_of, string, uint32

READERS = (
    packets.ChannelOpen.read,
    packets.OpenConfirmation.read,
    packets.OpenRefusal.read,
    packets.ChannelRequest.read,
    packets.GlobalRequest.read,
    packets.Terminal.read,
)


@given(st.binary(min_size=1, max_size=300))
def test_a_payload_survives_its_body(payload: bytes):
    body = body_of(payload)
    assert payload_of(body) == payload
    assert len(body) % 16 == 0
    assert body[0] >= 4


@given(st.binary(max_size=64))
def test_no_body_is_taken_for_more_than_it_holds(body: bytes):
    try:
        assert 0 < len(payload_of(body)) < len(body)
    except RemoteProtocolError:
        assert not body or not 4 <= body[0] < len(body) - 1


@pytest.mark.parametrize("read", READERS)
@given(payload=st.binary(max_size=200))
def test_noise_is_the_peers_fault_and_nothing_else(read, payload: bytes):
    with suppress(RemoteProtocolError):
        read(payload)


def test_a_string_cannot_reach_behind_its_packet():
    with pytest.raises(RemoteProtocolError):
        packets.Reader(uint32(0xFFFFFFFF) + b"abc").string()


def test_an_open_tells_where_a_forward_leads():
    leads_to = string(b"db") + uint32(5432) + string(b"10.0.0.1") + uint32(40000)
    payload = b"\x5a" + string(b"direct-tcpip") + uint32(2) + uint32(9) + uint32(8) + leads_to
    opened = packets.ChannelOpen.read(payload)
    assert opened == packets.ChannelOpen("direct-tcpip", 2, 9, 8, "db:5432")


def test_a_refusal_is_read_as_it_was_written():
    refusal = packets.OpenRefusal(3, packets.OpenFailure.CONNECT_FAILED, "no route")
    assert packets.OpenRefusal.read(refusal.write()) == refusal


def test_a_global_request_is_read_as_it_was_written():
    request = packets.GlobalRequest(
        "tcpip-forward", want_reply=True, rest=string(b"h") + uint32(1)
    )
    assert packets.GlobalRequest.read(request.write()) == request
    assert request.detail == "h:1"
