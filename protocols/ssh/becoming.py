"""From the account that logged on to another: the password typed for the user, unseen.

In place of the user's shell, the target is asked to run a command such as `su - root`, on the
terminal that the user asked for. When that asks for a password, it is given; when something
else follows, that is the user's.

    asked ── the prompt is there ── given ── a new row ── let in? ── became
                                                      └── asked again, ended, silent: failed

INVARIANT: the password goes to the target alone. What the target shows before it has read it
is held back, and dropped with the session if the password is in it: an echo is not passed on.
INVARIANT: nothing that the user types reaches the target before he has become the other.
"""

import enum
import re
from typing import Final

from msgspec import Struct

from bus.become import account_of
from config.redacted import Redacted
from recorder.escapes import visible

QUIET_MS: Final = 200
"""Some programs ask first and then stop the echo, and drop what was typed before."""
SETTLED_MS: Final = 500
"""A target that has shown something and then is silent for so long waits for a command."""
HELD_LIMIT_BYTES: Final = 1024 * 1024
"""Of what the user types meanwhile, and of what the target shows while it reads."""
_TAIL_BYTES: Final = 1024
_ASKS = re.compile(
    rb"(?i)(?:pass\s?(?:word|phrase|wd|code)|kennwort|passwort|contrase\xc3\xb1a|mot de passe"
    rb"|\xe5\xaf\x86\xe7\xa0\x81|senha|\bpin\b)[^\n]{0,80}(?::|\xef\xbc\x9a)\s*\Z"
)
_FAILS = re.compile(
    rb"(?i)failure|sorry|incorrect|denied|not in the sudoers|not allowed|does not exist|unknown"
    rb"|must be run from a terminal|not found"
)


class Become(Struct, frozen=True, kw_only=True):
    """Who a session's shells are to become."""

    command: str
    password: Redacted[str] | None
    """What the command asks for; None: nothing."""
    limit_ms: int
    """How long it may take."""

    @property
    def account(self) -> str:
        """Who that is."""
        return account_of(self.command)


def become(command: str, password: str | None, limit_s: float) -> Become | None:
    """Return what is to be done, if anything is."""
    if not command:
        return None
    given = Redacted(password) if password else None
    return Become(command=command, password=given, limit_ms=int(limit_s * 1000))


class State(enum.Enum):
    """How far somebody has come."""

    ASKED = enum.auto()
    GIVEN = enum.auto()
    LET_IN = enum.auto()
    BECAME = enum.auto()
    FAILED = enum.auto()


class Becoming:
    """One channel's."""

    def __init__(self, become: Become, at_ms: int) -> None:
        self._become = become
        self.state = State.ASKED if become.password else State.LET_IN
        self._began_ms = self._shown_ms = at_ms
        self._tail, self._held = b"", b""
        self._asked = False
        """Whether a prompt for the password is the last that was shown."""
        self._answered = False
        """Whether anything was shown since the password was read."""
        self._typed = bytearray()
        self.finished = False
        """Whether the user has said all."""
        self._due = b""
        self.told = False
        """Whether it was recorded that he has become the other."""
        self.owed_bytes = 0
        """What the target got from us: its room that the client does not have."""
        self.reason = ""
        """Why it failed, for the user."""

    @property
    def under_way(self) -> bool:
        """Whether it is not decided yet."""
        return self.state in {State.ASKED, State.GIVEN, State.LET_IN}

    def typed(self, data: bytes) -> None:
        """Keep what the user types until he has become the other; control-C gives up."""
        self._typed += data
        if b"\x03" in data:
            self._fail("given up")
        elif len(self._typed) > HELD_LIMIT_BYTES:
            self._fail("more was typed than can wait")

    def take_typed(self) -> bytes:
        """Return what was kept."""
        typed, self._typed = bytes(self._typed), bytearray()
        return typed

    def take_due(self) -> bytes:
        """Return what the target is to get now, and nobody else."""
        due, self._due = self._due, b""
        self.owed_bytes += len(due)
        return due

    def shown(self, at_ms: int, data: bytes) -> bytes:
        """Take what the target shows; return what of it the user may see."""
        self._shown_ms = at_ms
        if self.state is State.FAILED:
            return b""
        if self.state is State.GIVEN:
            return self._shown_while_reading(data)
        self._look(data)
        return data

    def ended(self) -> None:
        """Take it that the target ends the channel. What is held may be half a password."""
        self._held = b""
        self._fail(f"`{self._become.command}` has ended")

    def tick(self, at_ms: int) -> None:
        """Let time pass."""
        if self.state is State.ASKED and self._asked and at_ms - self._shown_ms >= QUIET_MS:
            self._give()
        settled = at_ms - self._shown_ms >= SETTLED_MS
        fails = _FAILS.search(visible(self._tail)) is not None
        if self.state is State.LET_IN and settled and self._answered and not fails:
            self.state = State.BECAME
        if self.under_way and at_ms - self._began_ms >= self._become.limit_ms:
            did = "asked for no password" if self.state is State.ASKED else "let nobody in"
            self._fail(
                f"`{self._become.command}` {did} within {self._become.limit_ms / 1000:g} s"
            )

    # --- inside

    def _look(self, data: bytes) -> None:
        """Find the prompt, or what comes instead of one."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        asks = _ASKS.search(visible(self._tail).rpartition(b"\n")[2])
        if self.state is State.LET_IN:
            self._answered |= bool(visible(data).strip())
            if asks:
                self._fail(
                    "the password was not accepted"
                    if self._become.password
                    else f"`{self._become.command}` asks for a password, and none is set"
                )
        self._asked = asks is not None

    def _give(self) -> None:
        if password := self._become.password:
            self.state, self._tail = State.GIVEN, b""
            # A terminal that reads lines takes this for Enter, whatever its other modes.
            self._due = password.reveal().encode() + b"\n"

    def _shown_while_reading(self, data: bytes) -> bytes:
        self._held += data
        if self._gives_away(self._held):
            self._held = b""
            self._fail("the target showed the password: change it")
            return b""
        if b"\n" not in self._held:
            if len(self._held) > HELD_LIMIT_BYTES:
                self._fail("the target shows more than a password takes to read")
            return b""
        held, self._held = self._held, b""
        self.state = State.LET_IN
        self._look(held.partition(b"\n")[2])
        return held

    def _gives_away(self, shown: bytes) -> bool:
        password = self._become.password
        return password is not None and password.reveal().encode() in shown

    def _fail(self, why: str) -> None:
        if self.under_way:
            self.state = State.FAILED
            self.reason = f"this secret becomes {self._become.account}, and that failed: {why}"
