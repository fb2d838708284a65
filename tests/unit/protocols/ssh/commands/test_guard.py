import time

import pytest

from bus.command_rules import CommandRule, RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands import guard as guards
from protocols.ssh.commands.guard import Guard
from protocols.ssh.commands.line_guard import HELD_LIMIT_BYTES
from protocols.ssh.commands.rules import HIDDEN, Rules


def rules(action: str = "notice") -> Rules:
    return Rules([CommandRule(name="r", pattern=r"\bwipe\b", action=RuleAction(action))])


@pytest.fixture
def guard() -> Guard:
    made = Guard(rules(), 80)
    made.shown(0, b"$ ")
    return made


def echoed(guard: Guard, at_ms: int, text: bytes) -> None:
    guard.typed(at_ms, text)
    guard.shown(at_ms + 1, text)


def test_text_goes_on_at_once_and_its_enter_once_it_was_echoed(guard: Guard):
    guard.typed(1, b"ls")
    assert guard.take() == b"ls"
    guard.typed(2, b"\r")
    assert guard.take() == b""
    assert guard.waits
    guard.shown(3, b"ls")
    assert guard.take() == b"\r"
    assert not guard.waits


def test_an_enter_behind_its_echo_waits_for_nothing(guard: Guard):
    echoed(guard, 1, b"ls")
    guard.typed(5, b"\r")
    assert guard.take() == b"ls\r"


def test_a_line_that_breaks_a_rule_is_interrupted_and_told(guard: Guard):
    echoed(guard, 1, b"wipe it")
    guard.typed(5, b"\rls\r")
    assert guard.take() == b"wipe it\x03"
    assert [found.command for found in guard.found] == ["wipe it"]
    assert guard.swallowed_bytes == len(b"\rls\r") - 1


def test_a_line_that_was_recalled_is_read_off_the_screen(guard: Guard):
    guard.typed(1, b"\x1b[A\r")
    assert guard.take() == b"\x1b[A"
    guard.shown(50, b"wipe it")
    guard.tick(100)
    assert guard.take() == b""
    guard.tick(50 + guards.QUIET_MS)
    assert guard.take() == b"\x03"
    assert guard.found[0].command == "wipe it"


def test_a_recall_that_shows_nothing_waits_for_a_while_only(guard: Guard):
    guard.typed(1, b"\x1b[A\r")
    guard.tick(guards.LIMIT_MS)
    assert guard.take() == b"\x1b[A"
    guard.tick(1 + guards.LIMIT_MS)
    assert guard.take() == b"\r"


def test_a_line_that_is_not_echoed_is_judged_and_not_told(guard: Guard):
    guard.shown(1, b"\r\nPassword: ")
    guard.typed(2, b"wipe\r")
    guard.tick(2 + guards.UNECHOED_MS)
    assert guard.take() == b"wipe\x03"
    assert guard.found[0].command == HIDDEN


def test_a_target_that_shows_more_than_was_typed_is_believed(guard: Guard):
    """A key can be bound to anything."""
    echoed(guard, 1, b"l")
    guard.typed(2, b"s")
    guard.shown(3, b"; wipe; s")
    guard.typed(9, b"\r")
    guard.tick(9 + guards.UNECHOED_MS)
    assert guard.take() == b"ls\x03"


def test_a_line_that_goes_on_is_judged_as_one(guard: Guard):
    echoed(guard, 1, b"wi\\")
    guard.typed(3, b"\r")
    guard.shown(4, b"\r\n> ")
    echoed(guard, 5, b"pe")
    guard.typed(9, b"\r")
    assert guard.take() == b"wi\\\rpe\x03"


def test_a_paste_is_judged_line_by_line_without_its_echo(guard: Guard):
    guard.typed(1, b"\x1b[200~ls\rwipe\rpwd\r\x1b[201~")
    assert guard.take() == b"\x1b[200~ls\rwipe\x03"
    assert guard.found[0].command.endswith("wipe")


