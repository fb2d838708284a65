"""Which relay serves the sessions of a gateway: `[ssh] relay = auto | packet | channel`."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from uuid import UUID

import asyncssh
import structlog

from bus.own_account import TerminalOpened
from config.model import RelayKind, SSHSettings
from protocols.ssh.accounts import Visitor
from protocols.ssh.auth import Door, Redeemed
from protocols.ssh.legs import UserLeg, Wiring
from protocols.ssh.served_session import Surroundings
from recorder.events import EndReason

_log: structlog.stdlib.BoundLogger = structlog.get_logger()

_MODULES: Final = {
    RelayKind.PACKET: "protocols.ssh.packet_wiring",
    RelayKind.CHANNEL: "protocols.ssh.channel_wiring",
}


Serve = Callable[[UserLeg, Redeemed], Awaitable[None]]
"""Serves a granted session to its end."""


class Terminal(Protocol):
    """The terminal of somebody who has logged on without a target."""

    @property
    def session_id(self) -> UUID:
        """The session that it is."""
        ...

    def end(self, reason: EndReason, text: str) -> None:
        """End it, and what was launched from it."""
        ...

    def message(self, text: str) -> bool:
        """Show a line; say whether it could be."""
        ...

    def pause(self, text: str, *, paused: bool) -> bool:
        """Let nothing cross, or let it cross again; say whether that could be done."""
        ...

    def tick(self) -> bool:
        """Let time pass; return whether another tick is wanted soon."""
        ...

    async def run(self) -> None:
        """Serve until it is over."""
        ...


class Serving(Wiring, Protocol):
    """A way to serve a session, from the first byte of its connection on."""

    def new_leg(self, options: asyncssh.SSHServerConnectionOptions) -> asyncio.BaseProtocol:
        """Return the protocol of a connection that is being accepted."""
        ...

    def new_login(self, door: Door) -> asyncssh.SSHServer:
        """Return what asks `door` about the user of a connection."""
        ...

    def new_terminal(
        self,
        leg: UserLeg,
        visitor: Visitor,
        opened: TerminalOpened,
        around: Surroundings,
        serve: Serve,
    ) -> Terminal | None:
        """Return the terminal on `leg`; None where this relay has none."""
        ...


def chosen(settings: SSHSettings) -> Serving:
    """Return the relay that the settings name; for `auto` the packet relay, if it can work.

    Raises `ImportError` where the packet relay is demanded and cannot work.
    """
    if settings.relay is not RelayKind.AUTO:
        return _serving(settings.relay, settings)
    try:
        return _serving(RelayKind.PACKET, settings)
    except ImportError as error:
        _log.warning(
            "relay.fallback",
            relay=RelayKind.CHANNEL.value,
            reason=str(error),
            next_step="install the version of asyncssh that this release names",
        )
        return _serving(RelayKind.CHANNEL, settings)


def _serving(kind: RelayKind, settings: SSHSettings) -> Serving:
    # Only on demand: the packet relay's modules fail to import where asyncssh has changed.
    serving: Serving = importlib.import_module(_MODULES[kind]).serving(settings)
    return serving
