"""The clipboard's channel in a relay: what may cross of it, packet by packet. Sans-io."""

from protocols.rdp.clipboard_policy import CHANNEL_NAME, ClipboardPolicy, ClipboardTerms
from protocols.rdp.wire import mcs
from recorder.events import ChannelRefused
from recorder.ports import EventSink


class ClipboardChannel:
    """Takes packets in the client's numbers. What does not cross is recorded, once a kind."""

    def __init__(self, number: int | None, terms: ClipboardTerms, sink: EventSink) -> None:
        self.number = number
        """The client's; None where there is no such channel."""
        self._policy, self._sink = ClipboardPolicy(terms), sink
        self._told: set[str] = set()

    def copied(self, packet: bytes, *, from_client: bool) -> list[bytes]:
        """Return the packets that go on in place of this one.

        Raises `RemoteProtocolError` where it makes no sense.
        """
        sent = mcs.read_sent(packet)
        data = packet[sent.offset :]
        pieces = self._policy.take(data, from_client=from_client)
        if self._policy.refused is not None:
            self._tell(self._policy.refused)
        if pieces == [data]:
            return [packet]
        send = mcs.send_request if from_client else mcs.send_indication
        return [send(sent.initiator, sent.channel, piece) for piece in pieces]

    def _tell(self, detail: str) -> None:
        if detail in self._told:
            return
        self._told.add(detail)
        at_ms = self._sink.at_ms()
        refused = ChannelRefused(
            at_ms=at_ms, kind=CHANNEL_NAME, detail=detail, reason="not allowed"
        )
        self._sink.record([refused])
