"""The user's leg of a launched session: his channel, on a connection that goes on after it.

To the session and to the relay it is a leg like any other. What it is told to send passes
through `protocols.ssh.terminal.graft`; what the client sends comes from the terminal, which
has the connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from protocols.ssh.client_leg import ClientLeg
from protocols.ssh.own_login import Outcome, nobody
from protocols.ssh.terminal.graft import Graft
from protocols.ssh.transport import Leg, Receive


class LaunchedLeg:
    """A `protocols.ssh.legs.UserLeg` of the packet relay, on a channel of another."""

    def __init__(self, carrier: ClientLeg, graft: Graft) -> None:
        self.carrier = carrier
        """The leg that really is one."""
        self._graft = graft
        self._receive: Receive | None = None
        self.on_closed: Callable[[Exception | None], None] | None = None
        self.may_fail: Callable[[], bool] = lambda: False
        self.key_proven: Callable[[str, str], Awaitable[Outcome]] = nobody
        self.related = False
        """Whether a relay ever stood."""
        self.farewell = ""
        """Why the session ended."""

    # --- what a session asks of its user's leg

    @property
    def peer_address(self) -> str:
        """The client's IP address."""
        return self.carrier.peer_address

    def banner(self, text: str) -> None:
        """Show nothing: whoever is here has logged on."""

    def refuse(self, line: str) -> None:
        """Turn nobody away: whoever is here was admitted."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncssh's
        """Return what asyncssh knows of the connection by `name`."""
        return self.carrier.get_extra_info(name, default)

    def leave(self, _code: int, text: str) -> None:
        """End the session, and not the connection."""
        self.farewell = text
        self._receive = None
        self.carrier.pace(None)

    def abort(self) -> None:
        """End the session, and not the connection."""
        self.leave(0, "")

    # --- what a relay asks of it

    def take_over(
        self, receive: Receive, paced: Leg, ignored: Callable[[], None] = lambda: None
    ) -> None:
        """Hand every packet to `receive`; read `paced` no faster than the client reads."""
        del ignored
        self._receive, self.related = receive, True
        self.carrier.pace(paced)
        self._tell(self._graft.begin())

    def send_bodies(self, bodies: list[bytes]) -> None:
        """Send what the target sent."""
        self.carrier.send_bodies(self._graft.to_client(bodies))
        self._follow()

    def answer(self, bodies: list[bytes]) -> None:
        """Send what the client itself has caused."""
        self.carrier.answer(self._graft.to_client(bodies))
        self._follow()

    def pause(self, reason: str) -> None:
        """Read no more until `resume` was called with the same reason."""
        self.carrier.pause(reason)

    def resume(self, reason: str) -> None:
        """Take one reason away; read on when none is left."""
        self.carrier.resume(reason)

    # --- what the terminal tells it

    def from_client(self, bodies: list[bytes]) -> None:
        """Take what the client sent to the target."""
        self._tell(self._graft.to_target(bodies))
        self._follow()

    def closed(self, error: Exception | None) -> None:
        """Take it that the connection is gone, or the channel."""
        callback, self.on_closed = self.on_closed, None
        if callback:
            callback(error)

    # --- inside

    def _tell(self, bodies: list[bytes]) -> None:
        if bodies and self._receive:
            self._receive(bodies)

    def _follow(self) -> None:
        """Send what is due in the client's name, and end when the target's channel has."""
        while due := self._graft.take_due():
            self._tell(due)
        if self._graft.over:
            asyncio.get_running_loop().call_soon(self.closed, None)
