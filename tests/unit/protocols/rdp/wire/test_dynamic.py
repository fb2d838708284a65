import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import dynamic
from protocols.rdp.wire.dynamic import Command, Header


@pytest.mark.parametrize(
    ("message", "header"),
    [
        (b"\x10\x07name\0", Header(Command.CREATE, 7, 2)),
        (b"\x31\x07\x01data", Header(Command.DATA, 263, 3)),
        (b"\x26\x07\0\0\x01data", Header(Command.DATA_FIRST, 0x01000007, 5)),
        (b"\x40\x07", Header(Command.CLOSE, 7, 2)),
        (b"\x50\0\1\0", Header(Command.CAPABILITIES, 0, 1)),
        (b"\x83\0", Header(8, 0, 1)),
    ],
)
def test_what_a_message_begins_with_is_read(message: bytes, header: Header) -> None:
    assert dynamic.read_header(message) == header


def test_a_name_is_read_and_refused_in_the_width_of_its_number() -> None:
    message = b"\x19\x07\x01ECHO\0"
    header = dynamic.read_header(message)
    assert dynamic.read_name(message, header) == "ECHO"
    refusal = dynamic.not_created(message, header)
    assert refusal == b"\x11\x07\x01\x05\0\x07\x80"
    assert not dynamic.is_created(refusal, dynamic.read_header(refusal))


def test_an_acceptance_is_told_from_a_refusal() -> None:
    message = b"\x10\x07\0\0\0\0"
    assert dynamic.is_created(message, dynamic.read_header(message))


@pytest.mark.parametrize(("said", "version"), [(1, 1), (2, 2), (3, 2), (9, 2)])
def test_no_version_that_compresses_is_agreed(said: int, version: int) -> None:
    message = dynamic.of_version_2(b"\x50\0" + said.to_bytes(2, "little") + b"rest")
    assert message == b"\x50\0" + version.to_bytes(2, "little") + b"rest"


def test_what_is_cut_off_is_an_error() -> None:
    for message in (b"", b"\x10", b"\x13\x01", b"\x32\x01\x02"):
        with pytest.raises(RemoteProtocolError):
            dynamic.read_header(message)
    with pytest.raises(RemoteProtocolError):
        dynamic.of_version_2(b"\x50\0\1")


@pytest.mark.parametrize("name", [b"", b"name", b"name\0more", b"x" * 257 + b"\0"])
def test_a_name_that_is_none_is_an_error(name: bytes) -> None:
    message = b"\x10\x07" + name
    with pytest.raises(RemoteProtocolError):
        dynamic.read_name(message, dynamic.read_header(message))
