"""A command that waits for somebody's word: what came behind it waits with it, in order."""

import pytest
from samples.ssh_packets import (
    CLIENT_NUMBER,
    TARGET_NUMBER,
    Wire,
    close,
    confirmation,
    eof,
    execute,
    opening,
    pty,
    request,
    success,
)

from bus.command_rules import CommandControl, CommandRule, MenuEntry, RuleAction
from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.errors import RemoteProtocolError
from protocols.ssh.channels import Limits, Out, Side
from protocols.ssh.commands.guard import HELD_LIMIT_BYTES
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
from protocols.ssh.withholding_relay import parts
from recorder.events import (
    ChannelRequested,
    ClientData,
    CommandMatched,
    RequestRefused,
    StreamDigested,
)
from recorder.session_info import RecordingTerms

HOLD = CommandRule(name="ask", pattern="restart", action=RuleAction.HOLD)
RULES = CommandControl(rules=(HOLD,))
ENV = request("env", string(b"LANG") + string(b"C"), reply=False)
DATA = channel_data(TARGET_NUMBER, b"one\ntwo\n")
SIGNAL = request("signal", string(b"INT"), reply=False)


class Held:
    """A session and the command that waits on it."""

    def __init__(self, control: CommandControl = RULES, asked: bytes | None = None) -> None:
        policy = GuardedPolicy(frozenset({"shell", "exec"}), control)
        terms = RecordingTerms(mask_typed=False)
        self.wire = Wire()
        self.relay = GuardedRelay(policy, control, terms, Limits(), self.wire.sink)
        self.wire.relay = self.relay
        self.wire.open_session()
        self.asked = asked or execute("restart it")

    def begin(self, *behind: bytes) -> Out:
        out = self.wire.client(self.asked, *behind)
        [(self.channel, self.found)] = self.relay.take_found()
        return out

    def decide(self, *, approved: bool, said: str = "denied by bob") -> list[list[bytes]]:
        out = self.relay.resolve(self.channel, self.found, approved=approved, said=said)
        return list(out.to)


def payloads(bodies: list[bytes]) -> list[bytes]:
    return [payload_of(body) for body in bodies]


def kinds(bodies: list[bytes]) -> list[int]:
    return [payload[0] for payload in payloads(bodies)]


def said(bodies: list[bytes]) -> str:
    errors = [p for p in payloads(bodies) if p[0] == Message.CHANNEL_EXTENDED_DATA]
    return b"".join(Reader(p, 9).string() for p in errors).decode()


def test_the_target_hears_nothing_and_the_user_why():
    held = Held()
    out = held.begin(ENV, DATA, SIGNAL, eof(TARGET_NUMBER))
    assert out.to[Side.TARGET] == []
    assert "waits until somebody else approves it, for an hour" in said(out.to[Side.CLIENT])
    assert held.relay.holds(held.channel, held.found)
    assert held.wire.client(DATA).to[Side.TARGET] == []
    [matched] = held.wire.recorded(CommandMatched)
    assert (matched.outcome, matched.command) == ("waits", "restart it")
    assert held.wire.recorded(ChannelRequested) == []


def test_once_approved_all_of_it_goes_on_in_order():
    held = Held()
    held.begin(ENV, DATA)
    held.wire.client(SIGNAL, eof(TARGET_NUMBER))
    to_target = held.decide(approved=True)[Side.TARGET]
    assert payloads(to_target) == [held.asked, ENV, DATA, SIGNAL, eof(TARGET_NUMBER)]
    assert held.wire.recorded(ChannelRequested)[0].request == "exec"
    assert b"".join(each.data for each in held.wire.recorded(ClientData)) == b"one\ntwo\n"
    answered = held.wire.target(success(CLIENT_NUMBER))
    assert payloads(answered.to[Side.CLIENT]) == [success(CLIENT_NUMBER)]
    assert payloads(held.wire.client(DATA).to[Side.TARGET]) == [DATA]
    assert not held.relay.holds(held.channel, held.found)


