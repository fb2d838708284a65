"""A command that waits runs once it is approved, and not in a session that is over."""

import uuid

import pytest

from bus.command_reports import CommandHeld
from bus.command_rules import CommandRule, RuleAction
from protocols.ssh.command_reports import CommandReports
from protocols.ssh.commands.rules import Found

HELD = Found(
    RuleAction.HOLD, (CommandRule(name="r", pattern="x", action=RuleAction.HOLD),), "x"
)


class Approving:
    """Approves at once, and is asked to; `ends` says whether the session ends meanwhile."""

    def __init__(self, *, ends: bool) -> None:
        self.over, self._ends = False, ends
        self.given_up: list[bool] = []
        self.resolved: list[bool] = []

    async def hold_command(self, *_asked: object, given_up: bool = False) -> CommandHeld:
        self.over = self._ends
        self.given_up.append(given_up)
        return CommandHeld(asked=uuid.uuid4(), approved=True, said="approved by bob")

    def holds(self, _channel: int, _found: Found) -> bool:
        return True

    def resolve(self, _channel: int, _found: Found, *, approved: bool, said: str) -> None:
        del said
        self.resolved.append(approved)


@pytest.mark.parametrize("ends", [False, True])
async def test_an_approval_that_comes_behind_the_end_runs_nothing(ends: bool):  # noqa: FBT001
    both = Approving(ends=ends)
    await CommandReports(both, None, lambda: both.over).wait(0, HELD, both)
    assert both.resolved == ([] if ends else [True])
    assert both.given_up == ([False, True] if ends else [False])
