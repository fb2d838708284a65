"""What asyncssh asks its server about a user, turned into one question.

A generated name is judged by a proxy credential, every other as somebody's own account:
`bus.names` tells them apart by their form.

INVARIANT: a name counts only once authentication has completed for that very name;
what a client merely offers decides nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import asyncssh
import structlog

from bus.contract import Grant
from bus.errors import BusUnavailableError
from bus.names import is_generated
from bus.sealed import Opener
from protocols.admission import Admitted, Departure
from protocols.errors import AccessDeniedError
from protocols.ssh.legs import UserLeg
from protocols.ssh.own_login import (
    UNREADABLE,
    Account,
    Challenge,
    Outcome,
    OwnLogin,
    OwnLogon,
    key_line,
)

REFUSAL_S: Final = 0.5
"""Every refusal takes this long, whatever its reason: time tells a guesser nothing."""
_PASSWORD: Final[Challenge] = ("", "", "", [("Password: ", False)])

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Redeemed:
    """A grant, and the key that opens its credential."""

    __slots__ = ("grant", "opener", "username")

    def __init__(self, username: str, grant: Grant, opener: Opener) -> None:
        self.username, self.grant, self.opener = username, grant, opener


Entered = Redeemed | OwnLogon
"""What a login has led to."""


class Door(Protocol):
    """What a login asks of its gateway."""

    def arrived(self, leg: UserLeg) -> Admitted | None:
        """Admit a connection, or turn it away."""
        ...

    def failed(self, ticket: Admitted) -> bool:
        """Count a failed try; say whether another one is allowed."""
        ...

    def left(self, ticket: Admitted, how: Departure) -> None:
        """Forget a connection that did not authenticate."""
        ...

    async def redeem(self, leg: UserLeg, name: str, password: str, opener: Opener) -> Grant:
        """Ask control for a grant; raise `AccessDeniedError` or `BusUnavailableError`."""
        ...

    def account(self, leg: UserLeg) -> Account:
        """Return what judges those who come from there by their own name."""
        ...

    def greeting(self) -> str:
        """Return what they are shown before they have logged on."""
        ...

    def completed(self, leg: UserLeg, ticket: Admitted, entered: Entered) -> None:
        """Serve the session that was granted, or whoever has logged on."""
        ...

    def abandoned(self, grant: Grant) -> None:
        """End a session whose client has left before it was served."""
        ...


class UserLogin(asyncssh.SSHServer):
    """The login of one connection, by password, keyboard-interactive or a user's key."""

    def __init__(
        self, door: Door, leg_of: Callable[[asyncssh.SSHServerConnection], UserLeg]
    ) -> None:
        self._door, self._leg_of = door, leg_of
        self._leg: UserLeg | None = None
        self._ticket: Admitted | None = None
        self._redeemed: Redeemed | None = None
        self._own: OwnLogin | None = None
        """Of the name that is logging on now, unless that is a generated one."""
        self._served = False
        self._wrong_passwords = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Ask to be let in."""
        leg = self._leg_of(conn)
        ticket = self._ticket = self._door.arrived(leg)
        if ticket:
            self._leg = leg
            leg.may_fail = lambda: self._door.failed(ticket)
            leg.key_proven = self._key_proven

    def connection_lost(self, exc: Exception | None) -> None:
        """Say how the connection left, so that knocking without end has its price."""
        if self._ticket:
            self._door.left(self._ticket, self._departure(exc))
        if self._redeemed and not self._served:
            self._door.abandoned(self._redeemed.grant)
        self._leg = None

    def begin_auth(self, username: str) -> bool:
        """Ask everybody for a proof."""
        self._own = None
        if self._leg and not is_generated(username):
            self._own = OwnLogin(username, self._door.account(self._leg))
            if text := UNREADABLE if self._own.unreadable else self._door.greeting():
                self._leg.banner(text)
        return True

    def password_auth_supported(self) -> bool:
        """Take a proxy credential as a password."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Take a user's own key; nobody else has one."""
        return self._own is not None and self._own.takes_keys

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Say whether it is worth to sign with `key`: a mere offer, which decides nothing."""
        line = key_line(key.public_data)
        own = self._own
        if own is None or own.username != username:
            return False
        try:
            return await own.offered(line)
        except (AccessDeniedError, BusUnavailableError):
            return False

    async def _key_proven(self, username: str, line: str) -> Outcome:
        """Take a signature that was verified; say what it leads to."""
        if self._own is None or self._own.username != username:
            return Outcome.REFUSED
        return await self._patiently(self._own.key(line))

    def kbdint_auth_supported(self) -> bool:
        """Take a proxy credential as the answer to a prompt.

        PuTTY prefers this to a password and puts two lines of noise around the prompt, so
        it is asked for a password only, unless there may be more to ask.
        """
        version = str(self._leg.get_extra_info("client_version")) if self._leg else ""
        return self._own is not None or "PuTTY" not in version

    async def validate_password(self, username: str, password: str) -> bool:
        """Redeem the proxy credential; every refusal looks and lasts the same."""
        return await self._judge(username, (password,), last=True) is Outcome.COMPLETE

    async def _judge(
        self, username: str, answers: Sequence[str], *, last: bool = False
    ) -> Outcome:
        """Return what the answers come to; `last` says that nothing more can be asked."""
        if (own := self._own) is None:
            return await self._patiently(self._redeem(username, answers[0]))
        if own.username != username:
            return Outcome.REFUSED
        return await self._patiently(own.answered(answers), last=last)

    async def _patiently(self, judging: Awaitable[Outcome], *, last: bool = False) -> Outcome:
        """Return what `judging` comes to; every refusal looks and lasts the same."""
        try:
            return await self._refuse_late(judging, last=last)
        except asyncio.CancelledError:
            # The client gave it up for another one (RFC 4252 5.1), at once and unanswered.
            # That counts as well, or a guesser would neither wait nor run out of tries.
            self._wrong_passwords += 1
            if self._leg and not self._leg.may_fail():
                reason = "Too many authentication failures"
                self._leg.leave(asyncssh.DISC_PROTOCOL_ERROR, reason)
            raise

    async def _refuse_late(self, judging: Awaitable[Outcome], *, last: bool) -> Outcome:
        loop = asyncio.get_running_loop()
        until = loop.time() + REFUSAL_S
        try:
            outcome = await judging
        except AccessDeniedError as error:
            # Without the name: who mistypes puts a password there.
            _log.info("credential.denied", reason=error.reason.value)
            outcome = Outcome.REFUSED
        except BusUnavailableError as error:
            _log.error("login.unanswered", error=str(error))
            outcome = Outcome.REFUSED
        if last and outcome is Outcome.CONTINUES:
            outcome = Outcome.REFUSED
        if outcome is Outcome.REFUSED:
            self._wrong_passwords += 1
            await asyncio.sleep(until - loop.time())
        return outcome

    async def _redeem(self, username: str, password: str) -> Outcome:
        if self._leg is None or self._redeemed is not None:
            return Outcome.REFUSED
        opener = Opener()
        grant = await self._door.redeem(self._leg, username, password, opener)
        self._redeemed = Redeemed(username, grant, opener)
        return Outcome.COMPLETE

    def get_kbdint_challenge(self, _username: str, _lang: str, _submethods: str) -> Challenge:
        """Ask for the password, hidden, or for what is wanted behind a key."""
        return _PASSWORD if self._own is None else self._own.begin()

    async def validate_kbdint_response(
        self, username: str, responses: Sequence[str]
    ) -> bool | Challenge:
        """Take the answers; where more is wanted, ask for that."""
        if self._own is None and len(responses) != 1:
            return False
        outcome = await self._judge(username, tuple(responses))
        if outcome is Outcome.CONTINUES and self._own is not None:
            return self._own.challenge()
        return outcome is Outcome.COMPLETE

    def auth_completed(self) -> None:
        """Hand over the grant, for the name that was authenticated and no other."""
        leg, ticket = self._leg, self._ticket
        if leg is None or ticket is None:
            return
        entered = self._redeemed if self._own is None else self._own.logon
        if entered and entered.username == leg.get_extra_info("username"):
            self._served = True
            self._door.completed(leg, ticket, entered)
        else:
            leg.leave(asyncssh.DISC_BY_APPLICATION, "not authenticated")

    def _departure(self, error: Exception | None) -> Departure:
        if self._redeemed or (self._own and self._own.logon):
            return Departure.DONE
        if self._wrong_passwords:
            return Departure.AUTH_FAILED
        if isinstance(error, asyncssh.ConnectionLost) and "timeout" in str(error):
            return Departure.GRACE_EXCEEDED
        return Departure.NO_AUTH
