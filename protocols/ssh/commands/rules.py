"""A block list at work: which rules a line breaks, and which of them decides."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, structs

from bus.command_rules import CommandRule, RuleAction, any_matcher, matcher

HIDDEN: Final = "(a line that was not echoed)"
MAX_TOLD: Final = 500
"""Characters of a command that are told of."""
_OUTCOMES: Final = {
    RuleAction.ALERT: "ran",
    RuleAction.NOTICE: "refused",
    RuleAction.HOLD: "waits",
    RuleAction.END: "ended",
}
_GRAVITY: Final = tuple(RuleAction)


class Found(Struct, frozen=True):
    """A line that breaks rules."""

    action: RuleAction
    """What the gravest of them wants."""
    rules: tuple[CommandRule, ...]
    """All of them, the gravest first."""
    command: str
    """The line, as far as it may be told of."""
    refused: str = ""
    """What the user reads, if not that a command was not run."""

    @property
    def outcome(self) -> str:
        """What becomes of it: `ran refused waits ended`."""
        return _OUTCOMES[self.action]

    @property
    def unheld(self) -> "Found":
        """What it is where nothing can wait: refused instead."""
        held = self.action is RuleAction.HOLD
        return structs.replace(self, action=RuleAction.NOTICE) if held else self

    @property
    def refusal(self) -> str:
        """Why it is not done, for whoever wanted it."""
        return self.refused or f"not run: rule {self.rules[0].name} of this secret forbids it"


class Rules:
    """The block list of one secret. Raises `PatternError` where a pattern is none."""

    def __init__(self, rules: Iterable[CommandRule]) -> None:
        self._rules = [(rule, matcher(rule.pattern)) for rule in rules]
        self._any = any_matcher([rule.pattern for rule, _ in self._rules])

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return bool(self._rules)

    def judge(self, lines: Iterable[str], told: str) -> Found | None:
        """Return what the lines break, which are readings of one command; None: nothing."""
        readings = list(filter(self._any, filter(None, set(lines)))) if self._rules else []
        if not readings:
            return None
        broken = [rule for rule, matches in self._rules if any(map(matches, readings))]
        broken.sort(key=lambda rule: _GRAVITY.index(rule.action), reverse=True)
        return Found(broken[0].action, tuple(broken), _told(told))

    def unknown(self, refused: str) -> Found | None:
        """Return what a line breaks that nobody can judge; None where no rule is graver."""
        grave = [rule for rule, _ in self._rules if rule.action is not RuleAction.ALERT]
        if not grave:
            return None
        return Found(RuleAction.NOTICE, tuple(grave[:1]), HIDDEN, refused)


def _told(text: str) -> str:
    """Cut what is told of, and say so: somebody may have to approve it."""
    if len(text) <= MAX_TOLD:
        return text
    more = f" [of {len(text)} characters]"
    return text[: MAX_TOLD - len(more)] + more
