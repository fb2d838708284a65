from samples.rdp import crossing

from protocols.rdp.clipboard_channel import ClipboardChannel
from protocols.rdp.clipboard_policy import ClipboardTerms
from protocols.rdp.wire import mcs
from protocols.rdp.wire.virtual_channel import pieces
from recorder.events import ChannelRefused, EndReason, KnownEvent

USER, CHANNEL = 1006, 1005
REQUEST = b"\x04\0\0\0\x04\0\0\0" + b"\x08\0\0\0"


class Sink:
    congested = False

    def __init__(self) -> None:
        self.events: list[KnownEvent] = []

    def at_ms(self) -> int:
        return 7

    def record(self, events: list[KnownEvent]) -> None:
        self.events += events

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def test_what_may_cross_is_the_packet_that_came() -> None:
    channel = ClipboardChannel(CHANNEL, ClipboardTerms(), Sink())
    packet = mcs.send_request(USER, CHANNEL, crossing(b"text"))
    assert channel.copied(packet, from_client=True) == [packet]


def test_what_is_changed_is_sent_as_its_side_sends() -> None:
    channel = ClipboardChannel(CHANNEL, ClipboardTerms(), Sink())
    offer = b"\x02\0\0\0\x24\0\0\0" + b"\x08\0\0\0" + bytes(32)
    emptied = b"\x02\0\0\0\0\0\0\0"
    for send, from_client in ((mcs.send_request, True), (mcs.send_indication, False)):
        [came], [told] = pieces(offer), pieces(emptied)
        changed = channel.copied(send(USER, CHANNEL, came), from_client=from_client)
        assert changed == [send(USER, CHANNEL, told)]


def test_what_is_kept_back_is_recorded_once() -> None:
    sink = Sink()
    channel = ClipboardChannel(CHANNEL, ClipboardTerms(), sink)
    [piece] = pieces(REQUEST)
    for _ in range(3):
        assert channel.copied(mcs.send_request(USER, CHANNEL, piece), from_client=True) == []
    detail = "a format that is not text, to the client"
    assert sink.events == [
        ChannelRefused(at_ms=7, kind="cliprdr", detail=detail, reason="not allowed")
    ]
