"""A channel that is led to a target in mid-life: numbers, windows, and what was typed ahead."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.ssh_packets import Wire, request

from protocols.errors import RemoteProtocolError
from protocols.ssh import packets
from protocols.ssh.channels import Side
from protocols.ssh.packets import (
    Message,
    OpenConfirmation,
    Reader,
    Terminal,
    body_of,
    channel_close,
    channel_data,
    channel_eof,
    channel_failure,
    channel_success,
    exit_status,
    payload_of,
    uint32,
    window_adjust,
)
from protocols.ssh.terminal.graft import Graft
from protocols.ssh.terminal.hosted_channel import OWN_NUMBER, WINDOW_BYTES, ChannelHost
from recorder.events import ClientData, TerminalRequested

CLIENT, TARGET = 7, 3
TERMINAL = Terminal("xterm", 80, 24, b"").write()


class Launch:
    """A launch on a channel, through a relay, with both peers in the test's hands."""

    def __init__(
        self,
        *,
        lasts: bool = True,
        typed: bytes = b"",
        window: int = 1000,
        command: str | None = None,
    ) -> None:
        host = ChannelHost()
        opening = packets.session_open(CLIENT, window, 32768)
        hear = [
            opening,
            request("env", packets.string(b"A") + packets.string(b"1"), to=OWN_NUMBER),
            request("pty-req", TERMINAL, to=OWN_NUMBER),
            request("shell", to=OWN_NUMBER),
            *([channel_data(OWN_NUMBER, typed)] if typed else []),
        ]
        host.receive([body_of(payload) for payload in hear], 0)
        self.channel = host.channel
        self.wire = Wire()
        self.graft = Graft(self.channel, lasts=lasts, command=command)
        self.to_target: list[bytes] = []
        self.to_client: list[bytes] = []
        self._feed(self.graft.begin())

    def _feed(self, bodies: list[bytes]) -> None:
        while bodies:
            out = self.wire.relay.receive(Side.CLIENT, bodies)
            self.to_target += out.to[Side.TARGET]
            self.to_client += self.graft.to_client(out.to[Side.CLIENT])
            bodies = self.graft.take_due()

    def client(self, *payloads: bytes) -> None:
        self._feed(self.graft.to_target([body_of(payload) for payload in payloads]))

    def target(self, *payloads: bytes) -> None:
        out = self.wire.relay.receive(Side.TARGET, [body_of(payload) for payload in payloads])
        self.to_target += out.to[Side.TARGET]
        self.to_client += self.graft.to_client(out.to[Side.CLIENT])
        self._feed(self.graft.take_due())

    def confirm(self, window: int = 0, packet: int = 32768) -> "Launch":
        self.target(OpenConfirmation(CLIENT, TARGET, window, packet).write())
        return self

    def stand(self, window: int = 2_000_000) -> "Launch":
        self.confirm()
        self.target(channel_success(CLIENT), channel_success(CLIENT))
        self.target(window_adjust(CLIENT, window))
        return self

    def arrived(self) -> bytes:
        """What reached the target as data."""
        datas = [b for b in self.to_target if b[1] == Message.CHANNEL_DATA]
        assert all(body[2:6] == uint32(TARGET) for body in datas)
        return b"".join(Reader(payload_of(body), 5).string() for body in datas)


def kinds(bodies: list[bytes]) -> list[int]:
    return [body[1] for body in bodies]


def test_the_target_is_asked_for_what_the_client_has():
    launch = Launch(window=1234).confirm()
    opened = packets.ChannelOpen.read(payload_of(launch.to_target[0]))
    assert (opened.sender, opened.window_bytes) == (CLIENT, 1234)
    asked = [packets.ChannelRequest.read(payload_of(body)) for body in launch.to_target[1:]]
    assert [(one.kind, one.want_reply) for one in asked] == [
        ("env", False),
        ("pty-req", True),
        ("shell", True),
    ]
    assert launch.wire.recorded(TerminalRequested)


def test_a_command_takes_the_place_of_the_shell():
    launch = Launch(command="say hi").confirm()
    asked = packets.ChannelRequest.read(payload_of(launch.to_target[-1]))
    assert (asked.kind, asked.rest) == ("exec", packets.string(b"say hi"))


def test_the_client_hears_nothing_of_what_was_asked_for_it():
    launch = Launch().confirm(window=100)
    launch.target(channel_success(CLIENT), channel_success(CLIENT))
    assert launch.to_client == []


def test_what_was_typed_ahead_arrives_once_there_is_room_and_is_recorded():
    launch = Launch(typed=b"echo hello\n").stand()
    assert launch.arrived() == b"echo hello\n"
    assert [event.data for event in launch.wire.recorded(ClientData)] == [b"echo hello\n"]


def test_what_comes_from_the_target_is_passed_as_it_is():
    launch = Launch().stand()
    body = body_of(channel_data(CLIENT, b"prompt$ "))
    launch.to_client.clear()
    launch.target(payload_of(body))
    assert launch.to_client == [body]
    assert launch.channel.room_bytes == 1000 - 8


