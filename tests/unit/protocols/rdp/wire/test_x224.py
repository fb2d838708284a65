import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.framing import tpkt
from protocols.rdp.wire.x224 import (
    ConnectionConfirm,
    ConnectionRefusal,
    ConnectionRequest,
    RequestFlag,
    ResponseFlag,
    Security,
    read_answer,
)


def request(body: bytes) -> bytes:
    return tpkt(bytes((6 + len(body), 0xE0)) + bytes(5) + body)


NEGOTIATION = b"\x01\x00\x08\x00\x03\x00\x00\x00"


@pytest.mark.parametrize(
    "before", [b"", b"Cookie: mstshash=user\r\n", b"Cookie: msts=3640205228.15629.0000\r\n"]
)
def test_a_cookie_or_a_routing_token_is_skipped(before: bytes):
    read = ConnectionRequest.read(request(before + NEGOTIATION))
    assert read.protocols == Security.TLS | Security.NLA


def test_a_client_that_does_not_negotiate_offers_nothing():
    assert ConnectionRequest.read(request(b"")).protocols == Security(0)
    assert ConnectionRequest.read(request(b"Cookie: mstshash=x\r\n")).protocols == Security(0)


def test_requests_and_answers_are_read_as_they_were_written():
    asked = ConnectionRequest(protocols=Security.NLA, flags=RequestFlag.REMOTE_GUARD)
    assert ConnectionRequest.read(asked.write()) == asked
    flags = ResponseFlag.EXTENDED_CLIENT_DATA
    for answer in (
        ConnectionConfirm(selected=Security.NLA, flags=flags),
        ConnectionRefusal(5),
    ):
        assert read_answer(answer.write()) == answer


def test_a_target_that_does_not_negotiate_has_rdps_own_security():
    packet = tpkt(b"\x06\xd0" + bytes(5))
    assert read_answer(packet) == ConnectionConfirm(selected=Security(0))


def test_of_what_windows_says_of_itself_only_what_is_made_use_of_is_read():
    # 4.1.2, with what came later: graphics, restricted admin, redirected authentication.
    confirm = bytes.fromhex("03000013 0e d0 0000 1234 00 02 1f 0800 02000000")
    expected = ConnectionConfirm(selected=Security.NLA, flags=ResponseFlag.EXTENDED_CLIENT_DATA)
    assert read_answer(confirm) == expected
    refusal = bytes.fromhex("03000013 0e d0 0000 1234 00 03 00 0800 05000000")
    assert read_answer(refusal) == ConnectionRefusal(5)


@pytest.mark.parametrize(
    "packet",
    [
        request(b"\x01\x00\x08\x00\x03"),
        request(b"\x01\x00\x09\x00" + bytes(4)),
        tpkt(b"\x06\xd0" + bytes(5)),
        tpkt(b"\x05\xe0" + bytes(5)),
        tpkt(b"\xff\xe0" + bytes(1100)),
        b"\x00\x05abcdefghi",
    ],
)
def test_what_is_no_request_is_refused(packet: bytes):
    with pytest.raises(RemoteProtocolError):
        ConnectionRequest.read(packet)


@pytest.mark.parametrize("packet", [request(b""), tpkt(b"\x0e\xd0" + bytes(5) + b"\x09" * 8)])
def test_what_is_no_answer_is_refused(packet: bytes):
    with pytest.raises(RemoteProtocolError):
        read_answer(packet)
