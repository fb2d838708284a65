"""A client that meets no target yet, and what it is answered."""

import pytest
from samples.ssh_packets import CLIENT_NUMBER, global_request, opening, request

from protocols.errors import RemoteProtocolError
from protocols.ssh.packets import (
    Message,
    OpenConfirmation,
    OpenRefusal,
    Reader,
    Terminal,
    body_of,
    channel_close,
    channel_data,
    channel_eof,
    payload_of,
    string,
    uint32,
    window_adjust,
)
from protocols.ssh.terminal.hosted_channel import (
    OWN_NUMBER,
    PENDING_BYTES,
    WINDOW_BYTES,
    ChannelHost,
    Heard,
)
from recorder.events import ChannelOpened, ChannelRefused, RequestRefused

TERMINAL = Terminal("xterm", 80, 24, b"").write()


def hear(host: ChannelHost, *payloads: bytes) -> Heard:
    return host.receive([body_of(payload) for payload in payloads], 0)


def kinds(bodies: list[bytes]) -> list[int]:
    return [body[1] for body in bodies]


@pytest.fixture
def host() -> ChannelHost:
    """One with a channel that has a terminal and a shell."""
    host = ChannelHost()
    hear(
        host,
        opening("session", window=100),
        request("pty-req", TERMINAL, to=OWN_NUMBER),
        request("shell", to=OWN_NUMBER),
    )
    return host


def test_a_session_is_opened_with_a_small_window():
    heard = hear(ChannelHost(), opening("session"))
    answer = OpenConfirmation.read(payload_of(heard.answers[0]))
    assert (answer.recipient, answer.window_bytes) == (CLIENT_NUMBER, WINDOW_BYTES)
    assert isinstance(heard.events[0], ChannelOpened)


def test_every_other_channel_is_refused_and_recorded(host):
    for kind in ("direct-tcpip", "direct-streamlocal@openssh.com", "x11", "session"):
        heard = hear(host, opening(kind, number=50, rest=string(b"h") + uint32(1)))
        assert OpenRefusal.read(payload_of(heard.answers[0])).recipient == 50
        assert isinstance(heard.events[0], ChannelRefused)


def test_a_forward_is_refused_and_recorded(host):
    rest = string(b"127.0.0.1") + uint32(8080)
    heard = hear(host, global_request("tcpip-forward", rest))
    assert kinds(heard.answers) == [Message.REQUEST_FAILURE]
    assert isinstance(heard.events[0], RequestRefused)


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("subsystem", string(b"sftp")),
        ("x11-req", b""),
        ("auth-agent-req@openssh.com", b""),
        ("nobody-knows@example.org", b""),
        ("shell", b""),
    ],
)
def test_what_only_a_target_has_is_refused_and_recorded(host, kind, rest):
    heard = hear(host, request(kind, rest, to=OWN_NUMBER))
    assert kinds(heard.answers) == [Message.CHANNEL_FAILURE]
    assert isinstance(heard.events[0], RequestRefused)


def test_a_command_is_known_and_so_is_the_terminal():
    host = ChannelHost()
    hear(
        host,
        opening("session"),
        request("env", string(b"LANG") + string(b"C"), to=OWN_NUMBER),
        request("pty-req", TERMINAL, to=OWN_NUMBER),
        request("exec", string(b"launch web01"), to=OWN_NUMBER),
        request("window-change", uint32(132) + uint32(50) + uint32(0) * 2, to=OWN_NUMBER),
    )
    channel = host.channel
    assert (channel.command, channel.terminal.columns) == ("launch web01", 132)
    assert channel.environment == [string(b"LANG") + string(b"C")]


def test_what_is_typed_waits_and_the_window_is_given_back_as_it_is_read(host):
    hear(host, channel_data(OWN_NUMBER, b"x" * 20_000))
    channel = host.channel
    assert channel.replenish() == []
    del channel.typed[:18_000]
    adjust = payload_of(channel.replenish()[0])
    assert Reader(adjust, 5).uint32() == 18_000


def test_a_client_that_sends_more_than_it_may_is_cut_off(host):
    with pytest.raises(RemoteProtocolError):
        hear(host, channel_data(OWN_NUMBER, b"x" * (WINDOW_BYTES + 1)))


def test_what_is_shown_waits_for_the_client_s_window(host):
    bodies = host.channel.write(b"y" * 150)
    assert Reader(payload_of(bodies[0]), 5).string() == b"y" * 100
    heard = hear(host, window_adjust(OWN_NUMBER, 30))
    assert Reader(payload_of(heard.answers[0]), 5).string() == b"y" * 30
    assert len(host.channel.waiting) == 20


def test_a_client_that_reads_nothing_is_cut_off(host):
    with pytest.raises(RemoteProtocolError):
        host.channel.write(b"y" * (PENDING_BYTES + 1))


def test_the_channel_ends_with_a_status_and_may_be_opened_again(host):
    bodies = host.finish(3)
    assert kinds(bodies) == [
        Message.CHANNEL_REQUEST,
        Message.CHANNEL_EOF,
        Message.CHANNEL_CLOSE,
    ]
    hear(host, channel_close(OWN_NUMBER))
    assert host.channel is None
    assert kinds(hear(host, opening("session")).answers) == [Message.CHANNEL_OPEN_CONFIRMATION]


def test_a_client_that_closes_first_is_answered_with_a_close(host):
    hear(host, channel_eof(OWN_NUMBER), channel_close(OWN_NUMBER))
    assert host.channel.left
    assert kinds(host.finish(0)) == [Message.CHANNEL_CLOSE]
    assert host.channel is None


def test_while_it_leads_to_a_target_the_channel_s_packets_pass(host):
    host.grafted = True
    size = request("window-change", uint32(99) + uint32(9) + uint32(0) * 2, to=OWN_NUMBER)
    heard = hear(host, channel_data(OWN_NUMBER, b"ls"), size, global_request("keepalive@x"))
    assert kinds(heard.passed) == [Message.CHANNEL_DATA, Message.CHANNEL_REQUEST]
    assert kinds(heard.answers) == [Message.REQUEST_FAILURE]
    assert host.channel.terminal.columns == 99


@pytest.mark.parametrize(
    "payload",
    [
        channel_data(9, b"x"),
        bytes((Message.CHANNEL_OPEN_CONFIRMATION,)) + uint32(0) * 4,
        bytes((Message.CHANNEL_DATA,)) + uint32(OWN_NUMBER) + uint32(99),
    ],
)
def test_a_client_that_misbehaves_is_cut_off(host, payload):
    with pytest.raises(RemoteProtocolError):
        hear(host, payload)
