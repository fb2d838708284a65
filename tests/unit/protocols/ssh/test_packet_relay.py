"""What passes the relay, what it leaves in the recording, and what it answers itself."""

import hashlib

import pytest
from samples.ssh_packets import (
    CLIENT_NUMBER,
    TARGET_NUMBER,
    Wire,
    close,
    confirmation,
    eof,
    execute,
    failure,
    global_request,
    opening,
    pty,
    request,
    success,
)

from protocols.errors import RemoteProtocolError
from protocols.ssh.channels import Limits, Side
from protocols.ssh.packets import (
    Message,
    OpenFailure,
    Reader,
    body_of,
    channel_data,
    channel_error_data,
    payload_of,
    string,
    uint32,
    window_adjust,
)
from recorder.errors import RecordingLostError
from recorder.events import (
    CaptureTruncated,
    ChannelClosed,
    ChannelOpened,
    ChannelRefused,
    ChannelRequested,
    ClientData,
    CommandExited,
    ForwardGranted,
    NoticeShown,
    RequestRefused,
    Stream,
    StreamDigested,
    TargetData,
    TargetErrorData,
    TerminalRequested,
)
from recorder.session_info import Capture


def test_data_passes_as_it_came_and_is_recorded_in_the_same_burst():
    wire = Wire().open_session()
    body = body_of(channel_data(TARGET_NUMBER, b"ls\n"))
    out = wire.relay.receive(Side.CLIENT, [body])
    assert out.to[Side.TARGET] == [body]
    assert wire.sink.bursts[-1] == [ClientData(at_ms=0, channel=0, data=b"ls\n")]


def test_standard_error_is_recorded_apart():
    wire = Wire().open_session()
    wire.target(channel_error_data(CLIENT_NUMBER, b"oops"), channel_data(CLIENT_NUMBER, b"ok"))
    assert wire.sink.bursts[-1] == [
        TargetErrorData(at_ms=0, channel=0, data=b"oops"),
        TargetData(at_ms=0, channel=0, data=b"ok"),
    ]


def test_a_burst_of_one_stream_is_one_event():
    wire = Wire().open_session()
    wire.target(*(channel_data(CLIENT_NUMBER, b"%d" % number) for number in range(5)))
    assert wire.recorded(TargetData) == [TargetData(at_ms=0, channel=0, data=b"01234")]


def test_nothing_is_forwarded_that_cannot_be_recorded():
    wire = Wire().open_session()
    wire.sink.full = True
    with pytest.raises(RecordingLostError):
        wire.client(channel_data(TARGET_NUMBER, b"rm -rf /\n"))


def test_opens_requests_and_ends_are_events():
    wire = Wire().open_session()
    wire.client(execute("make"))
    wire.target(success(CLIENT_NUMBER), request("exit-status", uint32(2), to=CLIENT_NUMBER))
    wire.target(close(CLIENT_NUMBER))
    wire.client(close(TARGET_NUMBER))
    assert wire.sink.events == [
        ChannelOpened(at_ms=0, channel=0, kind="session"),
        ChannelRequested(at_ms=0, channel=0, request="exec", detail=b"make"),
        CommandExited(at_ms=0, channel=0, status=2),
        ChannelClosed(at_ms=0, channel=0),
    ]


def test_channels_are_counted_in_the_order_they_open():
    wire = Wire().open_session()
    wire.client(opening("session", number=8))
    wire.target(confirmation(recipient=8, sender=4))
    wire.client(channel_data(4, b"second"), channel_data(TARGET_NUMBER, b"first"))
    assert [(event.channel, event.data) for event in wire.recorded(ClientData)] == [
        (1, b"second"),
        (0, b"first"),
    ]


def test_a_forward_is_refused_in_the_targets_name_and_noted():
    wire = Wire()
    leads_to = string(b"db.internal") + uint32(5432) + string(b"127.0.0.1") + uint32(4)
    out = wire.client(opening("direct-tcpip", rest=leads_to))
    assert out.to[Side.TARGET] == []
    fields = Reader(payload_of(out.to[Side.CLIENT][0]), 1)
    assert (fields.uint32(), fields.uint32()) == (
        CLIENT_NUMBER,
        OpenFailure.ADMINISTRATIVELY_PROHIBITED,
    )
    (refused,) = wire.recorded(ChannelRefused)
    assert (refused.kind, refused.detail) == ("direct-tcpip", "db.internal:5432")


def test_a_forward_passes_where_the_secret_allows_it():
    wire = Wire(["shell", "local-forward"])
    leads_to = string(b"db") + uint32(5432) + string(b"127.0.0.1") + uint32(4)
    out = wire.client(opening("direct-tcpip", rest=leads_to))
    wire.target(confirmation())
    assert len(out.to[Side.TARGET]) == 1
    assert wire.recorded(ChannelOpened)[0].detail == "db:5432"


