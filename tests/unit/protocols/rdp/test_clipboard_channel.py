from samples.rdp import crossing

from protocols.rdp.clipboard_channel import ClipboardChannel
from protocols.rdp.clipboard_policy import ClipboardTerms
from protocols.rdp.wire.virtual_channel import pieces
from recorder.events import ChannelRefused

REQUEST = b"\x04\0\0\0\x04\0\0\0" + b"\x08\0\0\0"


def test_what_may_cross_is_the_piece_that_came() -> None:
    piece = crossing(b"text")
    passed = ClipboardChannel(ClipboardTerms()).take(7, piece, from_client=True)
    assert (passed.onward, passed.back, passed.events) == ([piece], [], [])


def test_what_is_kept_back_is_recorded_once() -> None:
    channel = ClipboardChannel(ClipboardTerms())
    [piece] = pieces(REQUEST)
    passed = [channel.take(7, piece, from_client=True) for _ in range(3)]
    assert [one.onward for one in passed] == [[], [], []]
    detail = "a format that is not text, to the client"
    assert [event for one in passed for event in one.events] == [
        ChannelRefused(at_ms=7, kind="cliprdr", detail=detail, reason="not allowed")
    ]
    assert channel.end(8) == []
