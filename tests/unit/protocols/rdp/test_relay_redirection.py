"""A target that sends its client elsewhere: the relay keeps that back."""

import pytest
from samples.rdp import ScriptedTarget, accepted_client, active, connected, redirection, share
from samples.relayed import (
    CLIPBOARD,
    COPIED,
    KEY,
    THEIR_CLIPBOARD,
    THEIR_USER,
    USER,
    Sink,
    recorded,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.relay import Ended, Relay, Side
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.redirection import Redirection
from recorder.events import ForwardGranted

ELSEWHERE = redirection(address="host-2", session_id=7, password="Real-S3cret")
AS_SPECIFIED = share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE).replace(
    b"\x1a\0\xea\x03", b"\x0a\0\xea\x03", 1
)
"""The version of its share header is zero ([MS-RDPBCGR] 2.2.13.3.1)."""


@pytest.mark.parametrize(
    "data",
    [
        share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE),
        AS_SPECIFIED,
        AS_SPECIFIED + b"\0",
        b"\x00\x04\0\0" + ELSEWHERE,
        share(7, bytes(12)) + share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE),
        share(7, bytes(12)) + AS_SPECIFIED + b"\0",
    ],
)
@pytest.mark.parametrize("channel", [1003, THEIR_USER])
@pytest.mark.parametrize("before", [b"", active([], confirm=False)])
def test_a_redirection_never_reaches_the_client(
    relay: Relay, sink: Sink, data: bytes, channel: int, before: bytes
):
    if before:
        relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, before))
        sink.events.clear()
    packet = mcs.send_indication(1002, channel, data)
    crossed = relay.receive(Side.TARGET, packet)
    assert (crossed.ended, crossed.data) == (Ended.REDIRECTED, b"")
    assert relay.redirection == Redirection(session_id=7, host="host-2")
    assert recorded(sink) == []


@pytest.mark.parametrize(
    "data",
    [
        AS_SPECIFIED[:-1],
        AS_SPECIFIED + bytes(6),
        share(7, bytes(12))[:-1] + AS_SPECIFIED,
        share(7, bytes(12)) + b"\x08\0\x27\0" + AS_SPECIFIED,
        bytes(4) + AS_SPECIFIED,
    ],
)
def test_what_a_client_could_take_for_one_ends_the_session(
    relay: Relay, sink: Sink, data: bytes
):
    with pytest.raises(RemoteProtocolError):
        relay.receive(Side.TARGET, KEY + mcs.send_indication(1002, 1003, data))
    assert recorded(sink) == []


def test_a_redirection_for_information_is_kept_back_and_ends_nothing(relay: Relay, sink: Sink):
    told = redirection(address="host-2", flags=0x80)
    data = share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + told)
    crossed = relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, data))
    assert (crossed.ended, crossed.data, recorded(sink)) == (None, b"", [])


def test_behind_a_redirection_the_next_target_has_other_numbers(relay: Relay, sink: Sink):
    data = share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE)
    relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, data))
    client, second = accepted_client(), ScriptedTarget(user=1030)
    relay.redirected(connected(client, second, "cliprdr")[1], "host-2")
    assert sink.events[-1] == ForwardGranted(at_ms=1234, request="redirection", detail="host-2")
    sent = relay.receive(Side.CLIENT, mcs.send_request(USER, CLIPBOARD, COPIED))
    assert sent.data == mcs.send_request(1030, THEIR_CLIPBOARD, COPIED)
    assert sent.ended is None
