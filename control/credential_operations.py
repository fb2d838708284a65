"""Carries out what is asked about proxy credentials; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import approvals, credentials, sessions
from control import requests as ask
from control.answers import Result
from control.audit import Act
from control.credentials import Gateways
from control.vault import Vault
from storage.database import Database
from storage.tables import SessionRow

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class CredentialOperations:
    """Proxy credentials."""

    database: Database
    vault: Vault
    gateways: Gateways
    act: Callable[[str], Act]
    end: Callable[[list[SessionRow], str], None]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.IssueCredential: self.issue,
            ask.ListCredentials: self.list,
            ask.RevokeCredential: self.revoke,
        }

    def issue(self, request: ask.IssueCredential, who: str) -> ask.IssuedCredential:
        """Make a credential."""
        act = self.act(who)
        with self.database.transaction() as session:
            until = approvals.check_pair(session, request, act)
            issued = credentials.issue(
                session, self.vault, self.gateways, request, act.at, until=until
            )
            detail = f"for {request.user} to {request.secret}"
            act.note(session, "credential.issued", issued.id, detail)
        return issued

    def list(self, request: ask.ListCredentials, who: str) -> Iterable[ask.CredentialSummary]:
        """List all."""
        with self.database.read() as session:
            return credentials.list_all(session, self.act(who).at, request.user)

    def revoke(self, request: ask.RevokeCredential, who: str) -> ask.Done:
        """Take a credential back and end what it opened."""
        act = self.act(who)
        with self.database.transaction() as session:
            row = credentials.revoke(session, request.id, act.at, request.user)
            ending = sessions.live_of(session, credential_id=row.id)
            act.note(session, "credential.revoked", row.id)
        self.end(ending, "credential revoked")
        return ask.Done()
