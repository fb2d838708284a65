"""Windows, which cannot be run here, by what the specifications say that it sends."""

import pytest
from msgspec import structs
from samples import windows
from samples.rdp import ScriptedTarget, accepted_client, connected
from samples.relayed import THEIR_USER, USER, Sink, recorded

from protocols.errors import RemoteProtocolError
from protocols.rdp.relay import Ended, Relay, Side
from protocols.rdp.wire import gcc, mcs
from protocols.rdp.wire.framing import data_packet

IO = 1003


class Windows(ScriptedTarget):
    """Answers as [MS-RDPBCGR] 4.1.4 on shows it, and takes joins of message channels."""

    def _answer(self, packet: bytes) -> bytes:
        if packet[7:9] != b"\x7f\x65":
            return super()._answer(packet)
        super()._answer(packet)
        asked = gcc.read_channels(gcc.find(self.blocks, gcc.Block.CLIENT_NETWORK))
        ids = b"".join((1004 + number).to_bytes(2, "little") for number in range(len(asked)))
        network = bytes.fromhex("eb03") + len(asked).to_bytes(2, "little") + ids
        network += bytes(-len(network) % 4)
        joined = b"".join(
            kind + (len(body) + 4).to_bytes(2, "little") + body
            for kind, body in (
                (b"\x01\x0c", bytes.fromhex("10000800 0b000000 02000000")),
                (b"\x02\x0c", bytes(8)),
                (b"\x03\x0c", network),
            )
        )
        # The length behind the object is always this one; nobody reads it.
        user_data = bytes.fromhex("0005 0014 7c00 01 2a 1476 0a01 0100 01c0 00 4d63446e")
        user_data += (len(joined) | 0x8000).to_bytes(2, "big") + joined
        head = bytes.fromhex("0a0100 020100 301a 020122 020103 020100 020101 020100 020101")
        head += bytes.fromhex("020300fff8 020102")
        body = head + b"\x04\x82" + len(user_data).to_bytes(2, "big") + user_data
        return data_packet(b"\x7f\x66\x82" + len(body).to_bytes(2, "big") + body)


@pytest.fixture
def target(sink: Sink) -> Relay:
    client = accepted_client()
    _, side = connected(client, Windows(), "cliprdr")
    assert (side.channel_ids, side.io_channel) == ({1005: 1004}, IO)
    return Relay(client, side, sink)


def says(data: bytes) -> bytes:
    return mcs.send_indication(windows.SERVER, IO, data)


def test_where_no_channel_is_allowed_the_target_is_asked_for_none():
    scripted = ScriptedTarget()
    connected(accepted_client(), scripted)
    assert gcc.find(scripted.blocks, gcc.Block.CLIENT_NETWORK) is None


def test_a_target_offers_only_what_can_be_drawn_later(target: Relay):
    crossed = target.receive(Side.TARGET, says(windows.demand_active())).data
    less = [one for one in windows.TARGET_SETS if one[0] not in {0x12, 0x17, 0x18, 0x19, 0x1D}]
    expected = windows.demand_active(
        [
            (kind, bytes.fromhex("0100 0300 0002 0000 0000 1504 0000 0000 0000 01 01"))
            if kind == 0x01
            else (kind, bytes(4) if kind == 0x14 else body)
            for kind, body in less
        ]
    )
    assert crossed == says(expected)


@pytest.mark.parametrize("told", windows.TARGET_PDUS)
def test_what_a_target_tells_crosses_as_it_came(target: Relay, sink: Sink, told: str):
    packet = says(windows.TARGET_PDUS[told])
    crossed = target.receive(Side.TARGET, packet)
    assert (crossed.data, crossed.ended) == (packet, None)
    assert recorded(sink) == [packet]


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x03, 0x04, 0xFF])
def test_licensing_is_between_client_and_target(target: Relay, kind: int):
    packet = says(windows.VALID_CLIENT if kind == 0xFF else windows.licensing(kind, 0x0280))
    assert target.receive(Side.TARGET, packet).data == packet


def test_flow_control_that_nobody_heeds_goes_nowhere(target: Relay, sink: Sink):
    crossed = target.receive(Side.TARGET, says(windows.FLOW))
    assert (crossed.data, crossed.ended) == (b"", None)
    assert recorded(sink) == []
    # It may stand before others; these cross, and what is in them is looked into.
    beep = windows.TARGET_PDUS["beep"]
    crossed = target.receive(Side.TARGET, says(windows.FLOW + beep + windows.FLOW))
    assert crossed.data == says(beep)


def test_a_deactivation_may_end_behind_its_kind(target: Relay):
    packet = says(windows.SHORT_DEACTIVATE)
    assert target.receive(Side.TARGET, packet).data == packet
    with pytest.raises(RemoteProtocolError):
        target.receive(Side.TARGET, says(bytes.fromhex("0400 1700")))


def test_it_is_activated_anew_at_each_logon_and_change_of_size(target: Relay):
    deactivate = windows.TARGET_PDUS["deactivate"]
    crossed = target.receive(Side.TARGET, says(deactivate) + says(windows.demand_active()))
    again = target.receive(Side.TARGET, says(deactivate) + says(windows.demand_active()))
    assert crossed.data == again.data
    assert b"\x1d\x00\x41\x00" not in again.data


@pytest.mark.parametrize(
    "told",
    [
        # 2.2.15.1, 2.2.14.3, 2.2.16.1: with the flags of messages, on no channel of theirs.
        bytes.fromhex("02000000 01000000 0100 0000") + bytes(16),
        bytes.fromhex("00100000 0600 0000 0100"),
        bytes.fromhex("00400000 00 05 03"),
    ],
)
def test_messages_for_a_channel_that_was_not_asked_for_end_the_session(
    target: Relay, told: bytes
):
    with pytest.raises(RemoteProtocolError):
        target.receive(Side.TARGET, says(told))
    with pytest.raises(RemoteProtocolError, match="nobody joined"):
        target.receive(Side.TARGET, mcs.send_indication(windows.SERVER, 1008, told))


def test_a_goodbye_behind_its_reason_is_passed_on(target: Relay):
    packet = says(windows.TARGET_PDUS["error"]) + mcs.disconnect()
    crossed = target.receive(Side.TARGET, packet)
    assert (crossed.data, crossed.ended) == (packet, Ended.TARGET_LEFT)


def test_the_connector_takes_a_refused_join_for_what_it_is():
    class Refusing(Windows):
        def _answer(self, packet: bytes) -> bytes:
            answer = super()._answer(packet)
            number = packet[7] >> 2 if len(packet) > 7 else 0
            return data_packet(b"\x3e\x0e" + bytes(4)) if number == mcs.Domain.JOIN else answer

    with pytest.raises(RemoteProtocolError, match="was refused"):
        connected(accepted_client(), Refusing(), "cliprdr")


def test_nothing_of_a_single_program_is_asked_for():
    client = accepted_client()
    info = structs.replace(client.info, flags=client.info.flags | windows.RAIL)
    scripted = Windows()
    connected(structs.replace(client, info=info), scripted, "cliprdr")
    assert not scripted.info.flags & windows.RAIL


def test_names_of_users_and_machines_have_their_numbers_mapped(target: Relay):
    packet = mcs.send_indication(THEIR_USER, IO, windows.TARGET_PDUS["beep"])
    crossed = target.receive(Side.TARGET, packet).data
    assert mcs.read_sent(crossed).initiator == USER
