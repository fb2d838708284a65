"""What may be run, on the wire: windows, ends of channels, and what is recorded first."""

import pytest
from samples.ssh_packets import (
    CLIENT_NUMBER,
    TARGET_NUMBER,
    Wire,
    close,
    eof,
    execute,
    failure,
    pty,
    request,
    success,
)

from bus.command_rules import CommandControl, CommandRule, MenuEntry, RuleAction
from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.errors import RemoteProtocolError
from protocols.ssh.becoming import QUIET_MS, SETTLED_MS, become
from protocols.ssh.channels import Limits, Out, Side
from protocols.ssh.commands.rules import Found
from protocols.ssh.guarded_policy import GuardedPolicy
from protocols.ssh.guarded_relay import GuardedRelay
from protocols.ssh.packets import (
    ChannelRequest,
    Message,
    Reader,
    Terminal,
    body_of,
    channel_data,
    channel_error_data,
    payload_of,
    string,
    uint32,
    window_adjust,
)
from recorder.events import (
    Became,
    ChannelRequested,
    ClientData,
    CommandMatched,
    RequestRefused,
    TargetData,
)
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


def test_nothing_passes_as_what_only_targets_send(shell: Wire):
    with pytest.raises(RemoteProtocolError, match="standard error from a client"):
        shell.client(channel_error_data(TARGET_NUMBER, b"wipe\r"))


@pytest.mark.parametrize("granted", [True, False])
def test_an_interrupt_ends_a_line_only_where_there_is_a_terminal(granted: bool):  # noqa: FBT001
    wire = guarded(RULES)
    wire.client(pty(), request("shell"))
    answer = success if granted else failure
    wire.target(answer(CLIENT_NUMBER), success(CLIENT_NUMBER))
    wire.client(channel_data(TARGET_NUMBER, b"wipe \x03\r"))
    wire.sink.now_ms = 5000
    wire.relay.pass_time()
    assert bool(wire.recorded(CommandMatched)) is not granted


@pytest.mark.parametrize(("name", "passes"), [(b"LC_ALL", True), (b"TERMINFO", False)])
def test_a_menu_takes_no_variable_that_names_files(name: bytes, passes: bool):  # noqa: FBT001
    sent = guarded(MENU).client(request("env", string(name) + string(b"x"), reply=False))
    assert bool(sent.to[Side.TARGET]) is passes


def test_an_end_does_not_overtake_a_held_line(shell: Wire):
    shell.client(channel_data(TARGET_NUMBER, b"ls\rid\r"))
    assert shell.client(eof(TARGET_NUMBER)).to[Side.TARGET] == []
    sent = [each for _ in range(2) for each in pass_time(shell, 5000)[Side.TARGET]]
    assert data_of(sent) == b"\rid\r"
    assert kinds_of(sent)[-1] is Message.CHANNEL_EOF
    with pytest.raises(RemoteProtocolError):
        shell.client(channel_data(TARGET_NUMBER, b"wipe\r"))


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


# --- a shell without a terminal, and somebody else's word


@pytest.fixture
def piped() -> Wire:
    rule = CommandRule(name="r", pattern="wipe", action=RuleAction.HOLD)
    wire = guarded(CommandControl(rules=(rule,)))
    wire.client(request("shell"))
    wire.target(success(CLIENT_NUMBER))
    return wire


def resolve(wire: Wire, found: Found, *, approved: bool) -> Out:
    assert isinstance(wire.relay, GuardedRelay)
    return wire.relay.resolve(0, found, approved=approved, said="denied by bob")


def held(wire: Wire) -> Found:
    """The line that somebody is to be asked about."""
    assert isinstance(wire.relay, GuardedRelay)
    [(channel, found)] = wire.relay.take_found()
    assert wire.relay.holds(channel, found)
    return found