def test_nothing_is_awaited_where_a_program_has_the_screen(guard: Guard):
    guard.shown(1, b"\x1b[?1049h")
    guard.typed(2, b"jjj\r")
    assert guard.take() == b"jjj\r"
    guard.typed(3, b":!wipe\r")
    assert guard.take() == b":!wipe\x03"


def test_what_took_no_notice_of_an_interrupt_is_judged_again(guard: Guard):
    echoed(guard, 1, b"wipe")
    guard.typed(5, b"\r")
    guard.take()
    guard.shown(6, b"^C")
    guard.typed(9, b"\r")
    guard.tick(9 + guards.LIMIT_MS)
    assert guard.take() == b"\x03"
    assert len(guard.found) == 2


@pytest.mark.parametrize(("decision", "passed"), [("yes", b"\rls\r"), ("no", b"\x03")])
def test_what_is_held_goes_on_as_somebody_decides(decision: str, passed: bytes):
    guard = Guard(rules("hold"), 80)
    guard.shown(0, b"$ ")
    echoed(guard, 1, b"wipe")
    guard.typed(5, b"\rls\r")
    assert guard.take() == b"wipe"
    assert guard.held
    assert not guard.waits
    guard.resolve(99, approved=decision == "yes")
    guard.tick(99 + guards.UNECHOED_MS)
    assert guard.take() == passed


def test_whoever_waits_can_give_it_up():
    guard = Guard(rules("hold"), 80)
    guard.shown(0, b"$ ")
    echoed(guard, 1, b"wipe")
    guard.typed(5, b"\r")
    guard.typed(6, b"x\x03")
    assert guard.take() == b"wipe\x03"
    assert guard.held is None
    assert guard.swallowed_bytes == len(b"\rx\x03") - len(b"\x03")


def test_a_line_holds_up_only_so_much(guard: Guard):
    guard.typed(1, b"ls\r")
    with pytest.raises(RemoteProtocolError):
        guard.typed(2, b"x" * (HELD_LIMIT_BYTES + 1))


def test_the_end_of_all_keys_hurries_no_verdict(guard: Guard):
    guard.typed(1, b"wipe\r")
    guard.finish(2)
    assert guard.take() == b"wipe"
    guard.tick(1 + guards.UNECHOED_MS)
    assert guard.take() == b"\x03"


def test_a_right_prompt_and_a_suggestion_are_nothing_that_was_typed(guard: Guard):
    guard.shown(1, b"\x1b[40G12:00\r$ \x1b[2C\b\b")
    guard.typed(2, b"ls")
    guard.shown(3, b"ls wipe\x1b[5D")
    guard.typed(9, b"\r")
    assert guard.take() == b"ls\r"


def test_judging_takes_little_time_whatever_is_on_the_screen():
    many = [
        CommandRule(name=f"r{n}", pattern=f"(a|b)*{n}x", action=RuleAction.END)
        for n in range(200)
    ]
    guard = Guard(Rules(many), 80)
    guard.shown(0, b"a: " * 5000)
    begun = time.process_time()
    guard.typed(1, b"\x1b[200~" + b"b\r" * 100 + b"\x1b[201~\x1b[A\r")
    guard.tick(guards.LIMIT_MS + 1)
    assert time.process_time() - begun < 3
    assert guard.take().endswith(b"\x1b[A\r")


def refused(guard: Guard, at_ms: int = 10_000) -> bool:
    guard.tick(at_ms)
    return bool(guard.found)


@pytest.mark.parametrize(
    "key", [b"\x04", b"\x0f", b"\x1b#", b"\x18\x05", b"\x18e", b"\x1ba", b"\x1b[13u"]
)
@pytest.mark.parametrize("paste", [b"", b"\x1b[200~"])
def test_nothing_but_a_judged_line_is_run_by_a_lesser_known_key(
    guard: Guard, key: bytes, paste: bytes
):
    guard.typed(1, paste + b"wipe" + key)
    assert refused(guard)
    assert guard.take() == paste + b"wipe" + key[:-1] + b"\x03"