@pytest.mark.parametrize(
    "kind", ["x11", "auth-agent@openssh.com", "forwarded-tcpip", "session"]
)
def test_a_target_opens_nothing_that_was_not_allowed(kind: str):
    rest = string(b"h") + uint32(1) if kind == "forwarded-tcpip" else b""
    wire = Wire()
    out = wire.target(opening(kind, rest=rest))
    assert (len(out.to[Side.TARGET]), out.to[Side.CLIENT]) == (1, [])


def test_more_sessions_than_allowed_are_refused_for_want_of_room():
    wire = Wire(limits=Limits(sessions=1)).open_session()
    out = wire.client(opening("session", number=8))
    fields = Reader(payload_of(out.to[Side.CLIENT][0]), 1)
    assert (fields.uint32(), fields.uint32()) == (8, OpenFailure.RESOURCE_SHORTAGE)


def test_a_refused_request_is_answered_when_its_turn_comes():
    wire = Wire().open_session()
    out = wire.client(pty(), request("x11-req", b"\x00"), request("shell"))
    assert len(out.to[Side.TARGET]) == 2
    assert out.to[Side.CLIENT] == []
    out = wire.target(success(CLIENT_NUMBER), success(CLIENT_NUMBER))
    kinds = [body[1] for body in out.to[Side.CLIENT]]
    assert kinds == [
        Message.CHANNEL_SUCCESS,
        Message.CHANNEL_FAILURE,
        Message.CHANNEL_SUCCESS,
    ]
    assert [event.request for event in wire.recorded(RequestRefused)] == ["x11-req"]


def test_a_refused_command_leaves_no_trace_on_the_target():
    wire = Wire(["sftp"]).open_session()
    out = wire.client(execute("cat /etc/shadow"))
    assert out.to[Side.TARGET] == []
    assert out.to[Side.CLIENT] == [body_of(failure(CLIENT_NUMBER))]


def test_the_targets_host_keys_stay_on_our_side():
    wire = Wire()
    out = wire.target(global_request("hostkeys-00@openssh.com", reply=False))
    assert out.to == ([], [])


def test_global_answers_come_in_the_order_of_the_requests():
    wire = Wire(["shell", "remote-forward"])
    forward = string(b"localhost") + uint32(8080)
    out = wire.client(
        global_request("tcpip-forward", forward), global_request("unheard-of@example.org")
    )
    assert (len(out.to[Side.TARGET]), out.to[Side.CLIENT]) == (1, [])
    out = wire.target(bytes((Message.REQUEST_SUCCESS,)))
    kinds = [body[1] for body in out.to[Side.CLIENT]]
    assert kinds == [Message.REQUEST_SUCCESS, Message.REQUEST_FAILURE]
    assert wire.recorded(ForwardGranted)[0].detail == "localhost:8080"


def test_the_answer_to_our_own_question_stays_with_us():
    wire = Wire()
    wire.relay.ping()
    out = wire.client(global_request("keepalive@openssh.com"))
    assert len(out.to[Side.TARGET]) == 1
    answers = wire.target(bytes((Message.REQUEST_FAILURE,)), bytes((Message.REQUEST_FAILURE,)))
    assert len(answers.to[Side.CLIENT]) == 1


def test_beyond_the_limit_only_count_and_digest_are_kept():
    wire = Wire(limits=Limits(capture_bytes=10)).open_session()
    wire.client(execute("cat big"))
    for piece in (b"123456", b"7890ab", b"cdef"):
        wire.target(channel_data(CLIENT_NUMBER, piece))
    wire.target(close(CLIENT_NUMBER))
    wire.client(close(TARGET_NUMBER))
    kept = b"".join(event.data for event in wire.recorded(TargetData))
    assert kept == b"1234567890"
    assert wire.recorded(CaptureTruncated) == [
        CaptureTruncated(at_ms=0, channel=0, stream=Stream.TARGET, kept_bytes=10)
    ]
    (digest,) = wire.recorded(StreamDigested)
    assert digest.size_bytes == 16
    assert digest.sha256 == hashlib.sha256(b"1234567890abcdef").digest()


@pytest.mark.parametrize("case", ["full capture", "terminal"])
def test_full_capture_and_terminals_know_no_limit(case: str):
    full = case == "full capture"
    wire = Wire(
        capture=Capture.FULL if full else Capture.TEXT, limits=Limits(capture_bytes=4)
    ).open_session()
    wire.client(execute("cat big") if full else pty())
    wire.target(channel_data(CLIENT_NUMBER, b"more than four"))
    assert wire.recorded(TargetData)[0].data == b"more than four"


def test_a_terminal_that_the_target_refuses_is_captured_as_a_pipe():
    wire = Wire(mask_typed=True).open_session()
    wire.client(pty())
    assert len(wire.recorded(TerminalRequested)) == 1
    wire.target(failure(CLIENT_NUMBER))
    wire.client(channel_data(TARGET_NUMBER, b"not echoed by a pipe\n"))
    assert wire.recorded(ClientData)[0].data == b"not echoed by a pipe\n"


