"""Whatever two hostile peers send: the relay refuses it by name, or records and forwards it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.ssh_packets import (
    Wire,
    close,
    confirmation,
    eof,
    execute,
    failure,
    global_request,
    opening,
    pty,
    request,
    success,
)

from protocols.errors import RemoteProtocolError
from protocols.ssh.channels import Limits, Out, Side
from protocols.ssh.packets import (
    Message,
    body_of,
    channel_data,
    channel_error_data,
    payload_of,
    uint32,
    window_adjust,
)
from recorder.events import ClientData, TargetData, TargetErrorData
from recorder.session_info import Capture

NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 0xFFFFFFFF])
DATA = st.binary(max_size=40)
KINDS = st.sampled_from(["session", "direct-tcpip", "x11", "forwarded-tcpip", "no-such-kind"])
ASKS = st.sampled_from(["shell", "env", "exit-status", "x11-req", "window-change", "signal"])
PAYLOADS = st.one_of(
    st.builds(channel_data, NUMBERS, DATA),
    st.builds(channel_error_data, NUMBERS, DATA),
    st.builds(window_adjust, NUMBERS, st.integers(0, 0xFFFFFFFF)),
    st.builds(opening, KINDS, NUMBERS, st.integers(0, 0xFFFFFFFF), DATA),
    st.builds(confirmation, NUMBERS, NUMBERS),
    NUMBERS.map(success),
    NUMBERS.map(failure),
    NUMBERS.map(close),
    NUMBERS.map(eof),
    st.builds(lambda kind, rest, to: request(kind, rest, to=to), ASKS, DATA, NUMBERS),
    st.just(pty()),
    st.just(execute("scp -t x")),
    st.builds(
        global_request, st.sampled_from(["keepalive@openssh.com", "tcpip-forward"]), DATA
    ),
    st.sampled_from([bytes((Message.REQUEST_SUCCESS,)), bytes((Message.REQUEST_FAILURE,))]),
    st.builds(lambda kind, rest: bytes((kind,)) + rest, st.integers(80, 100), DATA),
    st.builds(
        lambda payload, cut: payload[:-cut] or b"\x5a", st.just(pty()), st.integers(1, 9)
    ),
)
BODIES = st.one_of(PAYLOADS.map(body_of), st.binary(min_size=2, max_size=60))
BURSTS = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.lists(BODIES, min_size=1, max_size=4)),
    max_size=40,
)
CHANNELS = st.integers(0, 2)


def carried(out: Out, side: Side) -> Counter[bytes]:
    """The channel data that is sent to `side`, byte by byte."""
    found = Counter[bytes]()
    for body in out.to[side]:
        if body[1] in (Message.CHANNEL_DATA, Message.CHANNEL_EXTENDED_DATA):
            payload = payload_of(body)
            start = 9 if payload[0] == Message.CHANNEL_DATA else 13
            found.update(payload[at : at + 1] for at in range(start, len(payload)))
    return found


def recorded(wire: Wire, *kinds: type) -> Counter[bytes]:
    found = Counter[bytes]()
    for event in wire.sink.events:
        if isinstance(event, kinds):
            found.update(event.data[at : at + 1] for at in range(len(event.data)))
    return found


@settings(deadline=None, max_examples=150)
@given(CHANNELS, BURSTS)
def test_nothing_is_forwarded_unrecorded_and_only_the_peer_is_to_blame(channels, bursts):
    wire = Wire(capture=Capture.FULL, limits=Limits(sessions=4))
    for number in range(channels):
        wire.client(opening("session", number=number))
        wire.target(confirmation(recipient=number, sender=number))
    sent = (Counter[bytes](), Counter[bytes]())
    for side, bodies in bursts:
        try:
            out = wire.relay.receive(side, bodies)
        except RemoteProtocolError:
            break
        for each in Side:
            sent[each].update(carried(out, each))
        assert not sent[Side.TARGET] - recorded(wire, ClientData)
        assert not sent[Side.CLIENT] - recorded(wire, TargetData, TargetErrorData)
    wire.relay.tick()
    wire.relay.finish()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(list(Side)), PAYLOADS), max_size=200))
def test_what_peers_leave_unanswered_is_bounded(packets):
    wire = Wire(limits=Limits(sessions=3))
    for side, payload in packets:
        try:
            wire.relay.receive(side, [body_of(payload)])
        except RemoteProtocolError:
            continue
        standing = wire.relay._channels[Side.CLIENT].values()
        assert len([channel for channel in standing if channel.kind == "session"]) <= 3
        assert sum(map(len, wire.relay._pending)) <= 64


def test_a_number_beyond_all_channels_is_refused():
    wire = Wire().open_session()
    body = body_of(bytes((Message.CHANNEL_EOF,)) + uint32(0xFFFFFFFF))
    with pytest.raises(RemoteProtocolError):
        wire.relay.receive(Side.CLIENT, [body])
