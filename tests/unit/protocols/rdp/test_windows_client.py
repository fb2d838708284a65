"""mstsc, which cannot be run here, by what the specifications say that it sends."""

import pytest
from samples import windows
from samples.rdp import (
    BOTH,
    CHANNELS,
    PASSWORD,
    PUBLIC_KEY,
    USERNAME,
    NLAClient,
    ScriptedTarget,
    challenge,
    connected,
    proof_of,
    sent,
)
from samples.relayed import CLIPBOARD, THEIR_USER, USER, Sink, recorded

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import Acceptor, ClientSide
from protocols.rdp.credssp import _bindings
from protocols.rdp.relay import Relay, Side
from protocols.rdp.steps import LoginWanted, StartTLS
from protocols.rdp.wire import gcc, mcs, x224
from protocols.rdp.wire.client_info import InfoFlag
from protocols.rdp.wire.framing import Splitter
from protocols.rdp.wire.keys import KeyMove, keys_of
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest
from recorder.replay.rdp.input import Key, fast_path_input
from recorder.replay.rdp.pdus import FastPathPdu, pdus


def logged_in() -> tuple[Acceptor, list]:
    """Take mstsc through NLA, its conference and its joins to Client Info."""
    acceptor = Acceptor(BOTH, PUBLIC_KEY, challenge())
    steps = acceptor.receive(windows.connection_request())
    assert x224.read_answer(sent(steps)) == x224.ConnectionConfirm(
        selected=x224.Security.NLA, flags=x224.ResponseFlag.EXTENDED_CLIENT_DATA
    )
    acceptor.tls_started()
    client = NLAClient("negotiate")
    [step] = acceptor.receive(TSRequest(token=client.context.step()).write())
    while not client.context.complete:
        token = client.context.step(TSRequest.read(sent([step])).token)
        if token is None:
            break
        [step] = acceptor.receive(TSRequest(token=token).write())
        if not sent([step]):
            key = proof_of(step)
            assert key is not None
            [step] = acceptor.proved(key)
    ours, _ = _bindings(6, PUBLIC_KEY, client.nonce)
    sealed = client.context.wrap(ours).data
    bound = TSRequest(public_key_auth=sealed, nonce=client.nonce)
    [answer] = acceptor.receive(bound.write())
    client.context.unwrap(TSRequest.read(sent([answer])).public_key_auth)
    given = PasswordCredentials(domain="", username=USERNAME.upper(), password=PASSWORD)
    info = TSRequest(auth_info=client.context.wrap(given.write()).data).write()
    # Whoever is sure to be let in does not wait: the conference is behind the password.
    first, *others = windows.logging_in()
    said = acceptor.receive(info + first)
    for packet in others:
        said += acceptor.receive(packet)
    return acceptor, said


def client_side() -> ClientSide:
    acceptor, _ = logged_in()
    assert acceptor.client is not None
    return acceptor.client


@pytest.fixture
def mstsc(sink: Sink) -> Relay:
    client = client_side()
    _, side = connected(client, ScriptedTarget(), "cliprdr")
    return Relay(client, side, sink)


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"Cookie: mstshash=AUDIT-WIN\r\n",
        b"Cookie: msts=3640205228.15629.0000\r\n",
        b"tsv://MS Terminal Services Plugin.1.Farm\r\n",
    ],
)
def test_the_first_packet_is_read_whatever_is_before_and_behind_what_it_asks_for(
    before: bytes,
):
    asked = x224.ConnectionRequest.read(windows.connection_request(before))
    assert asked.protocols == 0x0B
    assert asked.flags == 0


def test_nla_without_an_early_result_is_chosen_though_the_client_takes_one():
    acceptor = Acceptor(BOTH, PUBLIC_KEY, challenge())
    confirm, tls = acceptor.receive(windows.connection_request())
    assert sent([confirm])[-8:] == bytes.fromhex("02 01 0800 02000000")
    assert tls == StartTLS()


def test_what_a_console_of_a_virtual_machine_says_first_is_refused_cleanly():
    acceptor = Acceptor(BOTH, PUBLIC_KEY, challenge())
    with pytest.raises(RemoteProtocolError, match="neither a TPKT nor a FastPath"):
        acceptor.receive(windows.PRECONNECTION_1 + windows.connection_request())


def test_it_comes_to_its_login_though_client_info_names_nobody():
    acceptor, said = logged_in()
    assert said[-1] == LoginWanted(USERNAME, PASSWORD)
    client = acceptor.client
    assert client is not None
    assert client.channels == CHANNELS
    core = client.core
    assert (core.width_px, core.height_px, core.colour_depth_bits) == (1920, 1080, 32)
    assert core.keyboard_layout == 0x0407


def test_it_is_promised_no_skipped_joins_no_messages_and_no_other_transport():
    _, said = logged_in()
    first = Splitter().feed(sent(said))[0]
    blocks = gcc.read_response(mcs.read_connect_response(first))
    assert {kind for kind, _ in blocks} == {
        gcc.Block.SERVER_CORE,
        gcc.Block.SERVER_NETWORK,
        gcc.Block.SERVER_SECURITY,
    }
    core = gcc.find(blocks, gcc.Block.SERVER_CORE)
    assert core == bytes.fromhex("04000800 0b000000 00000000")


