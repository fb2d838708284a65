"""Carries out what operators and users ask about accounts; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import account_requests as ask
from control import logins, reachable, second_factors, users
from control.answers import Result
from control.audit import Act
from control.requests import Done, UserSummary
from storage.database import Database

_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class AccountOperations:
    """Accounts, once they are there."""

    database: Database
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.EnableUser: self.enable,
            ask.SetRole: self.set_role,
            ask.SetPassword: self.set_password,
            ask.ResetSecondFactor: self.reset_second_factor,
            ask.CreateToken: self.create_token,
            ask.ListTokens: self.list_tokens,
            ask.RevokeToken: self.revoke_token,
            ask.ListReachable: self.list_reachable,
            ask.SetFavourite: self.set_favourite,
        }

    def enable(self, request: ask.EnableUser, who: str) -> Done:
        """Let a person in again."""
        with self.database.transaction() as session:
            users.enable(session, request.name)
            self.act(who).note(session, "user.enabled", request.name)
        return Done()

    def set_role(self, request: ask.SetRole, who: str) -> UserSummary:
        """Give a person another role."""
        with self.database.transaction() as session:
            row = users.set_role(session, request.name, request.role)
            self.act(who).note(session, "user.role_changed", request.name, request.role)
            return users.summary(session, row)

    def set_password(self, request: ask.SetPassword, who: str) -> Done:
        """Give a person another password, and log him out."""
        password_hash = users.hash_password(request.password)
        with self.database.transaction() as session:
            must_change = request.must_change_password
            row = users.set_password(
                session, request.name, password_hash, must_change=must_change
            )
            logins.end_all(session, row.id)
            self.act(who).note(session, "user.password_set", request.name)
        return Done()

    def reset_second_factor(self, request: ask.ResetSecondFactor, who: str) -> Done:
        """Forget a person's second factors, and log him out."""
        with self.database.transaction() as session:
            row = users.find(session, request.name)
            second_factors.reset(session, row.id)
            logins.end_all(session, row.id)
            self.act(who).note(session, "user.second_factor_reset", request.name)
        return Done()

    def create_token(self, request: ask.CreateToken, who: str) -> ask.IssuedToken:
        """Make a token."""
        act = self.act(who)
        with self.database.transaction() as session:
            issued = logins.create_token(session, request, act.at)
            act.note(session, "token.created", issued.id, f"{issued.name} of {issued.user}")
        return issued

    def list_tokens(self, request: ask.ListTokens, who: str) -> Iterable[ask.TokenSummary]:
        """List tokens."""
        with self.database.read() as session:
            return logins.list_tokens(session, request.user, self.act(who).at)

    def revoke_token(self, request: ask.RevokeToken, who: str) -> Done:
        """Take a token back."""
        act = self.act(who)
        with self.database.transaction() as session:
            name = logins.revoke_token(session, request.id, request.user, act.at)
            act.note(session, "token.revoked", request.id, name)
        return Done()

    def list_reachable(
        self, request: ask.ListReachable, _who: str
    ) -> Iterable[ask.ReachableSecret]:
        """List the secrets that a user has access to."""
        with self.database.read() as session:
            return reachable.list_for(session, request.user)

    def set_favourite(self, request: ask.SetFavourite, _who: str) -> Done:
        """Put a secret on top of a user's list, or back. Not an act worth a trace."""
        with self.database.transaction() as session:
            reachable.set_favourite(
                session, request.user, request.secret, is_favourite=request.is_favourite
            )
        return Done()
