"""What becomes of a line that was judged: it goes on, waits for somebody's word, or is dropped.

Which lines there are, and how one is dropped, says who extends it.

INVARIANT: nothing overtakes a line that waits.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from bus.command_rules import RuleAction
from protocols.ssh.commands.rules import Found, Rules

HELD_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""More than any target lets a client type ahead."""
_PASSES: Final = frozenset({None, RuleAction.ALERT})


class LineGuard(ABC):
    """One channel's."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._due = bytearray()
        self.held: Found | None = None
        """What waits for somebody's approval."""
        self.swallowed_bytes = 0
        """What the client sent and the target will not get, since somebody looked."""
        self.found: list[Found] = []
        """What was decided, since somebody looked."""

    def take(self) -> bytes:
        """Return what may go on to the target now."""
        due, self._due = bytes(self._due), bytearray()
        return due

    def take_answer(self) -> bytes:
        """Return nothing: the target answers for itself."""
        return b""

    def tick(self, at_ms: int) -> None:
        """Let time pass."""
        self._go_on(at_ms)

    def resolve(self, at_ms: int, *, approved: bool) -> None:
        """Let the line that waits for approval run, or not."""
        if self.held is None:
            return
        self.held = None
        if approved:
            self._release()
        else:
            self._give_up()
        self._go_on(at_ms)

    # --- for whoever extends it

    def _decide(self, readings: Iterable[str], told: str) -> None:
        """Judge the line that is next."""
        self._follow(self._rules.judge(readings, told))

    def _decide_unknown(self, refused: str) -> None:
        """Refuse the line that is next, which cannot be judged."""
        self._follow(self._rules.unknown(refused))

    def _follow(self, found: Found | None) -> None:
        if found:
            self.found.append(found)
        action = found.action if found else None
        if action in _PASSES:
            self._release()
        elif action is RuleAction.HOLD:
            self.held = found
        else:
            self._give_up()

    @abstractmethod
    def _release(self) -> None:
        """Let the line that was judged go on."""

    @abstractmethod
    def _give_up(self) -> None:
        """Drop the line that was judged."""

    @abstractmethod
    def _go_on(self, at_ms: int) -> None:
        """Judge what is behind it, as far as that can be."""
