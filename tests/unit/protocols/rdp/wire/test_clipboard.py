import pytest

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import clipboard

HEAD = b"\x02\0\0\0\0\0\0\0"
LONG = b"\x0d\0\0\0\0\0" + b"\xb0\xc0\0\0" + "HTML Format\0".encode("utf-16-le")
SHORT = b"\x0d\0\0\0" + bytes(32) + b"\x08\0\0\0" + b"picture".ljust(32, b"\0")
CAPABILITIES = bytes.fromhex("0700000010000000 01000000 0100 0c00 02000000 3e000000")


def test_formats_are_read_with_long_names_and_with_short_ones() -> None:
    for body, is_long, numbers in ((LONG, True, [13, 0xC0B0]), (SHORT, False, [13, 8])):
        formats = clipboard.read_formats(HEAD + body, long_names=is_long)
        assert [one.number for one in formats] == numbers
        assert b"".join(one.written for one in formats) == body


def test_a_list_of_fewer_formats_says_how_long_it_is() -> None:
    first, _ = clipboard.read_formats(HEAD + LONG, long_names=True)
    assert clipboard.format_list(HEAD + LONG, [first]) == HEAD[:4] + b"\x06\0\0\0" + LONG[:6]


def test_capabilities_tell_of_long_names_and_lose_files() -> None:
    assert clipboard.has_long_names(CAPABILITIES)
    assert clipboard.without_files(CAPABILITIES)[-4:] == b"\x02\0\0\0"
    assert not clipboard.has_long_names(CAPABILITIES[:-4])
    assert clipboard.without_files(CAPABILITIES[:-4]) == CAPABILITIES[:-4]


def test_padding_is_cut_off_and_a_message_that_is_cut_off_is_an_error() -> None:
    assert clipboard.check_size(HEAD + b"pad") == HEAD
    with pytest.raises(RemoteProtocolError):
        clipboard.check_size(HEAD[:4] + b"\x01\0\0\0")


@pytest.mark.parametrize(
    ("body", "is_long"),
    [(b"\x0d\0\0", True), (b"\x0d\0\0\0a\0", True), (b"\x0d\0\0\0" + bytes(31), False)],
)
def test_a_list_that_ends_in_between_is_an_error(body: bytes, *, is_long: bool) -> None:
    with pytest.raises(RemoteProtocolError):
        clipboard.read_formats(HEAD + body, long_names=is_long)
