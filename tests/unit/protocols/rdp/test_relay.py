import pytest
from samples.devices import announced, close, create, cut, device, done, opened, write
from samples.rdp import (
    ScriptedTarget,
    accepted_client,
    active,
    client_packets,
    connected,
    share,
)
from samples.relayed import (
    CLIPBOARD,
    COPIED,
    DRIVES,
    KEY,
    PASTED,
    THEIR_CLIPBOARD,
    THEIR_USER,
    USER,
    Sink,
    recorded,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.channel_terms import ChannelTerms
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.relay import Ended, Relay, Side
from protocols.rdp.wire import mcs, slowpath
from protocols.rdp.wire.capability_sets import Capability
from protocols.rdp.wire.devices import DeviceKind, Status
from protocols.rdp.wire.errinfo import ErrorInfo
from recorder.errors import RecordingLostError
from recorder.events import (
    ChannelRefused,
    DesktopStarted,
    FileTouched,
)


def test_a_reader_learns_what_the_session_was_before_its_first_pdu(relay: Relay, sink: Sink):
    relay.start()
    started, refused = sink.events
    assert started == DesktopStarted(
        at_ms=1234,
        channel=0,
        width_px=1024,
        height_px=768,
        colour_depth_bits=32,
        keyboard_layout=0x0407,
        keyboard_type=4,
        compression=1,
        static_channels=((CLIPBOARD, "cliprdr"),),
        io_channel=IO_CHANNEL,
        user_channel=USER,
    )
    assert refused == ChannelRefused(at_ms=1234, kind="rdpdr", detail="", reason="not allowed")


def test_fastpath_passes_as_it_came_and_is_recorded(relay: Relay, sink: Sink):
    assert relay.receive(Side.CLIENT, KEY * 3).data == KEY * 3
    assert relay.receive(Side.TARGET, b"\x00\x05abc").data == b"\x00\x05abc"
    assert recorded(sink) == [KEY * 3, b"\x00\x05abc"]


def test_a_pdu_is_recorded_in_the_clients_numbers_and_sent_in_the_targets(
    relay: Relay, sink: Sink
):
    ours = mcs.send_request(USER, CLIPBOARD, PASTED)
    theirs = mcs.send_request(THEIR_USER, THEIR_CLIPBOARD, PASTED)
    assert relay.receive(Side.CLIENT, ours).data == theirs
    theirs = mcs.send_indication(THEIR_USER, THEIR_CLIPBOARD, COPIED)
    seen = mcs.send_indication(USER, CLIPBOARD, COPIED)
    assert relay.receive(Side.TARGET, theirs).data == seen
    assert recorded(sink) == [ours, seen]


def test_half_a_pdu_is_neither_recorded_nor_forwarded(relay: Relay, sink: Sink):
    packet = mcs.send_request(USER, CLIPBOARD, PASTED)
    assert relay.receive(Side.CLIENT, packet[:9]).data == b""
    assert recorded(sink) == []
    assert relay.receive(Side.CLIENT, packet[9:]).data != b""
    assert recorded(sink) == [packet]


def test_nothing_is_forwarded_that_could_not_be_recorded(relay: Relay, sink: Sink):
    sink.lost = True
    with pytest.raises(RecordingLostError):
        relay.receive(Side.CLIENT, KEY)


def test_data_on_a_refused_channel_goes_nowhere(relay: Relay, sink: Sink):
    packet = mcs.send_request(USER, DRIVES, b"my files")
    assert relay.receive(Side.CLIENT, packet).data == b""
    assert recorded(sink) == []


@pytest.mark.parametrize(
    "packet",
    [
        mcs.send_request(USER, 1099, b"x"),
        mcs.send_request(1099, CLIPBOARD, b"x"),
        mcs.join(USER, CLIPBOARD),
        mcs.send_indication(USER, CLIPBOARD, b"x"),
        mcs.send_request(USER, IO_CHANNEL, b"\0\0\0\0"),
        b"\x03\x00\x00\x07\x02\xf0\x80",
        b"\x03\x00\x00\x06\x02\xf0",
        client_packets()[-1],
    ],
)
def test_what_a_client_may_not_send_ends_the_session(relay: Relay, sink: Sink, packet: bytes):
    with pytest.raises(RemoteProtocolError):
        relay.receive(Side.CLIENT, packet)
    assert recorded(sink) == []


@pytest.mark.parametrize(
    "packet",
    [
        mcs.send_indication(THEIR_USER, 1099, b"x"),
        mcs.send_request(THEIR_USER, THEIR_CLIPBOARD, b"x"),
        mcs.attach_user_confirm(1010),
    ],
)
def test_what_a_target_may_not_send_ends_the_session(relay: Relay, packet: bytes):
    with pytest.raises(RemoteProtocolError):
        relay.receive(Side.TARGET, packet)


def test_a_client_that_says_goodbye_is_believed(relay: Relay, sink: Sink):
    crossed = relay.receive(Side.CLIENT, KEY + mcs.disconnect() + KEY)
    assert crossed.ended is Ended.CLIENT_LEFT
    assert crossed.data == KEY + mcs.disconnect()
    assert recorded(sink) == [crossed.data]
    assert relay.receive(Side.CLIENT, KEY).data == b""


def test_a_target_that_says_goodbye_is_believed(relay: Relay):
    crossed = relay.receive(Side.TARGET, mcs.disconnect())
    assert (crossed.ended, crossed.data) == (Ended.TARGET_LEFT, mcs.disconnect())


def test_a_client_is_licensed_once(relay: Relay):
    over = b"\x80\0\0\0\xff\x03" + bytes(14)
    licensing = mcs.send_indication(1002, 1003, over)
    assert relay.receive(Side.TARGET, licensing).data == licensing
    relay.redirected(connected(accepted_client(), ScriptedTarget(), "cliprdr")[1], "host-2")
    assert relay.receive(Side.TARGET, licensing).data == b""
    asking = mcs.send_indication(1002, 1003, b"\x80\0\0\0\x01\x03" + bytes(14))
    with pytest.raises(RemoteProtocolError, match="licence"):
        relay.receive(Side.TARGET, asking)


def test_capabilities_are_reduced_on_their_way_both_ways(relay: Relay, sink: Sink):
    codecs = (Capability.BITMAP_CODECS, bytes(5))
    acknowledge = (Capability.FRAME_ACKNOWLEDGE, b"\2\0\0\0")
    demand = active([codecs, acknowledge], confirm=False)
    less = active([acknowledge], confirm=False)
    seen = mcs.send_indication(1002, IO_CHANNEL, less)
    assert relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, demand)).data == seen
    confirm = active([codecs, acknowledge], confirm=True)
    said = mcs.send_request(USER, IO_CHANNEL, confirm)
    sent = mcs.send_request(THEIR_USER, 1003, active([acknowledge], confirm=True))
    assert relay.receive(Side.CLIENT, said).data == sent
    assert recorded(sink) == [seen, said]


