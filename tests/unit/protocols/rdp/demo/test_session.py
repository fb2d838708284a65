import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import structs
from samples.letters import lines_of
from samples.rdp import accepted_client, active, share

from protocols.errors import RemoteProtocolError
from protocols.rdp import capabilities
from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.demo.session import MAX_HEIGHT_PX, MAX_WIDTH_PX, DemoSession
from protocols.rdp.wire import licensing, mcs, slowpath
from protocols.rdp.wire.capability_sets import Active
from protocols.rdp.wire.framing import Splitter
from protocols.rdp.wire.logon_info import Told, told
from recorder.replay.rdp.bitmaps import PureDecoder
from recorder.replay.rdp.pdus import ChannelPdu, pdus
from recorder.replay.rdp.screen import Screen

CLIENT = accepted_client()
A_DOWN_UP = b"\x08\x06\x00\x1e\x01\x1e"
"""The key A, on the FastPath."""
SYNCHRONISE, CONTROL, REFRESH, SUPPRESS, SHUTDOWN, FONT_LIST = 31, 20, 33, 35, 36, 39


def from_client(data: bytes, channel: int = IO_CHANNEL) -> bytes:
    return mcs.send_request(CLIENT.user, channel, data)


def data_pdu(kind: int, body: bytes = b"") -> bytes:
    return from_client(share(slowpath.Share.DATA, bytes(8) + bytes([kind, 0, 0, 0]) + body))


CONFIRM = from_client(active([(1, bytes(20))], confirm=True))
FINALISATION = (
    data_pdu(SYNCHRONISE, b"\1\0\xea\3"),
    data_pdu(CONTROL, b"\4\0" + bytes(6)),
    data_pdu(CONTROL, b"\1\0" + bytes(6)),
    data_pdu(FONT_LIST, bytes(4) + b"\3\0\x32\0"),
)


def begun(client=CLIENT) -> DemoSession:
    session = DemoSession(client)
    session.start()
    return session


def ready() -> DemoSession:
    """One that has shown its first picture."""
    session = begun()
    session.receive(CONFIRM + b"".join(FINALISATION))
    session.take()
    return session


def shares_of(data: bytes) -> list[bytes]:
    packets = Splitter().feed(data)
    return [packet[mcs.read_sent(packet).offset :] for packet in packets]


def screen_after(data: bytes) -> Screen:
    """What the storage side draws."""
    screen = Screen(PureDecoder())
    for pdu in pdus(data):
        assert isinstance(pdu, ChannelPdu)
        assert pdu.channel == IO_CHANNEL
        screen.io_channel(pdu.body)
    assert not screen.not_drawn
    return screen


def test_it_begins_with_a_licence_and_the_clients_size():
    session = begun()
    first, demand = shares_of(session.take())
    assert first == licensing.valid_client()
    assert slowpath.share_kind(demand) == slowpath.Share.DEMAND_ACTIVE
    sets = dict(Active.read(demand, confirm=False).sets)
    assert sets[2][8:12] == (1024).to_bytes(2, "little") + (768).to_bytes(2, "little")
    assert (len(sets[1]), len(sets[2]), len(sets[3]), len(sets[13])) == (20, 24, 84, 84)


def test_the_relay_leaves_its_demand_active_as_it_is():
    _, demand = shares_of(begun().take())
    assert capabilities.demand_active(demand) == demand


def test_a_large_client_gets_as_much_as_is_served():
    core = structs.replace(CLIENT.core, width_px=9000, height_px=9000)
    _, demand = shares_of(begun(structs.replace(CLIENT, core=core)).take())
    size = dict(Active.read(demand, confirm=False).sets)[2][8:12]
    assert size == MAX_WIDTH_PX.to_bytes(2, "little") + MAX_HEIGHT_PX.to_bytes(2, "little")


def test_the_connection_sequence_ends_in_a_picture():
    session = begun()
    out = session.take()
    session.receive(CONFIRM)
    assert session.take() == b""
    for number, packet in enumerate(FINALISATION):
        assert not session.active, number
        session.receive(packet)
    assert session.active
    answers = session.take()
    kinds = [slowpath.share_data_kind(one) for one in shares_of(answers)]
    assert kinds[:6] == [31, 20, 20, 40, 38, 27]
    assert set(kinds[6:]) == {2}
    assert told(shares_of(answers)[4]) is Told.LOGGED_ON
    screen = screen_after(out + answers)
    assert screen.framebuffer is not None
    lines = lines_of(bytes(screen.framebuffer.pixels), 1024)
    assert " proxyd demo desktop" in lines


def test_what_is_typed_is_shown_on_both_paths():
    session = begun()
    session.receive(CONFIRM + b"".join(FINALISATION))
    session.receive(A_DOWN_UP)
    event = bytes(4) + b"\4\0\0\0\x30\0\0\0"
    session.receive(data_pdu(28, b"\1\0\0\0" + event))
    screen = screen_after(session.take())
    assert screen.framebuffer is not None
    assert "  ab" in lines_of(bytes(screen.framebuffer.pixels), 1024)


def test_a_burst_of_requests_to_repaint_is_one_picture():
    session = ready()
    session.receive(data_pdu(REFRESH))
    once = len(session.take())
    session.receive(data_pdu(REFRESH) * 50)
    assert len(session.take()) == once > 10_000


def test_a_minimised_client_gets_no_picture_until_it_is_back():
    session = ready()
    session.receive(data_pdu(SUPPRESS, bytes(4)))
    session.receive(A_DOWN_UP)
    assert session.take() == b""
    session.receive(data_pdu(SUPPRESS, b"\1\0\0\0" + bytes(8)))
    assert len(session.take()) > 10_000


@pytest.mark.parametrize("words", [mcs.disconnect(), data_pdu(SHUTDOWN)])
def test_a_client_that_leaves_ends_the_session(words):
    session = ready()
    session.receive(words + A_DOWN_UP)
    assert session.over


@pytest.mark.parametrize(
    "words",
    [
        data_pdu(99, b"?"),
        from_client(b"whatever", channel=1004),
        from_client(b""),
        mcs.attach_user(),
        data_pdu(CONTROL),
        data_pdu(28),
    ],
)
def test_what_it_does_not_know_it_skips(words):
    session = ready()
    session.receive(words + A_DOWN_UP)
    assert session.take()


def test_nobody_gets_a_picture_who_has_confirmed_nothing():
    with pytest.raises(RemoteProtocolError):
        begun().receive(b"".join(FINALISATION))


def test_a_client_of_256_colours_is_sent_away():
    core = structs.replace(CLIENT.core, colour_depth_bits=8)
    with pytest.raises(RemoteProtocolError):
        DemoSession(structs.replace(CLIENT, core=core))


@settings(max_examples=100)
@given(
    some.lists(
        some.one_of(
            some.binary(max_size=60),
            some.binary(max_size=60).map(from_client),
            some.builds(data_pdu, some.integers(0, 255), some.binary(max_size=40)),
            some.just(A_DOWN_UP),
        ),
        max_size=8,
    )
)
def test_whatever_a_client_sends_it_ends_in_one_error_at_most(words):
    session = ready()
    with contextlib.suppress(RemoteProtocolError):
        for one in words:
            session.receive(one)
