"""What engines ask control for people who log on with their own account.

Whoever has logged on is known by a *logon*: control's word, for this engine alone, that he
is who he says. What he may do is looked up afresh at every request.
"""

import datetime as dt
import enum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from bus.command_rules import MenuEntry
from recorder.session_info import RecordingTerms

ShortText = Annotated[str, Meta(max_length=256)]
Page = Annotated[int, Meta(ge=1, le=1000)]


class Asks(enum.StrEnum):
    """What a logon is asked for next."""

    PASSWORD = "password"  # noqa: S105 - a question, not a password
    PIN = "pin"
    NEW_PASSWORD = "new_password"  # noqa: S105 - the same


class OfEngine(Struct, frozen=True, kw_only=True):
    """A request that says which engine asks, which is compared with who signed it."""

    engine_id: str
    site: str

    def __repr__(self) -> str:
        # What follows opens something, or is what somebody typed.
        return f"{type(self).__name__}(engine_id={self.engine_id!r}, <redacted>)"


class ValidateUser(OfEngine, frozen=True, kw_only=True, tag="validate_user"):
    """Engine to control: somebody says that he is this user."""

    username: str
    sealed_password: bytes
    """Sealed by `bus.sealed` to the key that came with `Alive`."""
    client_address: str


class ValidateKey(OfEngine, frozen=True, kw_only=True, tag="validate_key"):
    """Engine to control: somebody offers this key as that user's, or has signed with it."""

    username: str
    public_key: Annotated[str, Meta(max_length=16384)]
    """`ssh-ed25519 AAAA…`."""
    client_address: str
    signed: bool
    """Whether the engine has verified a signature. An offer is answered by `Done`, and
    decides nothing."""


class ContinueLogon(OfEngine, frozen=True, kw_only=True, tag="continue_logon"):
    """Engine to control: the answer to what `LogonContinues` asked."""

    ticket: Annotated[bytes, Meta(max_length=4096)]
    sealed_answer: bytes
    """Sealed as a password is, for `answer_info(ticket)`."""
    client_address: str


class LogonContinues(Struct, frozen=True, kw_only=True, tag="logon_continues"):
    """Control to engine: one thing more. It does not say whether all before was right."""

    asks: Asks
    ticket: bytes
    detail: str = ""
    """Said with the question: why it is asked once more."""


class UserValidated(Struct, frozen=True, kw_only=True, tag="user_validated"):
    """Control to engine: he is."""

    user: str
    role: str
    logon: bytes = b""
    """To be shown with whatever is asked for him."""


class OfUser(OfEngine, frozen=True, kw_only=True):
    """A request for somebody who has logged on."""

    logon: Annotated[bytes, Meta(max_length=4096)]
    client_address: str


class OpenTerminal(OfUser, frozen=True, kw_only=True, tag="open_terminal"):
    """Engine to control: his terminal begins, which is a session of its own."""


class TerminalOpened(Struct, frozen=True, kw_only=True, tag="terminal_opened"):
    """Control to engine: record it so."""

    session_id: UUID
    terms: RecordingTerms


class LaunchSecret(OfUser, frozen=True, kw_only=True, tag="launch_secret"):
    """Engine to control: he wants a session with this secret's target.

    Answered by a `Grant`, by `Denied`, or by `LaunchWaits`; then it is asked again.
    """

    secret: ShortText
    seal_to: bytes
    """The engine's ephemeral X25519 public key, 32 bytes: the credential is sealed to it."""
    machine: ShortText = ""
    comment: ShortText = ""
    ticket: ShortText = ""
    asked: UUID | None = None
    """The request that `LaunchWaits` named."""


class LaunchWaits(Struct, frozen=True, kw_only=True, tag="launch_waits"):
    """Control to engine: this secret demands more."""

    lacks: tuple[str, ...] = ()
    """Of `comment ticket`: what he is to be asked for first."""
    asked: UUID | None = None
    """The request that somebody else has to approve."""


class WithdrawRequest(OfUser, frozen=True, kw_only=True, tag="withdraw_request"):
    """Engine to control: he does not want any more what is to be approved."""

    asked: UUID