def test_a_comment_is_judged_as_what_it_could_become():
    guard = Guard(Rules([CommandRule(name="r", pattern="^wipe", action=RuleAction.NOTICE)]), 80)
    guard.shown(0, b"$ ")
    guard.typed(1, b"#wipe\x1b1\x1b#")
    assert refused(guard)


def test_a_key_that_ran_nothing_has_not_ended_the_line(guard: Guard):
    echoed(guard, 1, b"wip")
    guard.typed(3, b"\x04e\r")
    assert refused(guard)


def test_what_is_recalled_behind_a_line_that_was_run_is_judged(guard: Guard):
    echoed(guard, 1, b"ls")
    guard.typed(5, b"\x0f")
    assert guard.take() == b"ls\x0f"
    guard.shown(6, b"\r\n$ wipe")
    guard.typed(7, b"\r")
    assert refused(guard)


@pytest.mark.parametrize("prompt", [b"$ ", b"", b"ls"])
@pytest.mark.parametrize("line", [b"wipe \x01\x0bls", b"wipe \x15ls", b"wipXe\x1b[D\x7f"])
@pytest.mark.parametrize("begins", [b"\x1b[?1049h", b"\r\n"])
def test_keys_are_judged_as_text_where_no_line_editor_shows_that_it_took_them(
    line: bytes, prompt: bytes, begins: bytes
):
    guard = Guard(rules(), 80)
    guard.shown(0, begins + prompt)
    guard.typed(1, line + b"\r")
    assert refused(guard)


def test_a_line_that_was_edited_is_judged_by_what_is_left_of_it(guard: Guard):
    guard.typed(1, b"wipe\x15ls")
    guard.shown(2, b"wipe\b\b\b\b\x1b[Kls")
    guard.typed(3, b"\r")
    assert guard.take() == b"wipe\x15ls\r"
    assert not guard.found


def test_a_long_line_is_judged_to_its_end(guard: Guard):
    guard.typed(1, b": " + b"a" * 20_000 + b"; wipe; " + b"a" * 20_000 + b"\r")
    assert refused(guard)


def test_a_line_beyond_measure_is_not_run(guard: Guard):
    guard.typed(1, b"a" * 70_000 + b"\r")
    assert refused(guard)
    assert "characters" in guard.found[0].refusal


def test_a_line_that_goes_on_and_on_is_judged_as_one():
    guard = Guard(Rules([CommandRule(name="r", pattern=r"wi\s+pe", action=RuleAction.END)]), 80)
    guard.shown(0, b"$ ")
    guard.typed(1, b"wi\\\r" + b"          \\\r" * 1000 + b"pe\r")
    for at_ms in range(0, 2000 * guards.UNECHOED_MS, guards.UNECHOED_MS):
        guard.tick(at_ms)
    assert guard.found


def test_a_long_paste_is_judged_to_its_end(guard: Guard):
    guard.typed(1, b"\x1b[200~" + b"ls -l\r" * 3000 + b"wipe\r\x1b[201~")
    assert refused(guard)


def test_what_is_told_of_is_never_nothing(guard: Guard):
    echoed(guard, 1, b"wipe")
    guard.typed(3, b"\x01\x0b")
    guard.shown(4, b"^A^K")
    guard.typed(5, b"\r")
    assert refused(guard)
    assert guard.found[0].command == "wipe^A^K"


def test_what_is_told_of_is_what_breaks_the_rule():
    guard = Guard(rules(), 80)
    guard.shown(0, b"\r\n")
    echoed(guard, 1, b"wipe")
    guard.typed(3, b"\x01\x0b")
    guard.shown(4, b"^A^K")
    echoed(guard, 5, b"ls")
    guard.typed(9, b"\r")
    assert refused(guard)
    assert "wipe" in guard.found[0].command
