"""Tells control of commands that break a secret's rules, and waits for what it says of them."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from bus.contract import Grant
from bus.errors import BusError
from protocols.ports import GrantBroker
from protocols.ssh.commands.rules import Found
from protocols.ssh.terminal.pages import plain

_ASK_AGAIN_S: Final = 0.5
"""How soon an approval is noticed."""
_TELL_S: Final = 5.0
"""How long a session that ends waits for its last report."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Holding(Protocol):
    """The relay that holds a command back."""

    def holds(self, channel: int, found: Found) -> bool:
        """Say whether it still does."""
        ...

    def resolve(self, channel: int, found: Found, *, approved: bool, said: str) -> None:
        """Let it run, or not."""
        ...


class CommandReports:
    """One session's."""

    def __init__(self, broker: GrantBroker, grant: Grant, over: Callable[[], bool]) -> None:
        """`over` says whether the session ends."""
        self._broker, self._grant, self._over = broker, grant, over

    async def tell(self, found: Found) -> None:
        """Have it in the audit trail, one row a rule."""
        for rule in found.rules:
            # A line of the log, beside the trail: it is there when control is not.
            _log.warning(
                "command.matched",
                session_id=str(self._grant.session_id),
                rule=rule.name,
                action=rule.action.value,
            )
            try:
                async with asyncio.timeout(_TELL_S):
                    await self._broker.command_found(
                        self._grant, rule, found.outcome, found.command
                    )
            except (BusError, TimeoutError) as error:
                _log.error("command.unreported", rule=rule.name, error=str(error))

    async def wait(self, channel: int, found: Found, relay: Holding) -> None:
        """Let a command run once it is approved, or give it up; raise `RecordingLostError`."""
        rule, asked = found.rules[0], None
        while relay.holds(channel, found) and not self._over():
            try:
                stands = await self._broker.hold_command(
                    self._grant, rule, found.command, asked
                )
            except BusError as error:
                _log.warning("command.hold_unasked", error=str(error))
            else:
                asked = stands.asked
                if self._over():
                    # Whoever ended the session was quicker: nothing runs in it any more.
                    break
                if stands.approved is not None:
                    said = plain(stands.said)
                    relay.resolve(channel, found, approved=stands.approved, said=said)
                    return
            await asyncio.sleep(_ASK_AGAIN_S)
        if asked is None:
            return
        try:
            await self._broker.hold_command(
                self._grant, rule, found.command, asked, given_up=True
            )
        except BusError as error:
            _log.warning("command.hold_unasked", error=str(error))