def test_a_demand_behind_another_share_pdu_is_reduced_too(relay: Relay):
    deactivate = share(slowpath.Share.DEACTIVATE_ALL, bytes(6))
    codecs = (Capability.BITMAP_CODECS, bytes(5))
    both = deactivate + active([codecs], confirm=False)
    seen = mcs.send_indication(1002, IO_CHANNEL, deactivate + active([], confirm=False))
    assert relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, both)).data == seen


@pytest.mark.parametrize("size_bytes", [0x80, 0x280])
def test_no_share_pdu_of_a_client_passes_for_licensing(relay: Relay, size_bytes: int):
    codecs = active([(Capability.BITMAP_CODECS, bytes(5))], confirm=True)
    first = share(slowpath.Share.DATA, bytes(size_bytes - slowpath.SHARE_HEADER_BYTES))
    with pytest.raises(RemoteProtocolError):
        relay.receive(Side.CLIENT, mcs.send_request(USER, IO_CHANNEL, first + codecs))
    padded = active(
        [(Capability.BITMAP_CODECS, bytes(size_bytes - len(codecs) + 5))], confirm=True
    )
    older = padded[:2] + bytes([padded[2] & 0x0F]) + padded[3:]
    assert len(older) == size_bytes
    with pytest.raises(RemoteProtocolError):
        relay.receive(Side.CLIENT, mcs.send_request(USER, IO_CHANNEL, older))


