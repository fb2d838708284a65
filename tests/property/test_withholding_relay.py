"""A command that waits, whatever is sent behind it and whatever peers do meanwhile."""

from hypothesis import given, settings
from hypothesis import strategies as st
from samples.ssh_packets import (
    TARGET_NUMBER,
    Wire,
    close,
    confirmation,
    eof,
    execute,
    failure,
    opening,
    pty,
    request,
    success,
)

from bus.command_rules import CommandControl, CommandRule, RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.channels import Limits, Side
from protocols.ssh.guarded_policy import GuardedPolicy
from protocols.ssh.guarded_relay import GuardedRelay
from protocols.ssh.packets import (
    Message,
    Reader,
    body_of,
    channel_data,
    payload_of,
    string,
    window_adjust,
)
from recorder.events import ClientData
from recorder.session_info import RecordingTerms

HOLD = CommandRule(name="ask", pattern="restart", action=RuleAction.HOLD)
ASKED = execute("restart it")
BEHIND = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=8).map(lambda data: channel_data(TARGET_NUMBER, data)),
        st.sampled_from(
            [
                request("env", string(b"LANG") + string(b"C"), reply=False),
                request("signal", string(b"INT"), reply=False),
                eof(TARGET_NUMBER),
            ]
        ),
    ),
    max_size=20,
)
ANYTHING = st.lists(
    st.tuples(
        st.sampled_from(list(Side)),
        st.sampled_from(
            [
                *(ASKED, pty(), request("shell"), execute("id"), eof(3), close(3), close(7)),
                *(channel_data(3, b"a\x03"), channel_data(7, b"shown"), success(7), failure(7)),
                *(window_adjust(3, 50), window_adjust(7, 2000), window_adjust(7, 3)),
                opening("session"),
                confirmation(window=0),
            ]
        ).map(body_of),
        st.sampled_from([None, None, None, True, False]),
    ),
    max_size=30,
)


def waiting() -> tuple[Wire, GuardedRelay]:
    control = CommandControl(rules=(HOLD,))
    policy = GuardedPolicy(frozenset({"shell", "exec"}), control)
    wire = Wire()
    terms = RecordingTerms(mask_typed=False)
    relay = GuardedRelay(policy, control, terms, Limits(), wire.sink)
    wire.relay = relay
    return wire, relay


def joined(payloads: list[bytes]) -> list[bytes]:
    """What was sent, where data that follows data is one."""
    made: list[bytes] = []
    for payload in payloads:
        is_data = payload[0] == Message.CHANNEL_DATA
        if is_data and made and made[-1][0] == Message.CHANNEL_DATA:
            before = Reader(made.pop(), 5).string()
            made.append(channel_data(TARGET_NUMBER, before + Reader(payload, 5).string()))
        else:
            made.append(payload)
    return made


@settings(deadline=None)
@given(BEHIND, BEHIND, st.integers(1, 5))
def test_all_that_came_behind_goes_on_in_order_once_it_may(behind, later, size):
    wire, relay = waiting()
    wire.open_session()
    sent = [ASKED, *behind]
    for start in range(0, len(sent), size):
        assert wire.client(*sent[start : start + size]).to[Side.TARGET] == []
    [(channel, found)] = relay.take_found()
    out = relay.resolve(channel, found, approved=True, said="")
    passed = [*out.to[Side.TARGET], *wire.client(*later).to[Side.TARGET]]
    assert joined([payload_of(body) for body in passed]) == joined([*sent, *later])
    data = [payload for payload in (*behind, *later) if payload[0] == Message.CHANNEL_DATA]
    recorded = b"".join(each.data for each in wire.recorded(ClientData))
    assert recorded == b"".join(Reader(payload, 5).string() for payload in data)


@settings(deadline=None, max_examples=200)
@given(ANYTHING)
def test_whatever_happens_only_what_was_approved_is_asked_for(steps):
    wire, relay = waiting()
    wire.open_session()
    asked_for = body_of(ASKED)
    approved = passed = 0
    try:
        for side, body, decision in steps:
            out = relay.receive(side, [body])
            passed += out.to[Side.TARGET].count(asked_for)
            for channel, found in relay.take_found() if decision is not None else ():
                held = relay.holds(channel, found)
                out = relay.resolve(channel, found, approved=bool(decision), said="denied")
                approved += held and bool(decision)
                passed += out.to[Side.TARGET].count(asked_for)
                assert not relay.holds(channel, found)
            assert passed <= approved
    except RemoteProtocolError:
        return
    relay.finish()
