"""A target that sends its client elsewhere: the relay keeps that back."""

import pytest
from samples.rdp import ScriptedTarget, accepted_client, connected, redirection, share
from samples.relayed import CLIPBOARD, COPIED, THEIR_CLIPBOARD, USER, Sink, recorded

from protocols.rdp.relay import Ended, Relay, Side
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.redirection import Redirection
from recorder.events import ForwardGranted

ELSEWHERE = redirection(address="host-2", session_id=7)


@pytest.mark.parametrize(
    "data",
    [
        share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE),
        b"\x00\x04\0\0" + ELSEWHERE,
        share(7, bytes(12)) + share(slowpath.Share.SERVER_REDIRECT, b"\0\0" + ELSEWHERE),
    ],
)
def test_a_redirection_never_reaches_the_client(relay: Relay, sink: Sink, data: bytes):
    packet = mcs.send_indication(1002, 1003, data)
    crossed = relay.receive(Side.TARGET, packet)
    assert (crossed.ended, crossed.data) == (Ended.REDIRECTED, b"")
    assert relay.redirection == Redirection(session_id=7, host="host-2")
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