def test_a_line_of_a_script_waits_and_so_does_all_behind_it(piped: Wire):
    out = piped.client(channel_data(TARGET_NUMBER, b"ls\nwipe\nid\n"))
    assert data_of(out.to[Side.TARGET]) == b"ls\n"
    assert b"waits until somebody else approves it" in b"".join(out.to[Side.CLIENT])
    out = piped.client(channel_data(TARGET_NUMBER, b"pwd"), eof(TARGET_NUMBER))
    assert out.to == ([], [])
    sent = resolve(piped, held(piped), approved=True).to[Side.TARGET]
    assert data_of(sent) == b"wipe\nid\npwd"
    assert kinds_of(sent)[-1] is Message.CHANNEL_EOF
    assert kinds_of(sent).count(Message.CHANNEL_EOF) == 1
    assert [each.outcome for each in piped.recorded(CommandMatched)] == ["waits"]


def test_the_end_of_a_script_waits_for_its_last_line(piped: Wire):
    assert piped.client(channel_data(TARGET_NUMBER, b"wipe"), eof(TARGET_NUMBER))
    found = held(piped)
    out = resolve(piped, found, approved=False)
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_EOF]
    assert b"not run: denied by bob" in b"".join(out.to[Side.CLIENT])
    assert body_of(window_adjust(CLIENT_NUMBER, len(b"wipe"))) in out.to[Side.CLIENT]


def test_a_word_about_one_line_of_a_script_is_none_about_the_next(piped: Wire):
    piped.client(channel_data(TARGET_NUMBER, b"wipe\nwipe\n"))
    first = held(piped)
    assert data_of(resolve(piped, first, approved=True).to[Side.TARGET]) == b"wipe\n"
    assert resolve(piped, first, approved=True).to == ([], [])
    second = held(piped)
    assert data_of(resolve(piped, second, approved=True).to[Side.TARGET]) == b"wipe\n"


def test_nobody_is_asked_for_a_client_that_has_closed(piped: Wire):
    piped.client(channel_data(TARGET_NUMBER, b"wipe\n"))
    found = held(piped)
    piped.client(close(TARGET_NUMBER))
    assert isinstance(piped.relay, GuardedRelay)
    assert not piped.relay.holds(0, found)
    assert resolve(piped, found, approved=True).to == ([], [])


# --- becoming somebody else

PASSWORD = b"canary-Tr0ub4dor-3"


def as_root(allowed: str = "shell", control: CommandControl = CommandControl()) -> Wire:  # noqa: B008
    """A session whose shells become root, with a terminal asked for."""
    wire = Wire()
    policy = GuardedPolicy(frozenset({allowed}), control, "su - root")
    terms = RecordingTerms(mask_typed=False)
    whom = become("su - root", PASSWORD.decode(), 10)
    wire.relay = GuardedRelay(policy, control, terms, Limits(), wire.sink, whom)
    wire.open_session()
    wire.client(pty())
    wire.target(success(CLIENT_NUMBER))
    return wire


def pass_time(wire: Wire, ms: int) -> list[list[bytes]]:
    wire.sink.now_ms += ms
    assert isinstance(wire.relay, GuardedRelay)
    return list(wire.relay.pass_time().to)


def asked_for_password() -> Wire:
    wire = as_root()
    out = wire.client(request("shell"))
    assert out.to[Side.TARGET] == [body_of(execute("su - root"))]
    wire.target(success(CLIENT_NUMBER), channel_data(CLIENT_NUMBER, b"Password: "))
    assert wire.relay.wants_tick
    return wire


def test_a_shell_becomes_another_account_and_nobody_sees_the_password():
    wire = asked_for_password()
    assert wire.client(channel_data(TARGET_NUMBER, b"id\r")).to[Side.TARGET] == []
    sent = pass_time(wire, QUIET_MS)
    assert data_of(sent[Side.TARGET]) == PASSWORD + b"\n"
    assert sent[Side.CLIENT] == []
    wire.target(channel_data(CLIENT_NUMBER, b"\r\nroot# "))
    assert data_of(pass_time(wire, SETTLED_MS)[Side.TARGET]) == b"id\r"
    [became] = wire.recorded(Became)
    assert (became.account, became.method) == ("root", "su - root")
    assert [each.detail for each in wire.recorded(ChannelRequested)] == [b"su - root"]
    assert b"".join(each.data for each in wire.recorded(ClientData)) == b"id\r"
    assert PASSWORD not in repr(wire.sink.events).encode()
    assert data_of(wire.client(channel_data(TARGET_NUMBER, b"ls\r")).to[Side.TARGET]) == b"ls\r"


