"""Whatever a target or a user sends, it is read without an exception and without end."""

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.chunks import chunk

from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    InputMasked,
    KnownEvent,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    TerminalResized,
)
from recorder.replay.comprehend import MAX_LINE, comprehend, screens

PIECES = [b"\x1b", b"[", b"]", b"0;t", b"\x07", b"\x9b", b"65535", b";", b"?1049h", b"?1049l"]
PIECES += [b"S", b"b", b"L", b"\r", b"\n", b"\x7f", b"\x00", b"\xff", b"133;B", b"633;E;x"]
PIECES += ["é".encode(), "日本".encode(), b"$ ", b"ls", b"\x1bP", b"\x1b\\", b"\x1bc", b"\t"]
hostile = st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
channels = st.integers(0, 2)
sizes = st.sampled_from([0, 1, 2, 3, 80, 1000, 2**32 - 1])
events = st.one_of(
    st.builds(TargetData, at_ms=st.just(1), channel=channels, data=hostile),
    st.builds(TargetErrorData, at_ms=st.just(1), channel=channels, data=hostile),
    st.builds(
        ClientData,
        at_ms=st.just(1),
        channel=channels,
        data=hostile,
        held_ms=st.integers(0, 5000),
    ),
    st.builds(
        TerminalRequested,
        at_ms=st.just(1),
        channel=channels,
        terminal=st.just("xterm"),
        columns=sizes,
        rows=sizes,
    ),
    st.builds(TerminalResized, at_ms=st.just(1), channel=channels, columns=sizes, rows=sizes),
    st.builds(
        ChannelRequested,
        at_ms=st.just(1),
        channel=channels,
        request=st.sampled_from(["exec", "shell", "subsystem"]),
        detail=hostile,
    ),
    st.builds(
        ChannelOpened,
        at_ms=st.just(1),
        channel=channels,
        kind=st.sampled_from(["session", "x11"]),
    ),
    st.builds(InputMasked, at_ms=st.just(1), channel=channels),
    st.builds(ChannelClosed, at_ms=st.just(1), channel=channels),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(events, min_size=1, max_size=25), min_size=1, max_size=3))
def test_any_bytes_are_understood(session: list[list[KnownEvent]]):
    state = None
    for bursts in session:
        made = chunk(bursts)
        comprehension = comprehend(state, made.encoded, made.data_key)
        state = comprehension.state
        assert all(line.at_ms >= 0 for line in comprehension.lines)
        assert all(0 < len(line.text) <= MAX_LINE for line in comprehension.lines)
        assert all(screen.columns <= 1000 for screen in screens(state))
