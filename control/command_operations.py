"""Carries out what operators say about commands; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import become, commands
from control import command_requests as ask
from control.answers import Result
from control.audit import Act
from control.requests import Done
from storage.database import Database


@dataclass(frozen=True)
class CommandOperations:
    """Block lists and menus of secrets. They count for sessions that begin afterwards."""

    database: Database
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result | Iterable[Result]]]:
        """Say which request is whose."""
        return {
            ask.BlockCommand: self.block,
            ask.AllowCommand: self.allow,
            ask.ForgetCommand: self.forget,
            ask.ListCommands: self.list,
            ask.SetBecome: self.become,
            ask.ShowBecome: self.show_become,
        }

    def block(self, request: ask.BlockCommand, who: str) -> ask.CommandSummary:
        """Put a rule on a block list."""
        with self.database.transaction() as session:
            summary = commands.block(session, request)
            detail = f"{request.name} ({request.action}): {request.pattern}"
            self.act(who).note(session, "secret.command_blocked", request.secret, detail)
        return summary

    def allow(self, request: ask.AllowCommand, who: str) -> ask.CommandSummary:
        """Put an entry on a menu."""
        with self.database.transaction() as session:
            summary = commands.allow(session, request)
            detail = f"{request.name} = {request.command}"
            self.act(who).note(session, "secret.command_allowed", request.secret, detail)
        return summary

    def forget(self, request: ask.ForgetCommand, who: str) -> Done:
        """Take one away."""
        with self.database.transaction() as session:
            commands.forget(session, request.secret, request.name)
            act = self.act(who)
            act.note(session, "secret.command_forgotten", request.secret, request.name)
        return Done()

    def list(self, request: ask.ListCommands, _who: str) -> Iterable[ask.CommandSummary]:
        """List a secret's rules and entries."""
        with self.database.read() as session:
            return commands.list_all(session, request.secret)

    def become(self, request: ask.SetBecome, who: str) -> ask.BecomeSummary:
        """Say whom a secret's shells become."""
        with self.database.transaction() as session:
            summary = become.put(session, request)
            detail = f"{request.command} with {request.with_secret or 'no password'}"
            told = detail if request.command else "nobody"
            self.act(who).note(session, "secret.become_set", request.secret, told)
        return summary

    def show_become(self, request: ask.ShowBecome, _who: str) -> ask.BecomeSummary:
        """Show whom a secret's shells become."""
        with self.database.read() as session:
            return become.show(session, request.secret)
