"""What an operator can say about the commands that a secret lets run."""

from typing import Annotated

from msgspec import Meta, Struct

from bus.command_rules import RuleAction, RuleName
from control.request import Request

_Text = Annotated[str, Meta(min_length=1, max_length=1000)]


class BlockCommand(Request, frozen=True, kw_only=True):
    """Put a rule on a secret's block list, or change it."""

    secret: str
    name: RuleName
    pattern: _Text
    """A regular expression (RE2), looked for anywhere in each line."""
    action: RuleAction = RuleAction.NOTICE


class AllowCommand(Request, frozen=True, kw_only=True):
    """Put an entry on a secret's menu, or change it: nothing else is run from then on."""

    secret: str
    name: RuleName
    command: _Text
    """With `$name` for parameters, and `$$` for a dollar sign."""


class ForgetCommand(Request, frozen=True, kw_only=True):
    """Take a rule or an entry away."""

    secret: str
    name: str


class ListCommands(Request, frozen=True, kw_only=True):
    """What a secret says about commands, by name."""

    secret: str


class SetBecome(Request, frozen=True, kw_only=True):
    """Have a secret's shells become another account, or no other any more."""

    secret: str
    command: str
    """`su - root`, `sudo -i`; empty: whoever logged on stays that."""
    with_secret: str | None = None
    """Whose password the command asks for; None: it asks for none."""


class ShowBecome(Request, frozen=True, kw_only=True):
    """Whom a secret's shells become."""

    secret: str


class BecomeSummary(Struct, frozen=True, kw_only=True):
    """Whom a secret's shells become."""

    secret: str
    command: str
    account: str
    """Empty where nobody becomes anybody."""
    with_secret: str | None


class CommandSummary(Struct, frozen=True, kw_only=True):
    """A rule of a block list, or an entry of a menu."""

    name: str
    action: str
    """`alert notice hold end` of a rule; `allow` of an entry."""
    text: str
    """The rule's pattern, or what the entry runs."""


CommandRequest = (
    BlockCommand | AllowCommand | ForgetCommand | ListCommands | SetBecome | ShowBecome
)