def test_the_client_may_send_what_the_target_grants_beyond_what_it_could():
    launch = Launch().stand(window=100_000)
    assert kinds(launch.to_client) == [Message.CHANNEL_WINDOW_ADJUST]
    assert Reader(payload_of(launch.to_client[0]), 5).uint32() == 100_000 - WINDOW_BYTES


def test_a_packet_larger_than_the_target_takes_is_sent_in_parts():
    launch = Launch().confirm(window=1_000_000, packet=100)
    launch.client(channel_data(OWN_NUMBER, b"z" * 250))
    assert launch.arrived() == b"z" * 250
    sizes = [len(payload_of(b)) - 9 for b in launch.to_target if b[1] == Message.CHANNEL_DATA]
    assert sizes == [100, 100, 50]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("cta"), st.integers(1, 9000)), max_size=40))
def test_neither_side_is_ever_sent_more_than_it_granted(steps):
    launch = Launch().confirm()
    launch.target(channel_success(CLIENT), channel_success(CLIENT))
    granted, sent, may = 0, b"", WINDOW_BYTES
    for step, size in steps:
        before = len(launch.to_client)
        if step == "t":
            granted += size
            launch.target(window_adjust(CLIENT, size))
        elif step == "c" and size <= may:
            data = bytes(index % 251 for index in range(size))
            sent, may = sent + data, may - size
            launch.client(channel_data(OWN_NUMBER, data))
        elif step == "a":
            launch.client(window_adjust(OWN_NUMBER, size))
        for body in launch.to_client[before:]:
            may += Reader(payload_of(body), 5).uint32()
        assert len(launch.arrived()) <= granted
        assert sent.startswith(launch.arrived())
        assert len(sent) + may <= max(granted, WINDOW_BYTES)
    launch.target(window_adjust(CLIENT, len(sent)))
    assert launch.arrived() == sent


def test_a_client_that_sends_more_than_it_may_is_cut_off():
    launch = Launch().confirm()
    with pytest.raises(RemoteProtocolError):
        launch.client(channel_data(OWN_NUMBER, b"x" * (WINDOW_BYTES + 1)))


def test_where_the_channel_lasts_the_client_hears_nothing_of_the_target_s_end():
    launch = Launch().stand()
    launch.to_client.clear()
    end_of_write = request("eow@openssh.com", to=CLIENT, reply=False)
    launch.target(
        end_of_write, exit_status(CLIENT, 3), channel_eof(CLIENT), channel_close(CLIENT)
    )
    assert launch.to_client == []
    assert (launch.graft.over, launch.graft.status) == (True, 3)
    assert launch.to_target[-1] == body_of(channel_close(TARGET))


def test_where_it_does_not_the_client_hears_status_and_close():
    launch = Launch(lasts=False).stand()
    launch.to_client.clear()
    launch.target(exit_status(CLIENT, 3), channel_eof(CLIENT), channel_close(CLIENT))
    assert kinds(launch.to_client) == [
        Message.CHANNEL_REQUEST,
        Message.CHANNEL_EOF,
        Message.CHANNEL_CLOSE,
    ]
    assert launch.channel.finished


def test_a_client_that_closes_is_closed_by_the_target():
    launch = Launch().stand()
    launch.client(channel_close(OWN_NUMBER))
    launch.to_client.clear()
    launch.target(channel_close(CLIENT))
    assert kinds(launch.to_client) == [Message.CHANNEL_CLOSE]
    assert launch.channel.closed


def test_an_end_of_input_comes_behind_what_waits():
    launch = Launch(typed=b"cat").confirm()
    launch.client(channel_eof(OWN_NUMBER))
    assert Message.CHANNEL_EOF not in kinds(launch.to_target)
    launch.target(window_adjust(CLIENT, 100))
    assert kinds(launch.to_target)[-2:] == [Message.CHANNEL_DATA, Message.CHANNEL_EOF]


def test_a_target_that_opens_nothing_says_why():
    launch = Launch()
    refusal = packets.OpenRefusal(CLIENT, 1, "no more sessions")
    launch.target(refusal.write())
    assert (launch.graft.over, launch.graft.refusal) == (True, "no more sessions")


def test_a_target_that_starts_no_shell_is_left():
    launch = Launch(lasts=False).confirm()
    launch.target(channel_success(CLIENT), channel_failure(CLIENT))
    assert launch.to_target[-1] == body_of(channel_close(TARGET))
    launch.target(channel_close(CLIENT))
    assert launch.graft.refusal
    assert launch.to_client == []


def test_what_the_target_never_took_is_typed_at_our_own_line():
    launch = Launch(typed=b"exit\r").confirm()
    launch.graft.give_back()
    assert bytes(launch.channel.typed) == b"exit\r"


def test_the_client_s_own_questions_are_answered_by_the_target():
    launch = Launch().stand()
    launch.client(request("keepalive@openssh.com", to=OWN_NUMBER))
    launch.to_client.clear()
    launch.target(channel_failure(CLIENT))
    assert kinds(launch.to_client) == [Message.CHANNEL_FAILURE]
