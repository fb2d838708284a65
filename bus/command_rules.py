"""What a secret forbids to be run, and what alone it permits. It travels with the grant.

Patterns are RE2: matching takes time in proportion to the line, whoever wrote the pattern
and whoever types the line, because it is done while everybody else's keys wait.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import re2
from msgspec import Meta, Struct

from bus.file_rules import FileRule

MAX_PATTERN: Final = 1000
"""Characters of a pattern."""
_MEMORY_BYTES: Final = 1024 * 1024

RuleName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]


class RuleAction(enum.StrEnum):
    """What follows when a line matches. The later outweighs the earlier."""

    ALERT = "alert"
    """It runs, and whoever watches is told."""
    NOTICE = "notice"
    """It does not run, and the user is told why."""
    HOLD = "hold"
    """It waits until somebody else approves it."""
    END = "end"
    """It does not run, and the session is over."""


class CommandRule(Struct, frozen=True, kw_only=True):
    """One entry of a block list."""

    name: RuleName
    pattern: str
    action: RuleAction


class MenuEntry(Struct, frozen=True, kw_only=True):
    """One entry of a menu: see `bus.menu`."""

    name: RuleName
    command: str


class CommandControl(Struct, frozen=True, kw_only=True):
    """All that a secret says about commands and files.

    Where it has a menu, nothing else is run.
    """

    rules: tuple[CommandRule, ...] = ()
    menu: tuple[MenuEntry, ...] = ()
    files: tuple[FileRule, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether anything has to be judged at all."""
        return bool(self.rules or self.menu or self.files)


class PatternError(ValueError):
    """A pattern that is none. The message is for whoever wrote it."""


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a line holds `pattern` anywhere; raise `PatternError`."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"a pattern has at most {MAX_PATTERN} characters")
    return _compiled(pattern, _MEMORY_BYTES)


def any_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what says whether a line holds any of `patterns`, in one pass."""
    together = "|".join(f"(?:{pattern})" for pattern in patterns)
    try:
        return _compiled(together, _MEMORY_BYTES * 16)
    except PatternError:
        # Too much for one: then each by itself.
        each = [matcher(pattern) for pattern in patterns]
        return lambda line: any(matches(line) for matches in each)


def _compiled(pattern: str, memory_bytes: int) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory_bytes
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        why = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        raise PatternError(f"`{pattern}` is no regular expression (RE2): {why}") from error
    return lambda line: compiled.search(line) is not None