def test_an_auto_reconnect_cookie_loses_its_secret(relay: Relay, sink: Sink):
    secret = bytes(range(1, 17))
    cookie = b"\x1c\0\0\0\1\0\0\0\1\0\0\0" + secret
    field = len(cookie).to_bytes(4, "little") + cookie
    body = b"\3\0\0\0" + b"\x3a\0" + b"\1\0\0\0" + field
    head = bytes(4) + b"\0\1" + (4 + len(body)).to_bytes(2, "little")
    data = share(slowpath.Share.DATA, head + b"\x26\0\0\0" + body)
    crossed = relay.receive(Side.TARGET, mcs.send_indication(1002, 1003, data))
    assert len(crossed.data) == len(mcs.send_indication(1002, 1003, data))
    assert secret not in crossed.data
    assert secret not in b"".join(recorded(sink))


def test_licensing_passes(relay: Relay):
    answer = mcs.send_request(USER, IO_CHANNEL, b"\x80\0\0\0\x13\x03licence")
    sent = mcs.send_request(THEIR_USER, 1003, b"\x80\0\0\0\x13\x03licence")
    assert relay.receive(Side.CLIENT, answer).data == sent


def test_the_farewell_is_recorded(relay: Relay, sink: Sink):
    relay.end(ErrorInfo.IDLE_TIMEOUT)
    assert recorded(sink) == [relay.farewell(ErrorInfo.IDLE_TIMEOUT)]


@pytest.mark.parametrize("side", [Side.CLIENT, Side.TARGET])
def test_a_file_on_the_clipboard_stays_where_it_is_and_that_is_recorded_once(
    relay: Relay, sink: Sink, side: Side
) -> None:
    asks = bytes.fromhex("24000000030000000800000000000000") + bytes(28)
    if side is Side.CLIENT:
        packet = mcs.send_request(USER, CLIPBOARD, asks)
    else:
        packet = mcs.send_indication(THEIR_USER, THEIR_CLIPBOARD, asks)
    assert relay.receive(side, packet * 2).data == b""
    [refused] = sink.events
    assert refused == ChannelRefused(
        at_ms=1234, kind="cliprdr", detail="a file's contents", reason="not allowed"
    )


THEIR_DRIVES = 1020
TMP = announced(device(DeviceKind.DRIVE, 1, "tmp"))


def asks(message: bytes) -> bytes:
    [piece] = cut(message)
    return mcs.send_indication(THEIR_USER, THEIR_DRIVES, piece)


def answers(message: bytes) -> bytes:
    [piece] = cut(message)
    return mcs.send_request(USER, DRIVES, piece)


@pytest.fixture
def drives(sink: Sink) -> Relay:
    """A relay that lets files be taken in from the client's drives, but none out."""
    client = accepted_client()
    _, side = connected(client, ScriptedTarget(), "rdpdr")
    terms = ChannelTerms(devices=DeviceTerms(to_target=True))
    relay = Relay(client, side, sink, terms=terms)
    relay.receive(Side.CLIENT, answers(TMP))
    return relay


def test_a_target_is_answered_in_the_clients_place(drives: Relay, sink: Sink) -> None:
    before = len(recorded(sink))
    crossed = drives.receive(Side.TARGET, asks(create("\\a", 5, disposition=2)))
    [denied] = cut(done(5, 0, status=Status.ACCESS_DENIED, data=b"\0"))
    assert crossed.data == b""
    assert crossed.back == mcs.send_request(THEIR_USER, THEIR_DRIVES, denied)
    assert len(recorded(sink)) == before
    assert isinstance(sink.events[-1], FileTouched)
    assert drives.receive(Side.TARGET, KEY).back == b""


def test_an_answer_is_not_sent_where_the_refusal_could_not_be_recorded(
    drives: Relay, sink: Sink
) -> None:
    sink.lost = True
    with pytest.raises(RecordingLostError):
        drives.receive(Side.TARGET, asks(create("\\a", 5, disposition=2)))


def test_a_file_that_is_open_at_the_end_is_recorded(sink: Sink) -> None:
    client = accepted_client()
    _, side = connected(client, ScriptedTarget(), "rdpdr")
    terms = ChannelTerms(devices=DeviceTerms(to_client=True))
    relay = Relay(client, side, sink, terms=terms)
    relay.receive(Side.CLIENT, answers(TMP))
    relay.receive(Side.TARGET, asks(create("\\a", disposition=2)))
    relay.receive(Side.CLIENT, answers(opened()))
    relay.receive(Side.TARGET, asks(write(b"abc", 0)) + asks(close()))
    relay.end(None)
    last = sink.events[-1]
    assert isinstance(last, FileTouched)
    assert (last.operation, last.size_bytes, last.outcome) == ("download", 3, "incomplete")
