import pytest

from bus.command_rules import CommandRule, RuleAction
from protocols.ssh.commands.guard import Guard
from protocols.ssh.commands.line_guard import LineGuard
from protocols.ssh.commands.piped_guard import PipedGuard
from protocols.ssh.commands.rules import Rules

WENT = {RuleAction.ALERT}


def guards_of(action: RuleAction) -> list[LineGuard]:
    """One of each kind, with a line that breaks a rule."""
    rules = Rules([CommandRule(name="r", pattern="wipe", action=action)])
    terminal, piped = Guard(rules, 80), PipedGuard(rules)
    terminal.shown(0, b"$ wipe")
    terminal.typed(1, b"wipe\r")
    piped.typed(1, b"wipe\n")
    return [terminal, piped]


@pytest.mark.parametrize("action", list(RuleAction))
def test_the_action_of_a_rule_decides_what_becomes_of_a_line(action: RuleAction):
    for guard in guards_of(action):
        guard.tick(5000)
        assert guard.take().endswith((b"\r", b"\n")) == (action in WENT)
        assert (guard.held is not None) == (action is RuleAction.HOLD)
        assert [found.action for found in guard.found] == [action]


def test_a_word_about_nothing_changes_nothing():
    for guard in guards_of(RuleAction.NOTICE):
        guard.tick(5000)
        guard.take()
        swallowed_bytes = guard.swallowed_bytes
        guard.resolve(5001, approved=True)
        assert guard.take() == b""
        assert guard.swallowed_bytes == swallowed_bytes