class FindSecrets(OfUser, frozen=True, kw_only=True, tag="find_secrets"):
    """Engine to control: which secrets he may reach."""

    text: ShortText = ""
    field: ShortText = ""
    """Look for the text in this alone: `name host username site`."""
    folder: ShortText = ""
    """Whose names begin so."""
    of_site: ShortText = ""
    protocol: ShortText = ""
    favourites: bool = False
    recent: bool = False
    """Those he was at, the latest first."""
    exact: bool = False
    """The name is the text, and nothing more."""
    skip: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    take: Page = 25


class SecretSeen(Struct, frozen=True, kw_only=True):
    """A secret, as somebody sees it who may use it: without its credential."""

    name: str
    protocol: str
    host: str
    port: int
    username: str
    site: str
    """Empty: any."""
    channels: tuple[str, ...]
    demands: tuple[str, ...]
    """Of `comment ticket approval`."""
    engines: tuple[str, ...] = ()
    """Where it can be launched, if not at the engine that asks."""
    favourite: bool = False


class SecretsFound(Struct, frozen=True, kw_only=True, tag="secrets_found"):
    """Control to engine: these, by name."""

    secrets: tuple[SecretSeen, ...]
    more: int
    """How many there are beyond these."""
    menu: tuple[MenuEntry, ...] = ()
    """What alone may be run with the one that was asked for by its exact name; empty:
    whatever its channels allow."""


class WhoIsOn(OfUser, frozen=True, kw_only=True, tag="who_is_on"):
    """Engine to control: who else is at this secret's target."""

    secret: ShortText


class Presence(Struct, frozen=True, kw_only=True):
    """Somebody at a target."""

    user: str
    secret: str
    client_address: str
    since: dt.datetime


class PeopleOn(Struct, frozen=True, kw_only=True, tag="people_on"):
    """Control to engine: these."""

    people: tuple[Presence, ...]


class ChangePassword(OfUser, frozen=True, kw_only=True, tag="change_password"):
    """Engine to control: he wants another password."""

    sealed_passwords: bytes
    """`PasswordChange`, JSON, sealed as a password is, for `change_info(logon)`."""


class PasswordChange(Struct, frozen=True, kw_only=True):
    """What is sealed in `ChangePassword`."""

    old: str
    new: str

    def __repr__(self) -> str:
        return "PasswordChange(<redacted>)"


class IssueOwnCredential(OfUser, frozen=True, kw_only=True, tag="issue_own_credential"):
    """Engine to control: he wants a pair for another client, good once."""

    secret: ShortText
    seal_to: bytes


class OwnCredential(Struct, frozen=True, kw_only=True, tag="own_credential"):
    """Control to engine: here it is."""

    username: str
    host: str
    port: int
    protocol: str
    expires_at: dt.datetime
    sealed_password: bytes
    """Sealed to the key that was sent, for `pair_info(username)`."""


UserRequest = (
    OpenTerminal
    | LaunchSecret
    | WithdrawRequest
    | FindSecrets
    | WhoIsOn
    | ChangePassword
    | IssueOwnCredential
)
LogonRequest = ValidateUser | ValidateKey | ContinueLogon
AccountRequest = LogonRequest | UserRequest
AccountReply = (
    LogonContinues
    | UserValidated
    | TerminalOpened
    | LaunchWaits
    | SecretsFound
    | PeopleOn
    | OwnCredential
)


def password_info(username: str) -> bytes:
    """Return the `info` under which the password of `username` is sealed."""
    return b"proxyd user password\x00" + username.encode("utf-8", "surrogatepass")


def answer_info(ticket: bytes) -> bytes:
    """Return the `info` under which an answer to what a logon is asked is sealed."""
    return b"proxyd logon answer\x00" + ticket


def change_info(logon: bytes) -> bytes:
    """Return the `info` under which an old and a new password are sealed."""
    return b"proxyd password change\x00" + logon


def pair_info(username: str) -> bytes:
    """Return the `info` under which the password of a proxy credential is sealed."""
    return b"proxyd pair for another client\x00" + username.encode()