def test_the_target_hears_of_nothing_that_goes_past_the_relay():
    target = ScriptedTarget(extended=True)
    connected(client_side(), target, "cliprdr")
    core = gcc.find(target.blocks, gcc.Block.CLIENT_CORE)
    assert core is not None
    assert len(core) == len(windows.client_core())
    # Neither graphics pipeline, autodetection and heartbeat nor skipped joins; the rest stays.
    assert core[140:142] == (0x0DAF & ~0x0D80).to_bytes(2, "little")
    assert core[206:212] == bytes.fromhex("06 00 01000000")
    assert core[212:] == windows.client_core()[212:]
    kinds = [kind for kind, _ in target.blocks]
    assert gcc.Block.CLIENT_MULTITRANSPORT not in kinds
    assert gcc.Block.CLIENT_MESSAGE_CHANNEL not in kinds


def test_a_target_that_takes_them_is_told_of_several_monitors_and_no_other_is():
    client = client_side()
    told, untold = ScriptedTarget(extended=True), ScriptedTarget()
    connected(client, told, "cliprdr")
    connected(client, untold, "cliprdr")
    assert gcc.find(told.blocks, gcc.Block.CLIENT_MONITOR) == windows.MONITORS
    extended = gcc.find(told.blocks, gcc.Block.CLIENT_MONITOR_EXTENDED)
    assert extended == windows.MONITOR_DETAILS
    assert gcc.find(untold.blocks, gcc.Block.CLIENT_MONITOR) is None


def test_its_time_zone_crosses_and_compression_is_of_the_kind_that_can_be_replayed():
    target = ScriptedTarget()
    connected(client_side(), target, "cliprdr")
    flags = target.info.flags
    assert flags & InfoFlag.COMPRESSION
    assert flags & InfoFlag.COMPRESSION_TYPE == 1 << 9
    zone = "W. Europe Standard Time".encode("utf-16-le")
    assert target.info.extra.endswith(b"\0\0" + bytes(4) + b"\x2e\0" + zone + b"\0\0")


def test_its_capabilities_say_only_what_can_be_drawn_later(mstsc: Relay):
    said = mcs.send_request(USER, 1003, windows.confirm_active())
    crossed = mstsc.receive(Side.CLIENT, said).data
    sent_on = mcs.read_sent(crossed)
    share = crossed[sent_on.offset :]
    sets = _sets(share)
    assert sent_on.initiator == THEIR_USER
    # What the specification demands of a client (2.2.1.13.2.1) is there, and says "none".
    demanded = {1, 2, 3, 4, 8, 0x0C, 0x0D, 0x0F, 0x10, 0x11, 0x14}
    assert demanded <= set(sets)
    assert sets[0x04] == bytes(36)
    assert sets[0x11] == bytes(8)
    assert sets[0x10][44:46] == bytes(2)
    assert sets[0x03][30:64] == b"\x0a\0" + bytes(32)
    assert sets[0x14] == bytes(4) + bytes.fromhex("40060000")
    assert sets[0x1C][:4] == bytes(4)
    assert sets[0x1E] == bytes.fromhex("02000000")
    assert not set(sets) & {0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1D}
    assert share[8:22] == windows.SHARE_ID[2:] + b"\xea\x03\6\0" + share[14:16] + b"MSTSC\0"


@pytest.mark.parametrize("said", windows.CLIENT_PDUS)
def test_what_it_says_of_its_session_crosses_as_it_came(mstsc: Relay, sink: Sink, said: str):
    packet = mcs.send_request(USER, 1003, windows.CLIENT_PDUS[said])
    crossed = mstsc.receive(Side.CLIENT, packet)
    there = mcs.send_request(THEIR_USER, 1003, windows.CLIENT_PDUS[said])
    assert (crossed.data, crossed.ended) == (there, None)
    assert recorded(sink) == [packet]


def test_input_with_its_time_crosses_and_its_keys_are_read(mstsc: Relay, sink: Sink):
    packet = windows.INPUT_WITH_TIMESTAMP
    assert mstsc.receive(Side.CLIENT, packet).data == packet
    assert recorded(sink) == [packet]
    assert keys_of(packet, 1003) == [KeyMove(0x1E)]
    [pdu] = pdus(packet)
    assert isinstance(pdu, FastPathPdu)
    assert list(fast_path_input(pdu)) == [Key(0x1E)]


@pytest.mark.parametrize("kind", [0x12, 0x13, 0x15, 0xFF])
@pytest.mark.parametrize("flags", [0x0080, 0x0280])
def test_its_answers_about_licences_cross(mstsc: Relay, kind: int, flags: int):
    answer = windows.licensing(kind, flags)
    crossed = mstsc.receive(Side.CLIENT, mcs.send_request(USER, 1003, answer))
    assert crossed.data == mcs.send_request(THEIR_USER, 1003, answer)


def test_flow_control_that_nobody_heeds_goes_nowhere(mstsc: Relay):
    packet = mcs.send_request(USER, 1003, windows.FLOW)
    crossed = mstsc.receive(Side.CLIENT, packet)
    assert (crossed.data, crossed.ended) == (b"", None)


def test_a_channel_that_is_not_there_for_the_target_is_there_for_the_client(mstsc: Relay):
    assert mstsc.receive(Side.CLIENT, mcs.send_request(USER, 1004, bytes(12))).data == b""
    assert CLIPBOARD == 1005


def _sets(share: bytes) -> dict[int, bytes]:
    """The sets of a Confirm Active, read without the code that wrote it."""
    source = int.from_bytes(share[12:14], "little")
    at = 16 + source
    count, at = int.from_bytes(share[at : at + 2], "little"), at + 4
    found: dict[int, bytes] = {}
    for _ in range(count):
        kind = int.from_bytes(share[at : at + 2], "little")
        size = int.from_bytes(share[at + 2 : at + 4], "little")
        found[kind] = share[at + 4 : at + size]
        at += size
    assert at == len(share)
    return found
