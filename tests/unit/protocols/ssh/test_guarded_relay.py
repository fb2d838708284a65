"""What may be run, on the wire: windows, ends of channels, and what is recorded first."""

import pytest
from samples.ssh_packets import (
    CLIENT_NUMBER,
    TARGET_NUMBER,
    Wire,
    close,
    eof,
    execute,
    pty,
    request,
    success,
)

from bus.command_rules import CommandControl, CommandRule, MenuEntry, RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.channels import Limits, Side
from protocols.ssh.guarded_policy import GuardedPolicy
from protocols.ssh.guarded_relay import GuardedRelay
from protocols.ssh.packets import (
    Message,
    Reader,
    body_of,
    channel_data,
    payload_of,
    string,
    window_adjust,
)
from recorder.events import ClientData, CommandMatched, RequestRefused
from recorder.session_info import RecordingTerms

RULES = CommandControl(rules=(CommandRule(name="r", pattern="wipe", action=RuleAction.NOTICE),))
MENU = CommandControl(menu=(MenuEntry(name="say", command="echo $what"),))


def guarded(control: CommandControl) -> Wire:
    wire = Wire()
    policy = GuardedPolicy(frozenset({"shell", "exec", "local-forward"}), control)
    terms = RecordingTerms(mask_typed=False)
    wire.relay = GuardedRelay(policy, control, terms, Limits(), wire.sink)
    return wire.open_session()


@pytest.fixture
def shell() -> Wire:
    wire = guarded(RULES)
    wire.client(pty(), request("shell"))
    wire.target(success(CLIENT_NUMBER), success(CLIENT_NUMBER))
    wire.target(channel_data(CLIENT_NUMBER, b"$ "))
    return wire


def data_of(bodies: list[bytes]) -> bytes:
    payloads = [payload_of(body) for body in bodies]
    return b"".join(Reader(p, 5).string() for p in payloads if p[0] == Message.CHANNEL_DATA)


def kinds_of(bodies: list[bytes]) -> list[Message]:
    return [Message(payload_of(body)[0]) for body in bodies]


def test_what_breaks_a_rule_is_recorded_and_never_sent(shell: Wire):
    shell.client(channel_data(TARGET_NUMBER, b"wipe"))
    shell.target(channel_data(CLIENT_NUMBER, b"wipe"))
    out = shell.client(channel_data(TARGET_NUMBER, b"\rls\r"))
    assert data_of(out.to[Side.TARGET]) == b"\x03"
    assert b"not run: rule r" in data_of(out.to[Side.CLIENT])
    assert b"".join(each.data for each in shell.recorded(ClientData)) == b"wipe\rls\r"
    [matched] = shell.recorded(CommandMatched)
    assert (matched.rule, matched.outcome, matched.command) == ("r", "refused", "wipe")


def test_the_client_gets_back_the_room_of_what_was_never_sent(shell: Wire):
    shell.client(channel_data(TARGET_NUMBER, b"wipe"))
    shell.target(channel_data(CLIENT_NUMBER, b"wipe"))
    out = shell.client(channel_data(TARGET_NUMBER, b"\rls\r"))
    credit = body_of(window_adjust(CLIENT_NUMBER, len(b"\rls\r") - len(b"\x03")))
    assert credit in out.to[Side.CLIENT]


def test_nothing_is_sent_ahead_of_a_shell():
    wire = guarded(RULES)
    wire.client(pty())
    with pytest.raises(RemoteProtocolError):
        wire.client(channel_data(TARGET_NUMBER, b"wipe\r"))


def test_an_end_does_not_overtake_a_held_line(shell: Wire):
    shell.client(channel_data(TARGET_NUMBER, b"ls\r"))
    out = shell.client(eof(TARGET_NUMBER))
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_DATA, Message.CHANNEL_EOF]


def test_a_held_line_goes_on_with_time(shell: Wire):
    out = shell.client(channel_data(TARGET_NUMBER, b"ls\r"))
    assert data_of(out.to[Side.TARGET]) == b"ls"
    assert shell.relay.wants_tick
    shell.sink.now_ms = 5000
    assert isinstance(shell.relay, GuardedRelay)
    assert data_of(shell.relay.pass_time().to[Side.TARGET]) == b"\r"


def test_a_refused_command_ends_its_channel_in_both_names():
    wire = guarded(RULES)
    out = wire.client(execute("wipe"))
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    assert kinds_of(out.to[Side.CLIENT]) == [
        Message.CHANNEL_SUCCESS,
        Message.CHANNEL_EXTENDED_DATA,
        Message.CHANNEL_REQUEST,
        Message.CHANNEL_EOF,
        Message.CHANNEL_CLOSE,
    ]
    assert wire.recorded(RequestRefused)
    late = wire.client(channel_data(TARGET_NUMBER, b"x"), eof(TARGET_NUMBER))
    assert late.to == ([], [])
    assert wire.target(close(CLIENT_NUMBER)).to == ([], [])
    assert wire.client(close(TARGET_NUMBER)).to == ([], [])


def test_an_entry_of_the_menu_becomes_its_command_and_nothing_else_runs():
    wire = guarded(MENU)
    out = wire.client(execute("say hi"))
    assert out.to[Side.TARGET] == [body_of(execute("echo hi"))]
    for asked in (execute("echo hi"), request("shell"), request("subsystem", string(b"sftp"))):
        again = guarded(MENU).client(asked)
        assert kinds_of(again.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]


def test_a_menu_permits_no_variable_but_the_language():
    wire = guarded(MENU)
    passes = request("env", string(b"LC_ALL") + string(b"C"), reply=False)
    refused = request("env", string(b"BASH_ENV") + string(b"x"), reply=False)
    assert wire.client(passes, refused).to[Side.TARGET] == [body_of(passes)]