def test_what_is_not_approved_ends_with_a_reason_and_a_status():
    held = Held()
    held.begin(DATA, eof(TARGET_NUMBER))
    to_client, to_target = held.decide(approved=False)
    assert kinds(to_target) == [Message.CHANNEL_CLOSE]
    assert kinds(to_client) == [
        Message.CHANNEL_SUCCESS,
        Message.CHANNEL_EXTENDED_DATA,
        Message.CHANNEL_REQUEST,
        Message.CHANNEL_EOF,
        Message.CHANNEL_CLOSE,
    ]
    assert "proxyd: not run: denied by bob" in said(to_client)
    assert payload_of(to_client[2]).endswith((126).to_bytes(4, "big"))
    [refused] = held.wire.recorded(RequestRefused)
    assert refused.reason == "not run: denied by bob"
    # What came behind it is recorded, and reached nobody.
    assert b"".join(each.data for each in held.wire.recorded(ClientData)) == b"one\ntwo\n"
    assert held.wire.recorded(ChannelRequested) == []
    assert held.wire.client(DATA).to == ([], [])
    assert held.wire.target(close(CLIENT_NUMBER)).to == ([], [])


def test_who_closes_the_channel_gives_it_up():
    held = Held()
    held.begin(DATA)
    out = held.wire.client(close(TARGET_NUMBER))
    assert payloads(out.to[Side.TARGET]) == [close(TARGET_NUMBER)]
    assert not held.relay.holds(held.channel, held.found)
    assert held.decide(approved=True) == [[], []]
    [refused] = held.wire.recorded(RequestRefused)
    assert "given up" in refused.reason


