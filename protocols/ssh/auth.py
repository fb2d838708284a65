"""What asyncssh asks its server about a user, turned into one question.

INVARIANT: a name counts only once authentication has completed for that very name;
what a client merely offers decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import asyncssh
import structlog

from bus.contract import Grant
from bus.errors import BusUnavailableError
from bus.sealed import Opener
from protocols.admission import Admitted, Departure
from protocols.errors import AccessDeniedError
from protocols.ssh.legs import UserLeg

REFUSAL_S: Final = 0.5
"""Every refusal takes this long, whatever its reason: time tells a guesser nothing."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Redeemed:
    """A grant, and the key that opens its credential."""

    __slots__ = ("grant", "opener", "username")

    def __init__(self, username: str, grant: Grant, opener: Opener) -> None:
        self.username, self.grant, self.opener = username, grant, opener


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

    def completed(self, leg: UserLeg, ticket: Admitted, redeemed: Redeemed) -> None:
        """Serve the session that was granted."""
        ...

    def abandoned(self, grant: Grant) -> None:
        """End a session whose client has left before it was served."""
        ...


class UserLogin(asyncssh.SSHServer):
    """The login of one connection, by password or keyboard-interactive."""

    def __init__(
        self, door: Door, leg_of: Callable[[asyncssh.SSHServerConnection], UserLeg]
    ) -> None:
        self._door, self._leg_of = door, leg_of
        self._leg: UserLeg | None = None
        self._ticket: Admitted | None = None
        self._redeemed: Redeemed | None = None
        self._served = False
        self._wrong_passwords = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Ask to be let in."""
        leg = self._leg_of(conn)
        ticket = self._ticket = self._door.arrived(leg)
        if ticket:
            self._leg = leg
            leg.may_fail = lambda: self._door.failed(ticket)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say how the connection left, so that knocking without end has its price."""
        if self._ticket:
            self._door.left(self._ticket, self._departure(exc))
        if self._redeemed and not self._served:
            self._door.abandoned(self._redeemed.grant)
        self._leg = None

    def begin_auth(self, _username: str) -> bool:
        """Ask everybody for a proof."""
        return True

    def password_auth_supported(self) -> bool:
        """Take a proxy credential as a password."""
        return True

    def kbdint_auth_supported(self) -> bool:
        """Take a proxy credential as the answer to a prompt.

        PuTTY prefers this to a password and puts two lines of noise around the prompt, so
        it is asked for a password only.
        """
        version = str(self._leg.get_extra_info("client_version")) if self._leg else ""
        return "PuTTY" not in version

    async def validate_password(self, username: str, password: str) -> bool:
        """Redeem the proxy credential; every refusal looks and lasts the same."""
        try:
            return await self._judge(username, password)
        except asyncio.CancelledError:
            # The client gave it up for another one (RFC 4252 5.1), at once and unanswered.
            # That counts as well, or a guesser would neither wait nor run out of tries.
            self._wrong_passwords += 1
            if self._leg and not self._leg.may_fail():
                reason = "Too many authentication failures"
                self._leg.leave(asyncssh.DISC_PROTOCOL_ERROR, reason)
            raise

    async def _judge(self, username: str, password: str) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + REFUSAL_S
        opener = Opener()
        try:
            if self._leg and self._redeemed is None:
                grant = await self._door.redeem(self._leg, username, password, opener)
                self._redeemed = Redeemed(username, grant, opener)
                return True
        except AccessDeniedError as error:
            # Without the name: who mistypes puts a password there.
            _log.info("credential.denied", reason=error.reason.value)
        except BusUnavailableError as error:
            _log.error("login.unanswered", error=str(error))
        self._wrong_passwords += 1
        await asyncio.sleep(until - loop.time())
        return False

    def get_kbdint_challenge(
        self, _username: str, _lang: str, _submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        """Ask for the password, hidden."""
        return "", "", "", [("Password: ", False)]

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        """Take the one answer as a password."""
        match responses:
            case [str(password)]:
                return await self.validate_password(username, password)
            case _:
                return False

    def auth_completed(self) -> None:
        """Hand over the grant, for the name that was authenticated and no other."""
        leg, ticket, redeemed = self._leg, self._ticket, self._redeemed
        if leg is None or ticket is None:
            return
        if redeemed and redeemed.username == leg.get_extra_info("username"):
            self._served = True
            self._door.completed(leg, ticket, redeemed)
        else:
            leg.leave(asyncssh.DISC_BY_APPLICATION, "not authenticated")

    def _departure(self, error: Exception | None) -> Departure:
        if self._redeemed:
            return Departure.DONE
        if self._wrong_passwords:
            return Departure.AUTH_FAILED
        if isinstance(error, asyncssh.ConnectionLost) and "timeout" in str(error):
            return Departure.GRACE_EXCEEDED
        return Departure.NO_AUTH
