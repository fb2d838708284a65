"""An engine's way to its grants: it asks control over the bus."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from bus.command_reports import CommandHeld, CommandReport, HoldCommand, command_info
from bus.command_rules import CommandRule
from bus.contract import (
    ConnectionLost,
    Denied,
    Done,
    Grant,
    HostKeysPinned,
    NTLMProved,
    PinHostKey,
    ProveNTLM,
    RedeemCredential,
    SessionFailed,
    SessionReady,
)
from bus.errors import BadMessageError, BusUnavailableError
from bus.own_account import AccountReply, AccountRequest, LaunchSecret, LogonRequest
from bus.ports import EngineBus
from bus.sealed import seal
from protocols.errors import AccessDeniedError
from proxyd.metrics import Metrics
from recorder.events import EndReason
from recorder.session_info import TargetProtocol

Unseal = Callable[[Grant], Grant]
"""Opens what was sealed to the key that an engine was enrolled with; `BadMessageError`."""


class BusBroker:
    """A `GrantBroker` that asks control over the bus, and counts the answers."""

    def __init__(
        self,
        bus: EngineBus,
        metrics: Metrics,
        announced: asyncio.Event | None = None,
        unseal: Unseal | None = None,
    ) -> None:
        """With `announced`, grant nothing before control has heard of this engine's start.

        It would count a session that began before as one that the start has lost.
        """
        self._unseal = unseal or _not_enrolled
        self.user_key: bytes | None = None
        """Control's key, to which users' passwords are sealed; None before it was heard of."""
        self._bus = bus
        self._logins = metrics.logins_total
        self._commands_matched = metrics.commands_matched_total
        self._announced = announced

    async def redeem(self, request: RedeemCredential) -> Grant:
        """Return the grant; raise `AccessDeniedError` or `BusUnavailableError`."""
        protocol, outcome = request.protocol.value, "unanswered"
        try:
            if self._announced is not None and not self._announced.is_set():
                raise BusUnavailableError("control has not heard of this engine yet: try again")
            reply = await self._bus.request(request)
            outcome = "granted" if isinstance(reply, Grant) else "denied"
        finally:
            self._logins.labels(protocol=protocol, outcome=outcome).inc()
        match reply:
            case Grant(sealed_to_engine=True):
                return self._unseal(reply)
            case Grant():
                return reply
            case Denied(reason=reason):
                raise AccessDeniedError(reason)
        raise BadMessageError("control answered a login with something else")

    async def account(self, request: AccountRequest) -> AccountReply | Grant | Done:
        """Return what control says about somebody's own account; raise as `redeem` does."""
        outcome = "unanswered"
        try:
            if self._announced is not None and not self._announced.is_set():
                raise BusUnavailableError("control has not heard of this engine yet: try again")
            reply = await self._bus.request(request)
            outcome = "denied" if isinstance(reply, Denied) else "granted"
        finally:
            if isinstance(request, LogonRequest | LaunchSecret):
                self._logins.labels(protocol=TargetProtocol.SSH.value, outcome=outcome).inc()
        match reply:
            case Grant(sealed_to_engine=True):
                return self._unseal(reply)
            case Denied(reason=reason, detail=detail):
                raise AccessDeniedError(reason, detail)
        if isinstance(reply, Grant | Done | AccountReply):
            return reply
        raise BadMessageError("control answered about an account with something else")

    def seal_password(self, password: str, info: bytes) -> bytes:
        """Return it sealed to control; raise `BusUnavailableError` where that is unknown."""
        if self.user_key is None:
            raise BusUnavailableError("control has not told its key yet: try again")
        return seal(self.user_key, password.encode("utf-8", "surrogatepass"), info)

    async def prove(self, request: ProveNTLM) -> NTLMProved:
        """Return what an NTLM answer proves; raise as `redeem` does."""
        protocol, outcome = request.protocol.value, "unanswered"
        try:
            reply = await self._bus.request(request)
            outcome = "proved" if isinstance(reply, NTLMProved) else "denied"
        finally:
            if outcome != "proved":
                # A login that was proved is counted when it is redeemed.
                self._logins.labels(protocol=protocol, outcome=outcome).inc()
        match reply:
            case NTLMProved():
                return reply
            case Denied(reason=reason):
                raise AccessDeniedError(reason)
        raise BadMessageError("control answered a login with something else")

    async def pin_host_key(self, grant: Grant, host_key: str) -> tuple[str, ...]:
        """Offer the key seen on first use; return the keys that hold from now on."""
        message = PinHostKey(session_id=grant.session_id, host_key=host_key)
        match await self._bus.request(message):
            case HostKeysPinned(host_keys=host_keys):
                return host_keys
        raise BadMessageError("control answered a host key with something else")

    async def session_ready(self, grant: Grant) -> None:
        """Say that the target took the login."""
        await self._bus.request(SessionReady(session_id=grant.session_id))

    async def session_failed(self, grant: Grant, reason: EndReason, detail: str) -> None:
        """Say that the session ended before it had a recording."""
        session_id = grant.session_id
        await self._bus.request(
            SessionFailed(session_id=session_id, end_reason=reason, detail=detail)
        )

    async def command_found(
        self, grant: Grant, rule: CommandRule, outcome: str, command: str
    ) -> None:
        """Say that a command broke a rule, and what became of it."""
        self._commands_matched.labels(action=rule.action.value).inc()
        sealed = self.seal_password(command, command_info(grant.session_id))
        await self._bus.request(
            CommandReport(
                session_id=grant.session_id,
                rule=rule.name,
                action=rule.action,
                outcome=outcome,
                sealed_command=sealed,
            )
        )

    async def hold_command(
        self,
        grant: Grant,
        rule: CommandRule,
        command: str,
        asked: UUID | None,
        *,
        given_up: bool = False,
    ) -> CommandHeld:
        """Ask that a command be approved, or how that stands, or give it up."""
        sealed = self.seal_password(command, command_info(grant.session_id))
        message = HoldCommand(
            session_id=grant.session_id,
            rule=rule.name,
            sealed_command=sealed,
            asked=asked,
            given_up=given_up,
        )
        match await self._bus.request(message):
            case CommandHeld() as held:
                return held
        raise BadMessageError("control answered about a command with something else")

    async def connection_lost(self, grant: Grant) -> None:
        """Say that the client is gone and may come back by itself."""
        await self._bus.request(ConnectionLost(session_id=grant.session_id))


def _not_enrolled(grant: Grant) -> Grant:
    raise BadMessageError(
        f"the credential of session {grant.session_id} is sealed to a key that this engine "
        "does not have"
    )