def test_control_c_gives_it_up_on_a_terminal_and_is_data_elsewhere():
    held = Held()
    held.begin(channel_data(TARGET_NUMBER, b"a\x03b"))
    assert held.relay.holds(held.channel, held.found)
    typed = Held()
    typed.wire.client(pty())
    typed.begin()
    out = typed.wire.client(channel_data(TARGET_NUMBER, b"\x03"))
    assert kinds(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    assert Message.CHANNEL_CLOSE in kinds(out.to[Side.CLIENT])
    assert not typed.relay.holds(typed.channel, typed.found)


def lent() -> Held:
    """One on a terminal, whose target grants no room before something runs."""
    held = Held()
    held.wire.client(opening("session", number=CLIENT_NUMBER + 1))
    held.wire.target(confirmation(CLIENT_NUMBER + 1, TARGET_NUMBER + 1, window=0))
    held.wire.client(pty(to=TARGET_NUMBER + 1))
    held.asked = request("exec", string(b"restart it"), to=TARGET_NUMBER + 1)
    out = held.begin()
    assert payloads(out.to[Side.CLIENT])[0] == window_adjust(CLIENT_NUMBER + 1, 1024)
    return held


def test_whoever_has_no_room_is_lent_some_to_give_it_up():
    held = lent()
    out = held.wire.client(channel_data(TARGET_NUMBER + 1, b"\x03"))
    assert kinds(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]


def test_what_came_by_lent_room_goes_on_when_the_target_has_granted_as_much():
    held, typed = lent(), channel_data(TARGET_NUMBER + 1, b"early\x03")
    held.wire.client(channel_data(TARGET_NUMBER + 1, b"early"))
    assert payloads(held.decide(approved=True)[Side.TARGET]) == [held.asked]
    # It is asked for by now: control-C is the program's.
    assert held.wire.client(channel_data(TARGET_NUMBER + 1, b"\x03")).to == ([], [])
    few = held.wire.target(window_adjust(CLIENT_NUMBER + 1, 1000))
    assert few.to == ([], [])
    more = held.wire.target(window_adjust(CLIENT_NUMBER + 1, 2000))
    assert payloads(more.to[Side.TARGET]) == [typed]
    assert payloads(more.to[Side.CLIENT]) == [window_adjust(CLIENT_NUMBER + 1, 3000 - 1024)]
    late = channel_data(TARGET_NUMBER + 1, b"late")
    assert payloads(held.wire.client(late).to[Side.TARGET]) == [late]


def test_what_came_by_lent_room_is_recorded_where_the_target_never_granted_it():
    held = lent()
    held.wire.client(channel_data(TARGET_NUMBER + 1, b"early"))
    held.decide(approved=True)
    held.relay.finish()
    assert held.wire.recorded(RequestRefused) == []
    assert [each.data for each in held.wire.recorded(ClientData)] == [b"early"]


def test_a_session_that_ends_leaves_no_command_undecided_in_its_recording():
    held = Held()
    held.begin(DATA)
    held.relay.finish()
    [refused] = held.wire.recorded(RequestRefused)
    assert "the session has ended" in refused.reason
    assert held.wire.recorded(StreamDigested)[0].size_bytes == 8


def test_room_for_the_target_and_other_channels_go_on_meanwhile():
    held = Held()
    held.wire.client(opening("session", number=CLIENT_NUMBER + 1))
    held.wire.target(confirmation(CLIENT_NUMBER + 1, TARGET_NUMBER + 1))
    other = request("exec", string(b"id"), to=TARGET_NUMBER + 1)
    out = held.begin(window_adjust(TARGET_NUMBER, 5_000), other)
    passed = [Message.CHANNEL_WINDOW_ADJUST, Message.CHANNEL_REQUEST]
    assert kinds(out.to[Side.TARGET]) == passed


def test_small_packets_are_kept_as_what_they_say():
    held = Held()
    held.begin()
    for _ in range(100):
        held.wire.client(channel_data(TARGET_NUMBER, b"x"))
    to_target = held.decide(approved=True)[Side.TARGET]
    assert payloads(to_target)[1:] == [channel_data(TARGET_NUMBER, b"x" * 100)]


def test_a_command_holds_up_only_so_much():
    held = Held()
    held.begin()
    much = channel_data(TARGET_NUMBER, bytes(HELD_LIMIT_BYTES // 2))
    held.wire.client(much, much)
    with pytest.raises(RemoteProtocolError, match="more was sent"):
        held.wire.client(DATA)


def test_what_a_menu_stands_for_may_wait_as_well():
    menu = CommandControl(
        rules=(HOLD,), menu=(MenuEntry(name="again", command="restart $what"),)
    )
    held = Held(menu, execute("again nginx"))
    assert held.begin().to[Side.TARGET] == []
    assert payloads(held.decide(approved=True)[Side.TARGET]) == [execute("restart nginx")]


def test_what_is_refused_for_its_files_does_not_wait_for_a_word():
    files = CommandControl(
        rules=(HOLD,),
        files=(
            FileRule(
                name="none",
                verdict=FileVerdict.REFUSE,
                directions=(Direction.UPLOAD,),
                glob="**",
            ),
        ),
    )
    held = Held(files)
    out = held.wire.client(held.asked)
    assert kinds(out.to[Side.TARGET]) == [Message.CHANNEL_CLOSE]
    assert RuleAction.HOLD not in [found.action for _, found in held.relay.take_found()]


def test_a_word_about_one_line_is_not_one_about_the_next():
    held = Held()
    held.wire.client(pty(), request("shell"))
    held.wire.target(success(CLIENT_NUMBER), success(CLIENT_NUMBER))
    held.wire.target(channel_data(CLIENT_NUMBER, b"$ "))

    def enter(line: bytes) -> None:
        held.wire.client(channel_data(TARGET_NUMBER, line))
        held.wire.target(channel_data(CLIENT_NUMBER, line))
        held.wire.client(channel_data(TARGET_NUMBER, b"\r"))

    enter(b"restart this")
    [(channel, first)] = held.relay.take_found()
    held.wire.client(channel_data(TARGET_NUMBER, b"\x03"))
    held.wire.target(channel_data(CLIENT_NUMBER, b"^C\r\n$ "))
    enter(b"restart that")
    held.wire.sink.now_ms += 5000
    held.relay.pass_time()
    [(_, later)] = held.relay.take_found()
    assert held.relay.holds(channel, later)
    assert not held.relay.holds(channel, first)
    assert list(held.relay.resolve(channel, first, approved=True, said="").to) == [[], []]
    assert held.relay.holds(channel, later)


def test_a_burst_is_divided_behind_each_request():
    one, two = body_of(ENV), body_of(DATA)
    assert list(parts([two, one, two, one])) == [[two, one], [two, one]]
    assert list(parts([one, two])) == [[one], [two]]
    assert list(parts([])) == []