def test_no_key_of_the_users_choice_tells_what_is_in_the_password():
    wire = as_root()
    interrupts, utf_8 = b"\x01" + uint32(ord("T")), b"\x2a" + uint32(1)
    asked = Terminal("xterm", 80, 24, interrupts + utf_8 + b"\0")
    [body] = wire.client(request("pty-req", asked.write())).to[Side.TARGET]
    assert Terminal.read(ChannelRequest.read(payload_of(body)).rest).modes == utf_8 + b"\0"


def test_rules_about_files_keep_nobody_from_becoming_another():
    rule = FileRule(
        name="f", verdict=FileVerdict.REFUSE, directions=(Direction.DOWNLOAD,), glob="**"
    )
    wire = as_root(control=CommandControl(files=(rule,)))
    wire.client(request("shell"))
    wire.target(success(CLIENT_NUMBER), channel_data(CLIENT_NUMBER, b"Password: "))
    assert data_of(pass_time(wire, QUIET_MS)[Side.TARGET]) == PASSWORD + b"\n"


def test_the_room_that_the_password_took_is_not_the_clients():
    wire = asked_for_password()
    pass_time(wire, QUIET_MS)
    owed_bytes = len(PASSWORD) + 1
    few = wire.target(window_adjust(CLIENT_NUMBER, 5))
    more = wire.target(window_adjust(CLIENT_NUMBER, 100))
    assert few.to[Side.CLIENT] == []
    assert more.to[Side.CLIENT] == [body_of(window_adjust(CLIENT_NUMBER, 105 - owed_bytes))]


def test_an_echoed_password_is_neither_shown_nor_recorded():
    wire = asked_for_password()
    pass_time(wire, QUIET_MS)
    out = wire.target(channel_data(CLIENT_NUMBER, PASSWORD[:5]))
    assert out.to[Side.CLIENT] == []
    out = wire.target(channel_data(CLIENT_NUMBER, PASSWORD[5:] + b"\r\nroot# "))
    assert b"root#" not in data_of(out.to[Side.CLIENT])
    assert b"the target showed the password" in data_of(out.to[Side.CLIENT])
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    shown = b"".join(each.data for each in wire.recorded(TargetData))
    assert shown == b"Password: "


def test_a_refusal_of_the_target_ends_the_channel_with_a_reason():
    wire = asked_for_password()
    pass_time(wire, QUIET_MS)
    ended = request("exit-status", bytes(4), to=CLIENT_NUMBER, reply=False)
    out = wire.target(
        channel_data(CLIENT_NUMBER, b"\r\nsu: Authentication failure\r\n"),
        eof(CLIENT_NUMBER),
        ended,
        close(CLIENT_NUMBER),
    )
    told = data_of(out.to[Side.CLIENT])
    assert told.index(b"Authentication failure") < told.index(b"`su - root` has ended")
    assert kinds_of(out.to[Side.CLIENT])[-3:] == [
        Message.CHANNEL_REQUEST,
        Message.CHANNEL_EOF,
        Message.CHANNEL_CLOSE,
    ]
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    assert wire.client(close(TARGET_NUMBER)).to == ([], [])


@pytest.mark.parametrize(
    "asked",
    [
        execute("id"),
        request("subsystem", string(b"sftp")),
        request("subsystem", string(b"su - root")),
    ],
)
def test_who_becomes_another_has_a_shell_and_nothing_else(asked: bytes):
    out = as_root().client(asked)
    assert kinds_of(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]


def test_becoming_another_needs_a_terminal_and_the_right_to_a_shell():
    wire = as_root("exec")
    assert kinds_of(wire.client(request("shell")).to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    bare = Wire()
    policy = GuardedPolicy(frozenset({"shell"}), CommandControl(), "su - root")
    whom = become("su - root", None, 10)
    bare.relay = GuardedRelay(
        policy, CommandControl(), RecordingTerms(), Limits(), bare.sink, whom
    )
    bare.open_session()
    out = bare.client(request("shell"))
    assert b"needs a terminal" in b"".join(out.to[Side.CLIENT])


def test_no_second_thing_is_started_on_the_channel():
    wire = asked_for_password()
    out = wire.client(execute("su - root"))
    assert Message.CHANNEL_CLOSE in kinds_of(out.to[Side.TARGET])