def test_a_second_terminal_neither_loses_nor_unmasks_what_is_typed():
    wire = Wire(mask_typed=True, limits=Limits(capture_bytes=4)).open_session()
    wire.client(pty())
    wire.target(success(CLIENT_NUMBER))
    wire.client(channel_data(TARGET_NUMBER, b"held until"), pty())
    wire.target(failure(CLIENT_NUMBER), channel_data(CLIENT_NUMBER, b"held until it is echoed"))
    assert wire.recorded(TargetData)[0].data == b"held until it is echoed"
    wire.relay.finish()
    assert b"".join(event.data for event in wire.recorded(ClientData)) == b"held until"
    assert not wire.recorded(CaptureTruncated)


def test_a_terminal_that_is_granted_at_the_second_try_is_one():
    wire = Wire(limits=Limits(capture_bytes=4)).open_session()
    wire.client(pty(), pty())
    wire.target(failure(CLIENT_NUMBER), success(CLIENT_NUMBER))
    wire.target(channel_data(CLIENT_NUMBER, b"more than four"))
    assert wire.recorded(TargetData)[0].data == b"more than four"


def test_a_target_cannot_talk_a_terminal_away():
    wire = Wire(limits=Limits(capture_bytes=4)).open_session()
    wire.client(pty())
    wire.target(success(CLIENT_NUMBER))
    ask = request("pty-req", payload_of(body_of(pty()))[17:], to=CLIENT_NUMBER)
    wire.target(ask)
    wire.client(failure(TARGET_NUMBER))
    wire.target(channel_data(CLIENT_NUMBER, b"more than four"))
    assert wire.recorded(TargetData)[0].data == b"more than four"


def test_a_name_is_at_most_64_characters_long():
    with pytest.raises(RemoteProtocolError, match="64"):
        Wire().client(opening("x" * 65))


def test_who_uses_a_channel_number_twice_is_the_one_that_opens():
    wire = Wire().open_session()
    with pytest.raises(RemoteProtocolError, match="twice"):
        wire.client(opening("session"))


def test_a_notice_takes_room_that_is_kept_back_from_the_target():
    wire = Wire().open_session(window=100)
    wire.client(pty())
    (notice,) = wire.relay.notice("bye")
    shown = b"\r\nbye\r\n"
    assert payload_of(notice) == channel_data(CLIENT_NUMBER, shown)
    assert wire.recorded(NoticeShown)[0].text == "bye"
    out = wire.client(window_adjust(TARGET_NUMBER, 3), window_adjust(TARGET_NUMBER, 50))
    granted = [payload_of(body) for body in out.to[Side.TARGET]]
    assert granted == [window_adjust(TARGET_NUMBER, 53 - len(shown))]


def test_a_notice_never_overruns_the_clients_window():
    wire = Wire().open_session(window=4)
    wire.client(pty())
    (notice,) = wire.relay.notice("a long farewell")
    assert len(payload_of(notice)) == 1 + 4 + 4 + 4
    assert wire.relay.notice("more") == []


def test_what_is_still_open_is_closed_in_the_recording():
    wire = Wire().open_session()
    wire.client(channel_data(TARGET_NUMBER, b"x"))
    wire.relay.finish()
    assert [type(event) for event in wire.sink.events[-2:]] == [StreamDigested, ChannelClosed]


@pytest.mark.parametrize(
    "payload",
    [
        channel_data(99, b"x"),
        uint32(0)[:1] + b"",
        close(99),
        eof(99),
        success(TARGET_NUMBER),
        confirmation(recipient=99),
        bytes((Message.REQUEST_SUCCESS,)),
        bytes((Message.CHANNEL_REQUEST,)) + uint32(TARGET_NUMBER) + uint32(1000),
        channel_data(TARGET_NUMBER, b"abc") + b"trailing",
        channel_data(TARGET_NUMBER, b"abc")[:-1],
    ],
)
def test_a_client_that_breaks_the_protocol_is_named(payload: bytes):
    wire = Wire().open_session()
    with pytest.raises(RemoteProtocolError):
        wire.client(payload or b"\x00")


def test_a_channel_number_is_not_given_twice():
    wire = Wire().open_session()
    wire.client(opening("session", number=8))
    with pytest.raises(RemoteProtocolError, match="twice"):
        wire.target(confirmation(recipient=8, sender=TARGET_NUMBER))


def test_a_typed_line_is_decided_when_its_time_is_up():
    wire = Wire(mask_typed=True).open_session()
    wire.client(pty())
    wire.client(channel_data(TARGET_NUMBER, b"s3cret\r"))
    assert wire.relay.wants_tick
    wire.sink.now_ms = 10_000
    wire.relay.tick()
    assert not any(b"s3cret" in event.data for event in wire.recorded(ClientData))
    assert not wire.relay.wants_tick
