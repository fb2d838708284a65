"""Carries out what operators say about files; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import file_requests as ask
from control import file_rules, secrets
from control.answers import Result
from control.audit import Act
from control.requests import Done
from storage.database import Database


@dataclass(frozen=True)
class FileOperations:
    """Rules about the files of secrets. They count for sessions that begin afterwards."""

    database: Database
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result | Iterable[Result]]]:
        """Say which request is whose."""
        return {
            ask.PutFileRule: self.put,
            ask.ForgetFileRule: self.forget,
            ask.ListFileRules: self.list,
            ask.KeepFiles: self.keep,
        }

    def put(self, request: ask.PutFileRule, who: str) -> ask.FileRuleSummary:
        """Add or change a rule."""
        with self.database.transaction() as session:
            summary = file_rules.put(session, request)
            ways = ", ".join(summary.directions)
            detail = f"{summary.name} ({summary.verdict} {ways}): {summary.glob}"
            self.act(who).note(session, "secret.file_rule_set", request.secret, detail)
        return summary

    def forget(self, request: ask.ForgetFileRule, who: str) -> Done:
        """Take one away."""
        with self.database.transaction() as session:
            file_rules.forget(session, request.secret, request.name)
            act = self.act(who)
            act.note(session, "secret.file_rule_forgotten", request.secret, request.name)
        return Done()

    def list(self, request: ask.ListFileRules, _who: str) -> Iterable[ask.FileRuleSummary]:
        """List a secret's rules."""
        with self.database.read() as session:
            return file_rules.list_all(session, request.secret)

    def keep(self, request: ask.KeepFiles, who: str) -> Done:
        """Say how much is kept of what files hold."""
        with self.database.transaction() as session:
            secrets.find(session, request.secret).files_bytes = request.files_bytes
            said = "as of others" if request.files_bytes is None else str(request.files_bytes)
            self.act(who).note(session, "secret.files_kept", request.secret, said)
        return Done()
