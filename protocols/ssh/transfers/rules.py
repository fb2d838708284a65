"""A secret's rules about files at work: what they say of one file that is to cross.

A path is judged by its name alone, without `.` and `..`: links on the target are not seen.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Final

from bus.command_rules import CommandRule, RuleAction
from bus.file_rules import EVERYTHING, Direction, FileRule, FileVerdict, glob_matcher
from protocols.ssh.commands.rules import MAX_TOLD, Found

_DRIVE = re.compile("[A-Za-z]:")
BOTH: Final = (Direction.UPLOAD, Direction.DOWNLOAD)


def whole_path(path: str, start: str | None) -> str | None:
    """Return `path` from `/`, or None where it is not known where it starts.

    So it is where targets differ: a NUL ends a path for some, and Windows takes a backslash
    for a slash and begins anew at a drive.
    """
    if "\0" in path or "\\" in path or _DRIVE.match(path):
        return None
    if not path.startswith("/"):
        if start is None:
            return None
        path = f"{start}/{path}"
    return "/" + posixpath.normpath(path).lstrip("/")


class FileRules:
    """The rules of one secret. Raises `GlobError` where a glob is none."""

    def __init__(self, rules: Iterable[FileRule]) -> None:
        self._rules = [(rule, glob_matcher(rule.glob)) for rule in rules]

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return bool(self._rules)

    def name_paths(self, *directions: Direction) -> bool:
        """Say whether what crosses in one of the directions depends on its path."""
        return any(
            rule.glob != EVERYTHING and set(directions) & set(rule.directions)
            for rule, _ in self._rules
        )

    def permit(self, direction: Direction, path: str | None) -> bool:
        """Say whether a file may cross; of a `path` that is unknown: whatever it is."""
        return self._against(direction, path) is None

    def judge(self, direction: Direction, path: str | None, told: str) -> Found | None:
        """Return why a file may not cross, if it may not; `told` is what was asked for."""
        against = self._against(direction, path)
        if against is None:
            return None
        if against.verdict is FileVerdict.ALLOW:
            why = f"no rule of this secret allows this {direction}"
        else:
            why = f"rule {against.name} of this secret forbids this {direction}"
        if path is None and self.name_paths(direction):
            why += ", or may: its rules go by paths, and here they are not known"
        rule = CommandRule(name=against.name, pattern=against.glob, action=RuleAction.NOTICE)
        told = f"{direction} {told}"[:MAX_TOLD]
        return Found(RuleAction.NOTICE, (rule,), told, refused=f"refused: {told}: {why}")

    def _against(self, direction: Direction, path: str | None) -> FileRule | None:
        """Return what forbids it: a rule that refuses, or the first that allows others."""
        allowing, allowed = None, False
        for rule, matches in self._rules:
            if direction not in rule.directions:
                continue
            named = rule.glob == EVERYTHING or (path is not None and matches(path))
            if rule.verdict is FileVerdict.ALLOW:
                allowing, allowed = allowing or rule, allowed or named
            elif named or path is None:
                return rule
        return None if allowed else allowing
