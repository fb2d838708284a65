import pytest
from samples.rdp import (
    BOTH,
    CHANNELS,
    PASSWORD,
    PUBLIC_KEY,
    USERNAME,
    challenge,
    client_blocks,
    client_info,
    client_packets,
    connect_initial,
    logged_in,
    requested,
    sent,
)

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import IO_CHANNEL, Acceptor, Offer, login_name
from protocols.rdp.steps import LoginWanted, Refused, StartTLS
from protocols.rdp.wire import gcc, mcs, x224
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.framing import Splitter

TLS, NLA = x224.Security.TLS, x224.Security.NLA


def acceptor(offer: Offer = BOTH) -> Acceptor:
    return Acceptor(offer, PUBLIC_KEY, challenge())


def selected(steps: list) -> int:
    confirm = x224.read_answer(sent(steps))
    assert isinstance(confirm, x224.ConnectionConfirm)
    return confirm.selected


def refusal(steps: list) -> int:
    assert isinstance(steps[-1], Refused)
    answer = x224.read_answer(sent(steps))
    assert isinstance(answer, x224.ConnectionRefusal)
    return answer.code


def test_nla_is_chosen_where_the_client_offers_it():
    assert selected(requested(acceptor(), TLS | NLA)) == NLA
    assert selected(requested(acceptor(), TLS)) == TLS
    assert selected(requested(acceptor(Offer(nla=False, tls=True)), TLS | NLA)) == TLS


def test_each_refusal_names_what_is_missing():
    assert refusal(requested(acceptor(), x224.Security(0))) == x224.FailureCode.TLS_REQUIRED
    only_nla = acceptor(Offer(nla=True, tls=False))
    assert refusal(requested(only_nla, TLS)) == x224.FailureCode.NLA_REQUIRED


@pytest.mark.parametrize("flag", list(x224.RequestFlag))
def test_logins_that_bring_no_password_are_refused(flag: x224.RequestFlag):
    request = x224.ConnectionRequest(protocols=NLA | TLS, flags=flag)
    steps = acceptor().receive(request.write())
    assert refusal(steps) == x224.FailureCode.INCONSISTENT_FLAGS


@pytest.mark.parametrize("only", [x224.Security.RDSTLS, x224.Security.NLA_EARLY_RESULT])
def test_what_is_not_spoken_is_never_chosen(only: x224.Security):
    assert refusal(requested(acceptor(), only)) == x224.FailureCode.TLS_REQUIRED
    assert selected(requested(acceptor(), only | NLA)) == NLA


def test_a_client_comes_to_its_login_and_is_known_then():
    machine = acceptor()
    steps = logged_in(machine, client_packets())
    assert steps[-1] == LoginWanted(USERNAME, PASSWORD)
    client = machine.client
    assert client is not None
    assert client.channels == CHANNELS
    assert client.channel_ids == (1004, 1005)
    assert client.user == 1006
    assert (client.core.width_px, client.core.colour_depth_bits) == (1024, 32)


def test_the_answers_say_what_the_client_asked_for_itself():
    machine = acceptor()
    steps = logged_in(machine, client_packets())
    packets = Splitter().feed(sent(steps))
    blocks = gcc.read_response(mcs.read_connect_response(packets[0]))
    core = gcc.find(blocks, gcc.Block.SERVER_CORE)
    assert core is not None
    assert core[4:8] == TLS.to_bytes(4, "little")
    network = gcc.read_server_network(gcc.find(blocks, gcc.Block.SERVER_NETWORK), 2)
    assert network == gcc.ServerNetwork(io_channel=IO_CHANNEL, channels=(1004, 1005))
    assert mcs.read_attach_user_confirm(packets[1]) == 1006
    mcs.read_join_confirm(packets[2], 1006)


def test_fragments_come_to_the_same_login():
    machine = acceptor()
    stream = b"".join(client_packets())
    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    assert logged_in(machine, pieces)[-1] == LoginWanted(USERNAME, PASSWORD)


@pytest.mark.parametrize(
    "packet", [mcs.erect_domain(), mcs.attach_user(), mcs.join(1006, 1003)]
)
def test_nobody_is_heard_for_ever_who_does_not_log_in(packet: bytes):
    machine = acceptor()
    logged_in(machine, client_packets()[:-1])
    with pytest.raises(RemoteProtocolError, match="more than 64 packets"):
        machine.receive(packet * 64)


def test_31_channels_are_joined_and_no_more_are_asked_for():
    channels = tuple(gcc.StaticChannel(f"c{number}", 0) for number in range(31))
    steps = logged_in(acceptor(), client_packets(channels=channels))
    assert isinstance(steps[-1], LoginWanted)
    written = connect_initial(client_blocks(channels)).write()
    more = written.replace(bytes([31, 0, 0, 0]), bytes([32, 0, 0, 0]))
    assert more != written
    with pytest.raises(RemoteProtocolError, match="channels"):
        logged_in(acceptor(), [more])


def test_what_comes_behind_client_info_waits_for_the_relay():
    machine = acceptor()
    logged_in(machine, [*client_packets()[:-1], client_packets()[-1] + b"\x04\x05early"])
    machine.receive(b"more")
    assert machine.take_rest() == b"\x04\x05earlymore"
    assert machine.take_rest() == b""


def test_bytes_behind_the_request_do_not_slip_in_front_of_tls():
    machine = acceptor()
    request = x224.ConnectionRequest(protocols=TLS).write()
    with pytest.raises(RemoteProtocolError, match="before TLS"):
        machine.receive(request + client_packets()[0])
    machine = acceptor()
    assert machine.receive(request)[-1] == StartTLS()
    with pytest.raises(RemoteProtocolError, match="before TLS"):
        machine.receive(client_packets()[0])


@pytest.mark.parametrize(
    "packet",
    [
        mcs.join(1006, 1099),
        mcs.join(1005, 1004),
        mcs.send_request(1006, 1004, b"\x40\0\0\0"),
        mcs.send_request(1006, IO_CHANNEL, b"\0\0\0\0"),
        mcs.attach_user_confirm(1006),
    ],
)
def test_what_does_not_belong_into_the_handshake_ends_it(packet: bytes):
    machine = acceptor()
    logged_in(machine, client_packets()[:3])
    with pytest.raises(RemoteProtocolError):
        machine.receive(packet)


def test_client_info_before_the_conference_is_refused():
    machine = acceptor()
    with pytest.raises(RemoteProtocolError):
        logged_in(machine, client_packets()[-1:])


def test_a_client_that_disconnects_is_let_go():
    steps = logged_in(acceptor(), [*client_packets()[:3], mcs.disconnect()])
    assert steps[-1] == Refused("the client left")


def test_a_denial_holds_licence_reason_and_goodbye():
    machine = acceptor()
    logged_in(machine, client_packets())
    packets = Splitter().feed(machine.denial(ErrorInfo.DENIED))
    assert len(packets) == 3
    assert packets[1].endswith(b"\x07\0\0\0")
    assert packets[2] == mcs.disconnect()


@pytest.mark.parametrize(
    "written", [USERNAME.upper(), f"CORP\\{USERNAME}", f"{USERNAME}@corp.example", USERNAME]
)
def test_a_domain_and_capitals_make_no_difference_to_a_name(written: str):
    assert login_name(written) == USERNAME
    steps = logged_in(acceptor(), client_packets(client_info(written)))
    assert steps[-1] == LoginWanted(USERNAME, PASSWORD)


def test_a_login_does_not_show_its_password():
    assert PASSWORD not in repr(LoginWanted(USERNAME, PASSWORD))
    assert PASSWORD not in repr(client_info())
