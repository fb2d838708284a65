import time

import pytest

from bus.command_rules import CommandRule, RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.line_guard import HELD_LIMIT_BYTES
from protocols.ssh.commands.piped_guard import PipedGuard
from protocols.ssh.commands.rules import Rules


def guard_of(action: str = "notice") -> PipedGuard:
    rule = CommandRule(name="r", pattern=r"\bwipe\b", action=RuleAction(action))
    return PipedGuard(Rules([rule]))


@pytest.fixture
def guard() -> PipedGuard:
    """Holds what breaks its rule."""
    return guard_of("hold")


def commands(guard: PipedGuard) -> list[str]:
    return [found.command for found in guard.found]


def test_lines_go_on_once_they_are_whole():
    guard = guard_of()
    guard.typed(0, b"ls\nwi")
    assert guard.take() == b"ls\n"
    guard.typed(0, b"pe\npw")
    guard.finish(0)
    assert guard.take() == b"pw"
    assert guard.swallowed_bytes == len(b"wipe\n")


def test_lines_that_go_on_are_judged_as_one():
    guard = guard_of()
    guard.typed(0, b"wi\\\npe\nls\n")
    assert guard.take() == b"ls\n"
    assert guard.found[0].action is RuleAction.NOTICE


def test_a_line_of_windows_ends_where_the_shell_ends_it():
    guard = guard_of()
    guard.typed(0, b"true \\\r\nwipe\r\nls\r\n")
    assert guard.take() == b"true \\\r\nls\r\n"
    assert commands(guard) == ["wipe"]


def test_what_has_no_lines_is_not_held():
    guard = guard_of()
    guard.typed(0, b"x" * 100_000)
    assert len(guard.take()) == 100_000


def test_what_is_behind_a_line_that_waits_waits_with_it(guard: PipedGuard):
    guard.typed(0, b"ls\nwi\\\npe\npw")
    guard.typed(0, b"d\n")
    assert guard.take() == b"ls\n"
    assert guard.held is guard.found[0]
    guard.resolve(9, approved=True)
    assert guard.take() == b"wi\\\npe\npwd\n"
    assert guard.held is None
    assert guard.swallowed_bytes == 0


def test_a_denied_line_is_dropped_and_the_next_goes_on(guard: PipedGuard):
    guard.typed(0, b"wipe\nls\n")
    guard.resolve(9, approved=False)
    assert guard.take() == b"ls\n"
    assert guard.swallowed_bytes == len(b"wipe\n")


def test_each_line_waits_for_a_word_of_its_own(guard: PipedGuard):
    guard.typed(0, b"wipe a\nwipe a\nls\n")
    first = guard.held
    guard.resolve(9, approved=True)
    assert guard.take() == b"wipe a\n"
    assert guard.held is not None
    assert guard.held is not first
    guard.resolve(9, approved=False)
    assert guard.take() == b"ls\n"
    assert commands(guard) == ["wipe a", "wipe a"]


def test_the_end_judges_a_last_line_once_it_is_its_turn(guard: PipedGuard):
    guard.typed(0, b"wipe a\nwipe b")
    guard.finish(1)
    assert commands(guard) == ["wipe a"]
    guard.resolve(9, approved=True)
    assert commands(guard) == ["wipe a"]
    guard.finish(10)
    assert commands(guard) == ["wipe a", "wipe b"]
    assert guard.take() == b"wipe a\n"
    guard.resolve(11, approved=True)
    assert guard.take() == b"wipe b"


def test_a_line_that_waits_holds_up_only_so_much(guard: PipedGuard):
    guard.typed(0, b"wipe\n")
    guard.typed(0, b"x" * HELD_LIMIT_BYTES)
    with pytest.raises(RemoteProtocolError):
        guard.typed(0, b"x")


def test_lines_that_waited_are_judged_a_part_at_a_time(guard: PipedGuard):
    """Others share the loop: two million lines would have it for seconds."""
    lines = b"\n" * 2_000_000
    guard.typed(0, b"wipe\n" + lines)
    began = time.process_time()
    guard.resolve(9, approved=True)
    passed = guard.take()
    assert time.process_time() - began < 1
    assert guard.waits
    guard.finish(10)
    guard.tick(10)
    assert len(passed) < len(guard.take() + passed) < len(lines)


def test_long_lines_that_waited_are_judged_as_they_would_have_been(guard: PipedGuard):
    guard.typed(0, b"wipe\n" + b"x \\\n" * 100_000 + b"wipe\n" + b"y" * 100_000)
    guard.resolve(9, approved=True)
    while guard.waits:
        guard.tick(10)
    assert len(guard.found) == 2
    guard.resolve(11, approved=True)
    assert guard.take().endswith(b"wipe\n" + b"y" * 100_000)


@pytest.mark.parametrize("filler", [b" ", b" \\\n", b"a"])
def test_a_long_line_is_judged_as_one(filler: bytes):
    rule = CommandRule(name="r", pattern="wi.* pe", action=RuleAction.NOTICE)
    guard = PipedGuard(Rules([rule]))
    guard.typed(0, b"wi" + filler * 70_000)
    guard.typed(0, b" pe\n")
    while guard.waits:
        guard.tick(1)
    assert guard.found
    guard.typed(0, b"wi\n pe\n")
    assert len(guard.found) == 1, "these are two"


@pytest.mark.parametrize("line", [b"wiX\x08pe", b"show\rwipe x\rshow", b"wipX\x1b[D\x1b[3~e"])
def test_a_line_is_judged_as_appliances_take_it_that_edit_without_a_terminal(line: bytes):
    rule = CommandRule(name="r", pattern="^wipe", action=RuleAction.NOTICE)
    guard = PipedGuard(Rules([rule]))
    guard.typed(0, line + b"\n")
    assert guard.found


def test_nothing_runs_behind_a_line_that_ends_the_session():
    guard = guard_of("end")
    guard.typed(0, b"ls\nwipe\npwd\nid")
    guard.finish(1)
    assert guard.take() == b"ls\n"
    assert len(guard.found) == 1
