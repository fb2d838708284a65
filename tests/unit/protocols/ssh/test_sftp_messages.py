"""Messages are cut out of a stream; the contents of files pass in the slices they came in."""

import struct

import pytest

from protocols.errors import RemoteProtocolError
from protocols.ssh.sftp_messages import Kind, MessageCutter


class Taken:
    def __init__(self, body_kind: Kind) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.pieces: list[bytes] = []
        wanted = frozenset({Kind.STATUS})
        self.cutter = MessageCutter(body_kind, wanted, self.take_message, self.take_contents)

    def take_message(self, kind: int, fields: bytes) -> None:
        self.messages.append((kind, fields))

    def take_contents(self, fields: bytes):
        self.messages.append((0, fields))
        return lambda piece: self.pieces.append(bytes(piece))


def message(kind: int, fields: bytes) -> bytes:
    return struct.pack(">IB", len(fields) + 1, kind) + fields


DATA = message(103, b"id__" + struct.pack(">I", 5) + b"hello" + b"trailer")


def test_wanted_messages_come_whole_and_others_are_skipped():
    taken = Taken(Kind.DATA)
    taken.cutter.feed(message(104, b"names") + message(101, b"status") + message(105, b""))
    assert taken.messages == [(101, b"status")]


def test_contents_come_in_slices_and_what_trails_them_is_skipped():
    taken = Taken(Kind.DATA)
    for piece in (DATA[:14], DATA[14:16], DATA[16:] + message(101, b"status")):
        taken.cutter.feed(piece)
    assert taken.pieces == [b"h", b"el", b"lo"]
    assert taken.messages == [(0, b"id__\0\0\0\5"), (101, b"status")]


def test_a_write_names_its_handle_and_offset_before_the_contents():
    taken = Taken(Kind.WRITE)
    fields = b"id__\0\0\0\2hh" + bytes(8) + b"\0\0\0\3"
    for byte in message(6, fields + b"abc"):
        taken.cutter.feed(bytes([byte]))
    assert taken.messages == [(0, fields)]
    assert b"".join(taken.pieces) == b"abc"


def test_empty_contents_are_contents():
    taken = Taken(Kind.DATA)
    taken.cutter.feed(message(103, b"id__" + bytes(4)) + message(101, b"status"))
    assert taken.messages == [(0, b"id__" + bytes(4)), (101, b"status")]
    assert taken.pieces == []


@pytest.mark.parametrize(
    "stream",
    [
        bytes(5),
        message(101, bytes(256 * 1024)),
        message(103, b"id__" + struct.pack(">I", 6) + b"hello"),
        struct.pack(">IBII", 20, 103, 0, 21),
    ],
)
def test_what_is_no_message_is_refused(stream):
    with pytest.raises(RemoteProtocolError):
        Taken(Kind.DATA).cutter.feed(stream)


def test_a_handle_beyond_bounds_is_refused():
    with pytest.raises(RemoteProtocolError, match="handle"):
        Taken(Kind.WRITE).cutter.feed(struct.pack(">IBII", 20, 6, 0, 1 << 31))
