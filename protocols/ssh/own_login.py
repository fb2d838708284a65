"""Somebody logs on with an account of his own: one question after the other.

Sans-io but for the questions to control, which are awaited.

INVARIANT: until all has been answered nothing is known, neither here nor to the client: what
is asked next never tells whether the answer before was right.
"""

import base64
import enum
from collections.abc import Sequence
from typing import Final, Protocol

from bus.names import OwnName, own_name
from bus.own_account import Asks, LogonContinues, UserValidated
from protocols.ssh.packets import Reader

Challenge = tuple[str, str, str, list[tuple[str, bool]]]
"""As asyncssh has it: name, instruction, language, and the prompts with whether they echo."""

UNREADABLE: Final = (
    "proxyd: a user name is yours, or yours and a secret's as in alice%web01: letters, "
    "digits, `.`, `_` and `-`. For any other secret log on with your name alone, and launch it."
)
_PROMPTS: Final = {
    Asks.PASSWORD: [("Password: ", False)],
    Asks.PIN: [("Pin Code: ", False)],
    Asks.NEW_PASSWORD: [("New password: ", False), ("New password again: ", False)],
}
_DIFFERENT: Final = "The two are not the same."

Judged = UserValidated | LogonContinues


class Account(Protocol):
    """Control, as a login asks it; each raises `AccessDeniedError` or `BusUnavailableError`."""

    async def password(self, user: str, password: str) -> Judged:
        """Judge a password."""
        ...

    async def offered(self, user: str, public_key: str) -> bool:
        """Say whether this may be a key of his."""
        ...

    async def key(self, user: str, public_key: str) -> Judged:
        """Judge a key that has signed."""
        ...

    async def answer(self, ticket: bytes, answer: str) -> Judged:
        """Judge the answer to what was asked last."""
        ...


class Outcome(enum.Enum):
    """What an answer leads to."""

    REFUSED = enum.auto()
    CONTINUES = enum.auto()
    COMPLETE = enum.auto()


class OwnLogon:
    """Somebody has logged on."""

    __slots__ = ("logon", "role", "secret", "user", "username")

    def __init__(self, username: str, name: OwnName, validated: UserValidated) -> None:
        self.username, self.secret = username, name.secret
        self.user, self.role, self.logon = validated.user, validated.role, validated.logon


class OwnLogin:
    """The login of one name on one connection."""

    def __init__(self, username: str, account: Account) -> None:
        self.username = username
        self.logon: OwnLogon | None = None
        self._name, self._account = own_name(username), account
        self._asked: LogonContinues | None = None
        self._behind_key = False
        self._instruction = ""

    @property
    def unreadable(self) -> bool:
        """Whether the name is none that can be."""
        return self._name is None

    @property
    def takes_keys(self) -> bool:
        """Whether a key is of use; one is enough."""
        return not self._behind_key

    async def offered(self, public_key: str) -> bool:
        """Say whether it is worth to sign with a key."""
        return self._name is not None and await self._account.offered(
            self._name.user, public_key
        )

    async def key(self, public_key: str) -> Outcome:
        """Take a key that has signed."""
        if self._name is None:
            return Outcome.REFUSED
        outcome = self._judged(await self._account.key(self._name.user, public_key))
        self._behind_key = outcome is Outcome.CONTINUES
        return outcome

    def begin(self) -> Challenge:
        """Return the first question; behind a key, what that has left to ask."""
        if not self._behind_key:
            self._asked = None
        return self.challenge()

    def challenge(self) -> Challenge:
        """Return the question that is to be answered now."""
        asks = self._asked.asks if self._asked else Asks.PASSWORD
        return "", self._instruction, "", _PROMPTS[asks]

    async def answered(self, answers: Sequence[str]) -> Outcome:
        """Take the answers to the question that was asked."""
        if self._name is None:
            return Outcome.REFUSED
        self._instruction = ""
        asked, self._behind_key = self._asked, False
        self._asked = None
        if asked is None:
            if len(answers) != 1:
                return Outcome.REFUSED
            return self._judged(await self._account.password(self._name.user, answers[0]))
        if len(answers) != len(_PROMPTS[asked.asks]):
            return Outcome.REFUSED
        if len(set(answers)) > 1:
            self._asked, self._instruction = asked, _DIFFERENT
            return Outcome.CONTINUES
        return self._judged(await self._account.answer(asked.ticket, answers[0]))

    def _judged(self, judged: Judged) -> Outcome:
        if isinstance(judged, LogonContinues):
            self._asked, self._instruction = judged, judged.detail
            return Outcome.CONTINUES
        if self._name is None:
            return Outcome.REFUSED
        self.logon = OwnLogon(self.username, self._name, judged)
        return Outcome.COMPLETE


def key_line(key_data: bytes) -> str:
    """Return a public key (RFC 4253 6.6) as one line, `ssh-ed25519 AAAA...`."""
    name = Reader(key_data).name()
    return f"{name} {base64.b64encode(key_data).decode()}"


async def nobody(_username: str, _public_key: str) -> Outcome:
    """Take nobody's key: what a leg does before it is told better."""
    return Outcome.REFUSED
