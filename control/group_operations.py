"""Carries out what operators ask about groups; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import group_requests as ask
from control import groups, secrets, users
from control.answers import Result
from control.audit import Act
from control.cut_off import cut_off
from control.requests import Done
from storage.database import Database
from storage.tables import SessionRow

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class GroupOperations:
    """Groups."""

    database: Database
    act: Callable[[str], Act]
    end: Callable[[list[SessionRow], str], None]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.AddGroup: self.add,
            ask.RemoveGroup: self.remove,
            ask.ListGroups: self.list,
            ask.JoinGroup: self.join,
            ask.LeaveGroup: self.leave,
            ask.GrantToGroup: self.grant,
            ask.RevokeFromGroup: self.revoke,
        }

    def add(self, request: ask.AddGroup, who: str) -> ask.GroupSummary:
        """Make a group."""
        act = self.act(who)
        with self.database.transaction() as session:
            summary = groups.add(session, request.name, act.at)
            act.note(session, "group.added", request.name)
        return summary

    def remove(self, request: ask.RemoveGroup, who: str) -> Done:
        """Forget a group."""
        act = self.act(who)
        with self.database.transaction() as session:
            row = groups.find(session, request.name)
            people, lost = groups.members(session, row), groups.secrets_of(session, row)
            session.delete(row)
            ending = cut_off(session, people, lost, act.at)
            act.note(session, "group.removed", request.name)
        self.end(ending, "access revoked")
        return Done()

    def list(self, _request: ask.ListGroups, _who: str) -> Iterable[ask.GroupSummary]:
        """List all."""
        with self.database.read() as session:
            return groups.list_all(session)

    def join(self, request: ask.JoinGroup, who: str) -> Done:
        """Put a user into a group."""
        act = self.act(who)
        with self.database.transaction() as session:
            groups.join(session, request.group, request.user, act.at)
            act.note(session, "group.joined", request.group, request.user)
        return Done()

    def leave(self, request: ask.LeaveGroup, who: str) -> Done:
        """Take a user out, at once."""
        act = self.act(who)
        with self.database.transaction() as session:
            groups.leave(session, request.group, request.user)
            lost = groups.secrets_of(session, groups.find(session, request.group))
            ending = cut_off(session, [users.find(session, request.user)], lost, act.at)
            act.note(session, "group.left", request.group, request.user)
        self.end(ending, "access revoked")
        return Done()

    def grant(self, request: ask.GrantToGroup, who: str) -> Done:
        """Let a group reach a secret."""
        act = self.act(who)
        with self.database.transaction() as session:
            groups.grant(session, request.group, request.secret, act.at)
            act.note(session, "access.granted", request.secret, f"to group {request.group}")
        return Done()

    def revoke(self, request: ask.RevokeFromGroup, who: str) -> Done:
        """Let it reach the secret no more, at once."""
        act = self.act(who)
        with self.database.transaction() as session:
            groups.revoke(session, request.group, request.secret)
            people = groups.members(session, groups.find(session, request.group))
            lost = [secrets.find(session, request.secret)]
            ending = cut_off(session, people, lost, act.at)
            act.note(session, "access.revoked", request.secret, f"from group {request.group}")
        self.end(ending, "access revoked")
        return Done()
