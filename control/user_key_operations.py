"""Carries out what operators ask about users' public keys; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import user_key_requests as ask
from control import user_keys
from control.answers import Result
from control.audit import Act
from control.errors import InvalidError
from control.requests import Done
from storage.database import Database

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class UserKeyOperations:
    """Keys of users."""

    database: Database
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.AddUserKey: self.add,
            ask.ListUserKeys: self.list,
            ask.RemoveUserKey: self.remove,
            ask.SetSSHLogin: self.set_login,
        }

    def add(self, request: ask.AddUserKey, who: str) -> ask.UserKeySummary:
        """Let a user log on with a key."""
        act = self.act(who)
        with self.database.transaction() as session:
            summary = user_keys.add(
                session, request.user, request.public_key, request.name, act.at, request.ttl_s
            )
            act.note(session, "user.key_added", request.user, summary.fingerprint)
        return summary

    def list(self, request: ask.ListUserKeys, _who: str) -> Iterable[ask.UserKeySummary]:
        """List a user's keys."""
        with self.database.read() as session:
            return user_keys.list_all(session, request.user)

    def remove(self, request: ask.RemoveUserKey, who: str) -> Done:
        """Take a key away."""
        with self.database.transaction() as session:
            user_keys.remove(session, request.user, request.fingerprint)
            self.act(who).note(session, "user.key_removed", request.user, request.fingerprint)
        return Done()

    def set_login(self, request: ask.SetSSHLogin, who: str) -> Done:
        """Say what a user has to show."""
        if request.policy not in list(user_keys.Policy):
            choices = ", ".join(user_keys.Policy)
            raise InvalidError(f"there is no such way to log on: choose {choices}")
        with self.database.transaction() as session:
            user_keys.set_policy(session, request.user, user_keys.Policy(request.policy))
            self.act(who).note(session, "user.ssh_login_set", request.user, request.policy)
        return Done()
