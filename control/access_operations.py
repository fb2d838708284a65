"""Carries out what operators ask about access; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import access, secrets, users
from control import requests as ask
from control.answers import Result
from control.audit import Act
from control.cut_off import cut_off
from storage.database import Database
from storage.tables import SessionRow

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class AccessOperations:
    """Who may reach what."""

    database: Database
    act: Callable[[str], Act]
    end: Callable[[list[SessionRow], str], None]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.GrantAccess: self.grant,
            ask.RevokeAccess: self.revoke,
            ask.ListAccess: self.list,
        }

    def grant(self, request: ask.GrantAccess, who: str) -> ask.AccessSummary:
        """Let a user reach a secret."""
        act = self.act(who)
        with self.database.transaction() as session:
            summary = access.grant(session, request.user, request.secret, act.at)
            act.note(session, "access.granted", request.secret, f"to {request.user}")
        return summary

    def revoke(self, request: ask.RevokeAccess, who: str) -> ask.Done:
        """Let the user reach it no more, at once."""
        act = self.act(who)
        with self.database.transaction() as session:
            access.revoke(session, request.user, request.secret)
            person = users.find(session, request.user)
            lost = secrets.find(session, request.secret)
            ending = cut_off(session, [person], [lost], act.at)
            act.note(session, "access.revoked", request.secret, f"from {request.user}")
        self.end(ending, "access revoked")
        return ask.Done()

    def list(self, _request: ask.ListAccess, _who: str) -> Iterable[ask.AccessSummary]:
        """List all."""
        with self.database.read() as session:
            return access.list_all(session)
