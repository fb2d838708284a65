"""What is typed for a password crosses a relay, and is not recorded."""

import pytest
from msgspec import structs
from samples.rdp import ScriptedTarget, accepted_client, connected, share
from samples.relayed import COPIED, KEY, THEIR_CLIPBOARD, THEIR_USER, Sink, recorded

from protocols.rdp.relay import Relay, Side
from protocols.rdp.wire import mcs, slowpath, x224
from recorder.events import ClientData, InputMasked


def test_what_is_typed_at_a_lock_screen_crosses_and_is_not_recorded(
    relay: Relay, sink: Sink
) -> None:
    lock = b"\x08\x06\x02\x5b\x00\x26" + b"\x08\x06\x03\x5b\x01\x26"
    enter = b"\x04\x04\x00\x1c" + b"\x04\x04\x01\x1c"
    for typed in (lock, KEY, enter, KEY):
        assert relay.receive(Side.CLIENT, typed).data == typed
    assert recorded(sink) == [lock, KEY]
    assert [type(event) for event in sink.events] == [ClientData, InputMasked, ClientData]


PASSWORD_TYPED = (KEY, b"\x04\x04\x00\x1c" + b"\x04\x04\x01\x1c", KEY)
LOGGED_ON, FAILED = (
    share(slowpath.Share.DATA, bytes(8) + b"\x26" + bytes(3) + told)
    for told in (
        b"\2\0\0\0",
        bytes.fromhex("03000000 0000 02000000 08000000 6d0000c0 00000000"),
    )
)


def typed(relay: Relay, sink: Sink) -> list[bytes]:
    """Type a password; return what of it is recorded."""
    del sink.events[:]
    for keys in PASSWORD_TYPED:
        assert relay.receive(Side.CLIENT, keys).data == keys
    return recorded(sink)


@pytest.mark.parametrize(
    "told",
    [
        mcs.send_indication(1002, 1003, LOGGED_ON),
        mcs.send_indication(THEIR_USER, THEIR_CLIPBOARD, COPIED),
    ],
)
def test_until_somebody_is_logged_on_what_is_typed_is_not_recorded(
    relay: Relay, sink: Sink, told: bytes
) -> None:
    relay.start()
    assert typed(relay, sink) == []
    assert [type(event) for event in sink.events] == [InputMasked]
    relay.receive(Side.TARGET, told)
    assert typed(relay, sink) == [*PASSWORD_TYPED]


def test_a_logon_that_failed_brings_the_screen_back(relay: Relay, sink: Sink) -> None:
    relay.start()
    relay.receive(Side.TARGET, mcs.send_indication(THEIR_USER, THEIR_CLIPBOARD, COPIED))
    relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, FAILED))
    assert typed(relay, sink) == []
    relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, LOGGED_ON))
    assert typed(relay, sink) == [*PASSWORD_TYPED]


@pytest.mark.parametrize(
    ("selected", "allowed"), [(x224.Security.NLA, "cliprdr"), (x224.Security.TLS, "rdpdr")]
)
def test_a_target_that_checks_first_or_has_nothing_to_tell_by_shows_no_logon_screen(
    sink: Sink, selected: x224.Security, allowed: str
) -> None:
    client = accepted_client()
    _, side = connected(client, ScriptedTarget(), allowed)
    checked = selected is x224.Security.NLA
    relay = Relay(client, structs.replace(side, checked=checked), sink)
    relay.start()
    assert typed(relay, sink) == [*PASSWORD_TYPED]


def test_where_the_secret_does_not_ask_for_it_everything_is_recorded(sink: Sink) -> None:
    client = accepted_client()
    _, side = connected(client, ScriptedTarget(), "cliprdr")
    relay = Relay(client, side, sink, mask_typed=False)
    lock = b"\x08\x06\x02\x5b\x00\x26" + b"\x08\x06\x03\x5b\x01\x26"
    relay.receive(Side.CLIENT, lock)
    relay.receive(Side.CLIENT, KEY)
    assert recorded(sink) == [lock, KEY]
