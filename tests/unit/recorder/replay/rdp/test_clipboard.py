import struct

import pytest

from recorder.errors import MalformedPduError
from recorder.replay.rdp.clipboard import Clipboard, ClipboardFile, ClipboardText

FORMATS, REQUEST, RESPONSE, CAPABILITIES = 2, 4, 5, 7
LONG_NAMES = struct.pack("<HHHHII", 1, 0, 1, 12, 2, 2)


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("<HHI", kind, flags, len(body)) + body


def copied(
    clipboard: Clipboard, asked: int, body: bytes, flags: int = 1
) -> list[ClipboardText | ClipboardFile]:
    """Let the target ask for a format, and the client send it."""
    list(clipboard.take(message(REQUEST, struct.pack("<I", asked)), from_client=False))
    return list(clipboard.take(message(RESPONSE, body, flags), from_client=True))


def descriptor(name: str, size: int, attributes: int = 0x20) -> bytes:
    head = struct.pack("<I32xI16xQII", 0, attributes, 0, size >> 32, size & 0xFFFF_FFFF)
    return head + name.encode("utf-16-le").ljust(520, b"\0")


@pytest.mark.parametrize(
    ("asked", "body", "text"),
    [
        (13, "Grüße 😀".encode("utf-16-le") + b"\0\0tail", "Grüße 😀"),
        (1, b"caf\xe9\0\0", "café"),
        (7, b"dos", "dos"),
    ],
)
def test_text_is_what_the_other_side_asked_for(asked: int, body: bytes, text: str):
    clipboard = Clipboard()
    assert copied(clipboard, asked, body) == [ClipboardText(to_target=True, text=text)]
    assert list(clipboard.take(message(RESPONSE, body, 1), from_client=True)) == []


def test_the_direction_is_that_of_the_data():
    clipboard = Clipboard()
    list(clipboard.take(message(REQUEST, struct.pack("<I", 13)), from_client=True))
    (text,) = clipboard.take(message(RESPONSE, b"x\0", 1), from_client=False)
    assert text == ClipboardText(to_target=False, text="x")


def test_a_failure_and_a_picture_are_no_text():
    assert copied(Clipboard(), 13, b"", flags=2) == []
    assert copied(Clipboard(), 8, b"BM") == []


@pytest.mark.parametrize("long_names", [True, False])
def test_a_list_of_files_is_known_by_its_name(long_names: bool):  # noqa: FBT001
    clipboard = Clipboard()
    name = "FileGroupDescriptorW".encode("utf-16-le")
    if long_names:
        for from_client in (True, False):
            list(clipboard.take(message(CAPABILITIES, LONG_NAMES), from_client=from_client))
        formats = struct.pack("<I", 13) + b"\0\0" + struct.pack("<I", 0xC0DE) + name + b"\0\0"
    else:
        formats = struct.pack("<I32x", 13) + struct.pack("<I", 0xC0DE) + name[:30] + b"\0\0"
    list(clipboard.take(message(FORMATS, formats), from_client=True))
    body = struct.pack("<I", 2) + descriptor("Plan Köln.txt", 2**32 + 5)
    assert copied(clipboard, 0xC0DE, body + descriptor("folder", 0, 0x10)) == [
        ClipboardFile(True, "Plan Köln.txt", 2**32 + 5, is_folder=False),  # noqa: FBT003
        ClipboardFile(True, "folder", 0, is_folder=True),  # noqa: FBT003
    ]


@pytest.mark.parametrize("data", [b"", b"\x05\0\1\0\xff\0\0\0", message(REQUEST, b"ab")])
def test_what_is_cut_off_is_refused(data: bytes):
    with pytest.raises(MalformedPduError):
        list(Clipboard().take(data, from_client=True))


@pytest.mark.parametrize("side", ["client", "target"])
def test_where_one_direction_alone_was_recorded_its_text_is_found(side: str):
    from_client = side == "client"
    clipboard = Clipboard()
    offer = struct.pack("<I", 13) + b"\0\0" + struct.pack("<I", 0xC001)
    offer += "HTML Format".encode("utf-16-le") + b"\0\0"
    text = "Grüße 😀".encode("utf-16-le") + b"\0\0"
    taken = []
    for one in (
        message(CAPABILITIES, LONG_NAMES),
        message(FORMATS, offer),
        message(RESPONSE, text, 1),
        message(RESPONSE, b"\x89PNG" + bytes(8), 1),
        message(RESPONSE, b"odd", 1),
    ):
        taken += clipboard.take(one, from_client=from_client)
    assert taken == [ClipboardText(to_target=from_client, text="Grüße 😀")]


def test_what_nobody_asked_for_is_no_text_where_both_were_recorded():
    clipboard = Clipboard()
    offer = message(FORMATS, struct.pack("<I", 13) + bytes(32))
    list(clipboard.take(message(CAPABILITIES, LONG_NAMES), from_client=False))
    list(clipboard.take(offer, from_client=True))
    assert list(clipboard.take(message(RESPONSE, b"x\0\0\0", 1), from_client=True)) == []
