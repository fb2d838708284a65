from protocols.rdp.followed import Followed, FollowedChannels, Passed, Refusals
from protocols.rdp.wire import mcs
from recorder.events import ChannelRefused, EndReason, KnownEvent

USER, CHANNEL, OTHER = 1006, 1005, 1004


def refusal(detail: str) -> ChannelRefused:
    return ChannelRefused(at_ms=7, kind="x", detail=detail, reason="not allowed")


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


class Echo:
    """Lets everything pass, twice where it is asked to, and answers."""

    def take(self, _at_ms: int, data: bytes, /, *, from_client: bool) -> Passed:
        onward = [data, data] if data == b"twice" else [data]
        return Passed(onward, [] if from_client else [b"back"], [refusal("taken")])

    def end(self, _at_ms: int, /) -> list[KnownEvent]:
        return [refusal("ended")]


def followed(sink: Sink) -> FollowedChannels:
    channels: dict[int, Followed] = {CHANNEL: Echo(), OTHER: Echo()}
    return FollowedChannels(channels, sink)


def test_what_passes_is_the_packet_that_came() -> None:
    sink = Sink()
    packet = mcs.send_request(USER, CHANNEL, b"once")
    assert followed(sink).crossing(packet, from_client=True) == ([packet], [])
    assert sink.events == [refusal("taken")]


def test_what_is_changed_is_sent_as_its_side_sends() -> None:
    for send, from_client in ((mcs.send_request, True), (mcs.send_indication, False)):
        packet = send(USER, CHANNEL, b"twice")
        onward, back = followed(Sink()).crossing(packet, from_client=from_client)
        assert onward == [packet, packet]
        assert back == ([] if from_client else [b"back"])


def test_the_end_of_all_of_them_is_recorded() -> None:
    sink = Sink()
    followed(sink).end()
    assert sink.events == [refusal("ended")] * 2


def test_a_refusal_is_told_once() -> None:
    refusals = Refusals("x")
    assert refusals.tell(7, "this") == [refusal("this")]
    assert refusals.tell(7, "this") == []
    assert refusals.tell(7, "that") == [refusal("that")]


def test_more_refusals_than_are_kept_are_told_each_time() -> None:
    refusals = Refusals("x")
    for number in range(256):
        refusals.tell(7, str(number))
    assert refusals.tell(7, "one more") == refusals.tell(7, "one more") == [refusal("one more")]
