"""Guesses when a user types a password, to keep those keys out of the recording. Sans-io.

Nothing in RDP says that a field hides what is typed. But some keys bring up a screen that
asks for a password: the one that locks the desktop, the secure attention, the one that starts
a program as administrator. What is typed behind them is not kept, up to the Enter or Escape
that answers the screen, or until nobody answered it for a while.

And a target says when a logon has failed, and in one way or another when somebody is logged
on. What is typed between is not kept either: its logon screen is there, however it came.
"""

from collections.abc import Sequence
from typing import Final

from protocols.rdp.wire.keys import EXTENDED, NO_SCAN_CODE, KeyMove

LIKELY_MS: Final = 120_000
"""Windows takes such a screen away after two minutes."""
_SHIFT: Final = frozenset({0x2A, 0x36})
_CONTROL: Final = frozenset({0x1D, 0x1D | EXTENDED})
_ALT: Final = frozenset({0x38, 0x38 | EXTENDED})
_WINDOWS: Final = frozenset({0x5B | EXTENDED, 0x5C | EXTENDED})
_MODIFIERS: Final = _SHIFT | _CONTROL | _ALT | _WINDOWS
_ENTER: Final = frozenset({0x1C, 0x1C | EXTENDED})
_ESCAPE: Final = 0x01
_L: Final = 0x26
_DELETE: Final = frozenset({0x53, 0x53 | EXTENDED})
_END: Final = frozenset({0x4F, 0x4F | EXTENDED})
"""Clients send it for Delete, which the user's own machine would take."""


class TypedSecrets:
    """Follows one session's keys."""

    def __init__(self) -> None:
        self._down: set[int] = set()
        self._unseen: set[int] = set()
        """Keys that went down hidden, and are to come up so."""
        self._until_ms = -1
        """A screen is likely, and what is typed is hidden once no modifier is down."""
        self._hiding = False
        self._answered = False
        self._logon_expected = False
        self._logon_until_ms: int | None = None
        """From the first key on: somebody who waits has typed no password."""
        self.hidden = False
        """Whether the last keys were the first of their screen that were hidden."""

    def logon_expected(self) -> None:
        """Hide keys until `logged_on`, or for as long as such a screen is likely."""
        self._logon_expected, self._logon_until_ms = True, None

    def logged_on(self) -> None:
        """Take it that the target shows no logon screen any more."""
        self._logon_expected = False

    def hides(self, keys: Sequence[KeyMove], at_ms: int) -> bool:
        """Take the keys of one packet; say whether it must not be kept."""
        was_hiding, hides = self._hiding, False
        for key in keys:
            hides |= self._take(key, at_ms)
        if self._logon_expected and not all(key.released for key in keys):
            was_hiding = self._logon_until_ms is not None
            hides |= self._on_logon_screen(at_ms)
        self.hidden = hides and not was_hiding
        return self._with_releases(keys, hides=hides)

    def _with_releases(self, keys: Sequence[KeyMove], *, hides: bool) -> bool:
        """Hide what comes up of the keys whose going down was hidden, and only that.

        Clients let go of keys that nobody pressed, beside the state of the locks, whenever
        their window is given the keyboard: without that no reader knows of Caps Lock.
        """
        for key in keys:
            if key.released:
                hides |= key.code in self._unseen
        for key in keys:
            if not key.released and hides:
                self._unseen.add(key.code)
            elif key.code != NO_SCAN_CODE or not key.released:
                self._unseen.discard(key.code)
        return hides

    def _on_logon_screen(self, at_ms: int) -> bool:
        if self._logon_until_ms is None:
            self._logon_until_ms = at_ms + LIKELY_MS
        self._logon_expected = at_ms <= self._logon_until_ms
        return self._logon_expected

    def _take(self, key: KeyMove, at_ms: int) -> bool:
        if self._hiding and at_ms > self._until_ms:
            self._hiding = False
        if self._hiding:
            return self._hide(key)
        modifiers = self._down & _MODIFIERS
        if at_ms <= self._until_ms and not modifiers and key.code not in _MODIFIERS:
            # The key of the chord itself may come up behind its modifiers.
            self._hiding = not key.released
            return self._hiding and self._hide(key)
        if key.released:
            self._down.discard(key.code)
        elif key.code in _MODIFIERS:
            self._down.add(key.code)
        elif self._asks(key.code):
            self._until_ms, self._answered = at_ms + LIKELY_MS, False
        return False

    def _hide(self, key: KeyMove) -> bool:
        is_answer = key.code in _ENTER or key.code == _ESCAPE
        if is_answer and key.released and self._answered:
            self._hiding, self._until_ms = False, -1
        elif is_answer and not key.released:
            self._answered = True
        return not key.released

    def _asks(self, code: int) -> bool:
        """Say whether this key, with what is held down, brings up such a screen."""
        down = self._down
        if code == _L:
            return bool(down & _WINDOWS)
        if code in _DELETE | _END:
            return bool(down & _CONTROL and down & _ALT)
        return code in _ENTER and bool(down & _CONTROL and down & _SHIFT)
