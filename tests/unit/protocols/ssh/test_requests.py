import pytest
from samples.ssh_packets import request

from protocols.errors import RemoteProtocolError
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import ANSWERS_LIMIT, Side
from protocols.ssh.packets import ChannelRequest, GlobalRequest, string, uint32
from protocols.ssh.requests import GlobalAsks, asked_events
from recorder.events import ChannelRequested, CommandKilled, TerminalResized


def events_of(kind: str, rest: bytes) -> list:
    return asked_events(5, 0, ChannelRequest.read(request(kind, rest)))


@pytest.mark.parametrize(
    ("kind", "rest", "detail"),
    [
        ("exec", string(b"make all"), b"make all"),
        ("subsystem", string(b"sftp"), b"sftp"),
        ("env", string(b"LANG") + string(b"C.UTF-8"), b"LANG=C.UTF-8"),
        ("signal", string(b"TERM"), b"TERM"),
        ("break", uint32(500), b"500"),
        ("shell", b"", b""),
        ("x11-req", string(b"MIT-MAGIC-COOKIE-1") + string(b"secret"), b""),
    ],
)
def test_a_request_is_recorded_with_what_it_asked_for(kind: str, rest: bytes, detail: bytes):
    expected = ChannelRequested(at_ms=5, channel=0, request=kind, detail=detail)
    assert events_of(kind, rest) == [expected]


def test_a_resize_and_a_death_have_events_of_their_own():
    size = uint32(132) + uint32(50) + uint32(0) + uint32(0)
    assert events_of("window-change", size) == [
        TerminalResized(at_ms=5, channel=0, columns=132, rows=50)
    ]
    killed = string(b"SEGV") + b"\x01" + string(b"core dumped") + string(b"")
    assert events_of("exit-signal", killed) == [
        CommandKilled(at_ms=5, channel=0, signal="SEGV", message="core dumped")
    ]


def test_what_tells_nothing_is_not_recorded():
    assert events_of("eow@openssh.com", b"") == []


def test_requests_without_end_are_the_peers_fault():
    asks = GlobalAsks(ChannelPolicy(frozenset()))
    keepalive = GlobalRequest("keepalive@openssh.com", want_reply=True, rest=b"")
    for _ in range(ANSWERS_LIMIT):
        asks.asked(Side.CLIENT, keepalive, 0)
    with pytest.raises(RemoteProtocolError, match="too many"):
        asks.asked(Side.CLIENT, keepalive, 0)
