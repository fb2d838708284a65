"""However two peers cut what they send: the same is recorded, in order, and forwarded."""

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.rdp import ScriptedTarget, accepted_client, connected, crossing

from protocols.errors import RemoteProtocolError
from protocols.rdp.relay import Relay, Side
from protocols.rdp.wire import mcs
from recorder.events import ClientData, EndReason, KnownEvent, TargetData

CLIENT = accepted_client()
TARGET = connected(CLIENT, ScriptedTarget(), "cliprdr")[1]
DATA = st.binary(min_size=1, max_size=60)
FASTPATH = DATA.map(lambda body: bytes((0, len(body) + 2)) + body)
FROM_CLIENT = st.lists(
    FASTPATH | DATA.map(lambda data: mcs.send_request(1006, 1005, crossing(data))), max_size=10
)
FROM_TARGET = st.lists(
    FASTPATH | DATA.map(lambda data: mcs.send_indication(1010, 1020, crossing(data))),
    max_size=10,
)
CUTS = st.lists(st.integers(1, 50), min_size=1, max_size=10)


class Sink:
    congested = False

    def __init__(self) -> None:
        self.kept = {ClientData: b"", TargetData: b""}

    def at_ms(self) -> int:
        return 0

    def record(self, events: list[KnownEvent]) -> None:
        for event in events:
            assert isinstance(event, ClientData | TargetData)
            self.kept[type(event)] += event.data

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def fed(relay: Relay, side: Side, packets: list[bytes], cuts: list[int]) -> bytes:
    stream, forwarded, turn = b"".join(packets), b"", 0
    while stream:
        size = cuts[turn % len(cuts)]
        forwarded += relay.receive(side, stream[:size]).data
        stream, turn = stream[size:], turn + 1
    return forwarded


@settings(max_examples=60)
@given(FROM_CLIENT, FROM_TARGET, CUTS)
def test_what_crosses_is_recorded_whole_and_forwarded_in_the_other_sides_numbers(
    from_client, from_target, cuts
):
    sink = Sink()
    relay = Relay(CLIENT, TARGET, sink)
    to_target = fed(relay, Side.CLIENT, from_client, cuts)
    to_client = fed(relay, Side.TARGET, from_target, cuts)
    assert sink.kept[ClientData] == b"".join(from_client)
    assert sink.kept[TargetData] == to_client
    back = Relay(CLIENT, TARGET, Sink())
    assert fed(back, Side.TARGET, from_target, [10**6]) == to_client
    assert len(to_target) == len(sink.kept[ClientData])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(Side), st.binary(max_size=90)), max_size=8))
def test_noise_is_refused_by_name_and_never_forwarded_unrecorded(pieces):
    sink = Sink()
    relay = Relay(CLIENT, TARGET, sink)
    forwarded = {Side.CLIENT: 0, Side.TARGET: 0}
    try:
        for side, piece in pieces:
            forwarded[side] += len(relay.receive(side, piece).data)
    except RemoteProtocolError:
        return
    assert forwarded[Side.CLIENT] <= len(sink.kept[ClientData])
    assert forwarded[Side.TARGET] <= len(sink.kept[TargetData])
