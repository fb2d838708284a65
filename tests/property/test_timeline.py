from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from recorder.events import ClientData, KnownEvent, TargetData
from recorder.replay.timeline import placed


@st.composite
def recordings(draw: st.DrawFn) -> list[KnownEvent]:
    """Events as a recorder writes them: time never goes back, keys may have been held."""
    at_ms, events = 0, list[KnownEvent]()
    for number in range(draw(st.integers(0, 30))):
        at_ms += draw(st.integers(0, 20_000))
        channel = draw(st.integers(0, 2))
        data = str(number).encode()
        if draw(st.booleans()):
            events.append(TargetData(at_ms=at_ms, channel=channel, data=data))
        else:
            held_ms = draw(st.integers(0, at_ms))
            events.append(ClientData(at_ms=at_ms, channel=channel, data=data, held_ms=held_ms))
    return events


@given(recordings())
def test_time_never_goes_back(events: list[KnownEvent]) -> None:
    times = [event.at_ms for event in placed(events)]
    assert times == sorted(times)


@given(recordings())
def test_every_event_is_there_once(events: list[KnownEvent]) -> None:
    assert Counter(map(content, placed(events))) == Counter(map(content, events))


@given(recordings())
def test_the_output_is_in_recorded_order(events: list[KnownEvent]) -> None:
    assert [event for event in placed(events) if isinstance(event, TargetData)] == [
        event for event in events if isinstance(event, TargetData)
    ]


@given(recordings(), st.integers(0, 2))
def test_the_keys_of_a_channel_are_in_recorded_order(
    events: list[KnownEvent], channel: int
) -> None:
    assert keys(list(placed(events)), channel) == keys(events, channel)


@given(recordings())
def test_no_key_comes_before_it_was_typed_or_after_it_was_recorded(
    events: list[KnownEvent],
) -> None:
    recorded = {event.data: event for event in events if isinstance(event, ClientData)}
    for event in placed(events):
        if isinstance(event, ClientData):
            original = recorded[event.data]
            assert original.at_ms - original.held_ms <= event.at_ms
            assert event.at_ms <= original.at_ms


def content(event: KnownEvent) -> bytes:
    if isinstance(event, ClientData):
        event = msgspec.structs.replace(event, at_ms=0, held_ms=0)
    return msgspec.msgpack.encode(event)


def keys(events: list[KnownEvent], channel: int) -> list[bytes]:
    return [e.data for e in events if isinstance(e, ClientData) and e.channel == channel]
