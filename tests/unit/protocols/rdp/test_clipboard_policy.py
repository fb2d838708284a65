import pytest

from protocols.rdp.clipboard_policy import without_files

FIRST_AND_LAST = b"\x03\0\0\0"
FRONT = b"front"


def message(kind: int, body: bytes, flags: bytes = FIRST_AND_LAST) -> bytes:
    whole = kind.to_bytes(2, "little") + b"\0\0" + len(body).to_bytes(4, "little") + body
    return FRONT + len(whole).to_bytes(4, "little") + flags + whole


def capabilities(flags: int) -> bytes:
    general = b"\x01\0\x0c\0" + b"\x02\0\0\0" + flags.to_bytes(4, "little")
    return message(7, b"\x01\0\0\0" + general)


def test_neither_side_hears_that_the_other_takes_files() -> None:
    assert without_files(capabilities(0x3E), len(FRONT)) == capabilities(0x02)


def test_who_asks_for_a_piece_of_a_file_is_not_heard() -> None:
    assert without_files(message(8, bytes(28)), len(FRONT)) is None


@pytest.mark.parametrize(
    "packet",
    [
        message(2, bytes(36)),
        message(5, "text".encode("utf-16-le")),
        message(8, bytes(28), flags=b"\x02\0\0\0"),
        message(7, b""),
        FRONT,
        FRONT + bytes(9),
    ],
)
def test_all_else_passes_as_it_came(packet: bytes) -> None:
    assert without_files(packet, len(FRONT)) is packet
