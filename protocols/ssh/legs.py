"""What a gateway and a session need from whichever relay serves them.

Two relays do: the packet relay, and behind it the channel relay, which needs nothing but
asyncssh's public API. Nothing here, in the gateway or in a session knows which one it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from msgspec import Struct

from bus.command_rules import CommandControl
from bus.contract import TargetCredential
from protocols.ssh.becoming import Become
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.channels import Limits
from protocols.ssh.commands.rules import Found
from protocols.ssh.own_login import Outcome
from protocols.ssh.target import HostKeys
from recorder.errors import RecordingLostError
from recorder.ports import EventSink
from recorder.session_info import RecordingTerms, Target


class Leg(Protocol):
    """One of the two connections of a session."""

    on_closed: Callable[[Exception | None], None] | None
    """Is called once when the leg is gone, with what ended it."""

    def leave(self, code: int, text: str) -> None:
        """Say goodbye and close."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class UserLeg(Leg, Protocol):
    """The connection to the user's client."""

    may_fail: Callable[[], bool]
    """Is asked about each failed attempt; says whether another is allowed."""
    key_proven: Callable[[str, str], Awaitable[Outcome]]
    """Is told of each name and public key whose signature held; says what that leads to."""

    @property
    def peer_address(self) -> str:
        """The client's IP address."""
        ...

    def banner(self, text: str) -> None:
        """Show a line before authentication (RFC 4252 5.4)."""
        ...

    def refuse(self, line: str) -> None:
        """Turn away a connection that was just made, before any protocol."""
        ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncssh's
        """Return what asyncssh knows of the connection by `name`."""
        ...


class Rules(Struct, frozen=True, kw_only=True):
    """What a relay may let pass, and where it records what passes."""

    policy: ChannelPolicy
    terms: RecordingTerms
    limits: Limits
    sink: EventSink
    alive_interval_s: float
    """How long a target may be silent before it is asked for a sign of life."""
    alive_count: int
    """How many such questions may go unanswered."""
    become: Become | None
    """Who the session's shells are to become; then `policy` is a `GuardedPolicy` as well."""
    commands: CommandControl
    """What may be run; where that says something, `policy` is a `GuardedPolicy`."""
    crossed_bytes: list[int]
    """By the side that sent them: what the relays of a gateway took, counted up by each."""


class Owner(Protocol):
    """What a relay asks of its session."""

    @property
    def over(self) -> bool:
        """Whether the session ends: nothing is forwarded any more."""
        ...

    def lost(self, error: RecordingLostError) -> None:
        """End the session: what crosses can no longer be recorded."""
        ...

    def tick_soon(self) -> None:
        """Let the relay be told of time passing."""
        ...

    def found(self, channel: int, found: Found) -> None:
        """Take it that a command on a channel broke a rule."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as part of the session."""
        ...


class Relay(Protocol):
    """The channels of one session, between its two legs."""

    @property
    def active_ms(self) -> int:
        """When data last crossed, in session time."""
        ...

    @property
    def heard_ms(self) -> int:
        """When the target last gave a sign of life, in session time."""
        ...

    @property
    def wants_tick(self) -> bool:
        """Whether a typed line waits for its echo."""
        ...

    def tick(self) -> None:
        """Let time pass; raise `RecordingLostError`."""
        ...

    def notice(self, text: str) -> bool:
        """Show `text` to the user; say whether it could be. Raises `RecordingLostError`."""
        ...

    def ping(self) -> None:
        """Ask the target for a sign of life."""
        ...

    def hold(self, *, held: bool) -> None:
        """Read from neither leg, or from both again."""
        ...

    def resolve(self, channel: int, found: Found, *, approved: bool, said: str) -> None:
        """Let the command that waits on a channel run, or not; raise `RecordingLostError`.

        `said` is what the user reads of a refusal.
        """
        ...

    def holds(self, channel: int, found: Found) -> bool:
        """Say whether that command, and no later one, still waits for approval there."""
        ...

    def stop(self) -> None:
        """Start nothing more: the session ends."""
        ...

    def finish(self) -> None:
        """Record how the channels that are still open ended; raise `RecordingLostError`."""
        ...


class Wiring(Protocol):
    """One of the two ways to serve a session."""

    judges_commands: bool
    """Whether a secret may say what is run."""

    async def dial(
        self, target: Target, credential: TargetCredential, keys: HostKeys, limit_s: float
    ) -> Leg:
        """Return a leg that is logged on; raise `TargetUnreachableError`."""
        ...

    def start(self, client: UserLeg, target: Leg, rules: Rules, owner: Owner) -> Relay:
        """Start to relay between two legs that this wiring made."""
        ...
