import pytest
from samples.rdp import redirection

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.redirection import MAX_TOKEN_BYTES, Redirection


def test_it_says_where_to_go_and_which_session_waits_there() -> None:
    packet = redirection(address="host-2.example.org", session_id=7, password="secret")
    assert Redirection.read(packet) == Redirection(session_id=7, host="host-2.example.org")


def test_who_gives_a_token_is_asked_again_himself() -> None:
    packet = redirection(address="10.0.0.7", session_id=1, token=b"Cookie: msts=1.2.3")
    assert Redirection.read(packet) == Redirection(session_id=1, token=b"Cookie: msts=1.2.3")


def test_what_is_only_for_information_sends_nobody_anywhere() -> None:
    assert Redirection.read(redirection(address="10.0.0.7", flags=0x80)) is None


def test_what_comes_behind_it_is_no_part_of_it() -> None:
    packet = redirection(address="10.0.0.7") + b"\0"
    assert Redirection.read(packet) == Redirection(session_id=0, host="10.0.0.7")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x00\x04\x0c\x00" + bytes(4),
        b"\x00\x04\x0b\x00" + bytes(8),
        b"\x01\x04\x0c\x00" + bytes(8),
        redirection(),
        redirection(password="only a password"),
        redirection(address="a b"),
        redirection(address="x" * 256),
        redirection(address="host\0other"),
        redirection(token=bytes(MAX_TOKEN_BYTES + 1)),
        redirection(address="host")[:-1],
        b"\x00\x04\x10\x00" + bytes(4) + b"\x01\0\0\0" + b"\xff\xff\xff\xff",
        b"\x00\x04\x11\x00" + bytes(4) + b"\x01\0\0\0" + b"\x01\0\0\0a",
    ],
)
def test_what_cannot_be_followed_is_an_error(packet: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Redirection.read(packet)
