"""What a gateway needs from the rest of the daemon."""

from typing import Protocol
from uuid import UUID

from bus.command_reports import CommandHeld
from bus.command_rules import CommandRule
from bus.contract import Done, Grant, NTLMProved, ProveNTLM, RedeemCredential
from bus.own_account import AccountReply, AccountRequest
from recorder.events import EndReason
from recorder.ports import EventSink
from recorder.session_info import SessionInfo


class GrantBroker(Protocol):
    """Turns a presented credential into a grant, and remembers target host keys."""

    async def redeem(self, request: RedeemCredential) -> Grant:
        """Return the grant, or raise `AccessDeniedError`."""
        ...

    async def account(self, request: AccountRequest) -> AccountReply | Grant | Done:
        """Return what control says about somebody's own account; raise as `redeem` does."""
        ...

    def seal_password(self, password: str, info: bytes) -> bytes:
        """Return it sealed to control; raise `BusUnavailableError` where that is unknown."""
        ...

    async def prove(self, request: ProveNTLM) -> NTLMProved:
        """Return what an NTLM answer proves, or raise `AccessDeniedError`."""
        ...

    async def pin_host_key(self, grant: Grant, host_key: str) -> tuple[str, ...]:
        """Offer the key seen on first use; return the keys that hold from now on."""
        ...

    async def session_ready(self, grant: Grant) -> None:
        """Say that the target took the login."""
        ...

    async def session_failed(self, grant: Grant, reason: EndReason, detail: str) -> None:
        """Say that the session ended before it had a recording."""
        ...

    async def command_found(
        self, grant: Grant, rule: CommandRule, outcome: str, command: str
    ) -> None:
        """Say that a command broke a rule, and what became of it."""
        ...

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
        ...

    async def connection_lost(self, grant: Grant) -> None:
        """Say that the client is gone and may come back by itself."""
        ...


class RecorderFactory(Protocol):
    """Starts recordings."""

    async def start(self, info: SessionInfo) -> EventSink:
        """Return the sink of a new recording, already on disk; else `RecordingLostError`."""
        ...
