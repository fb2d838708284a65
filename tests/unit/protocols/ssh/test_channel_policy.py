import pytest

from protocols.ssh.channel_policy import WORDS, ChannelPolicy, is_scp, is_word
from protocols.ssh.packets import string

DEFAULT = ChannelPolicy(frozenset({"shell", "exec", "sftp", "scp"}))
NOTHING = ChannelPolicy(frozenset())
EVERYTHING = ChannelPolicy(WORDS)


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("shell", b""),
        ("exec", string(b"make")),
        ("subsystem", string(b"sftp")),
        ("pty-req", b""),
        ("env", b""),
        ("window-change", b""),
        ("signal", b""),
        ("break", b""),
        ("winadj@putty.projects.tartarus.org", b""),
    ],
)
def test_the_usual_four_and_what_goes_with_them_pass(kind: str, rest: bytes):
    assert DEFAULT.client_asks(kind, rest) is None


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("x11-req", b""),
        ("auth-agent-req@openssh.com", b""),
        ("subsystem", string(b"netconf")),
        ("something-new@example.org", b""),
    ],
)
def test_nothing_else_passes_by_default(kind: str, rest: bytes):
    assert DEFAULT.client_asks(kind, rest)


@pytest.mark.parametrize(
    "kind", ["direct-tcpip", "direct-streamlocal@openssh.com", "tun@openssh.com"]
)
def test_side_doors_are_closed_by_default(kind: str):
    assert DEFAULT.client_opens(kind)


def test_a_tunnel_device_is_never_opened():
    assert EVERYTHING.client_opens("tun@openssh.com")


@pytest.mark.parametrize(
    "kind",
    ["forwarded-tcpip", "forwarded-streamlocal@openssh.com", "x11", "auth-agent@openssh.com"],
)
def test_the_target_may_open_what_the_secret_allows_and_no_more(kind: str):
    assert DEFAULT.target_opens(kind)
    assert EVERYTHING.target_opens(kind) is None


def test_a_secret_without_sessions_opens_none():
    assert NOTHING.client_opens("session")
    assert ChannelPolicy(frozenset({"subsystem:netconf"})).client_opens("session") is None


def test_one_subsystem_can_be_allowed():
    netconf = ChannelPolicy(frozenset({"subsystem:netconf"}))
    assert netconf.client_asks("subsystem", string(b"netconf")) is None
    assert netconf.client_asks("subsystem", string(b"sftp"))


@pytest.mark.parametrize(
    "command",
    [b"scp -t /tmp", b"scp -r -p -f -- a b", b"/usr/bin/scp -d -t x", b"scp -rt 'a b'"],
)
def test_scp_alone_lets_scp_pass(command: bytes):
    scp = ChannelPolicy(frozenset({"scp"}))
    assert is_scp(command)
    assert scp.client_asks("exec", string(command)) is None


@pytest.mark.parametrize(
    "command",
    [
        b"scp -t /tmp; id",
        b"scp -t $(id)",
        b"scp -t `id`",
        b"scp -t x | sh",
        b"scp -t x\nid",
        b"scp -t x > /etc/passwd",
        b"scp -o -t -S /bin/sh h:x .",
        b"scp -S /bin/sh -- -t h:x .",
        b"scp h:x -t",
        b"scp -f (id)",
        b"scp -f =(id)",
        b"scp -t ${HOME}",
        b"scp -t x\0id",
        b"scp",
        b"scp local remote:",
        b"./scp -t x",
        b"/tmp/scp -t x",
        b"id",
        b"",
    ],
)
def test_nothing_but_scp_passes_for_scp(command: bytes):
    assert ChannelPolicy(frozenset({"scp"})).client_asks("exec", string(command))


def test_the_target_learns_nothing_to_tell_the_client():
    assert EVERYTHING.target_asks_globally("hostkeys-00@openssh.com")
    assert NOTHING.target_asks_globally("keepalive@openssh.com") is None


def test_words_are_known():
    assert all(is_word(word) for word in WORDS)
    assert is_word("subsystem:netconf")
    assert not is_word("subsystem:")
    assert not is_word("tunnel")
