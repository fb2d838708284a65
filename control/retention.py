"""Carries out what operators ask about how long recordings are kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from control import retention_requests as ask
from control import sessions
from control.audit import Act
from control.errors import ConflictError, InvalidError, NotFoundError
from control.own_account import TERMINAL
from control.requests import Done
from storage.database import Database
from storage.retention import Deleted, Retention, Rule, rules, set_rule, unset_rule
from storage.tables import SecretRow, SessionRow


@dataclass(frozen=True)
class RetentionOperations:
    """Rules, holds, and deleting by them."""

    database: Database
    retention: Retention
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Any]]:
        """Say which request is whose."""
        return {
            ask.HoldSession: self.hold,
            ask.ReleaseSession: self.release,
            ask.ShowRetention: self.show,
            ask.SetRetention: self.set,
            ask.UnsetRetention: self.unset,
            ask.RunRetention: self.run,
            ask.SweepBlobs: self.sweep,
        }

    def hold(self, request: ask.HoldSession, who: str) -> Done:
        """Keep a recording whatever the rules say."""
        with self.database.transaction() as session:
            row = sessions.find_locked(session, request.id)
            if row.deleted_at is not None:
                raise ConflictError(
                    f"the recording of session {row.id} cannot be held: it was deleted at "
                    f"{row.deleted_at:%Y-%m-%d %H:%M} UTC"
                )
            row.hold_reason = request.reason
            self.act(who).note(session, "session.held", str(row.id), request.reason)
        return Done()

    def release(self, request: ask.ReleaseSession, who: str) -> Done:
        """Leave a recording to the rules again."""
        with self.database.transaction() as session:
            row = sessions.find_locked(session, request.id)
            if row.hold_reason is None:
                raise ConflictError(f"session {row.id} is not held")
            self.act(who).note(session, "session.released", str(row.id), row.hold_reason)
            row.hold_reason = None
        return Done()

    def show(self, _request: ask.ShowRetention, _who: str) -> Iterable[ask.RetentionRule]:
        """List the rules."""
        with self.database.read() as session:
            return [
                ask.RetentionRule(scope=rule.scope, name=rule.name, days=rule.days)
                for rule in rules(session)
            ]

    def set(self, request: ask.SetRetention, who: str) -> ask.RetentionRule:
        """Make a rule, or change it."""
        if (request.scope == "default") != (request.name == ""):
            raise InvalidError("a rule is the default, or of one site, or of one secret")
        rule = Rule(scope=request.scope, name=request.name, days=request.days)
        with self.database.transaction() as session:
            if rule.scope == "secret":
                _check_known(session, rule.name)
            set_rule(session, rule)
            kept = "for ever" if rule.days is None else f"{rule.days} days"
            self.act(who).note(session, "retention.set", _name(rule.scope, rule.name), kept)
        return ask.RetentionRule(scope=rule.scope, name=rule.name, days=rule.days)

    def unset(self, request: ask.UnsetRetention, who: str) -> Done:
        """Remove a rule."""
        name = _name(request.scope, request.name)
        with self.database.transaction() as session:
            if not unset_rule(session, request.scope, request.name):
                raise NotFoundError(f"there is no rule for the {name}; see `retention show`")
            self.act(who).note(session, "retention.unset", name)
        return Done()

    def run(self, request: ask.RunRetention, who: str) -> Iterator[ask.DeletedRecording]:
        """Delete what the rules say; yield each recording when it is gone."""
        found = self.retention.due() if request.dry_run else self.retention.run(who)
        return map(_deleted, found)

    def sweep(self, request: ask.SweepBlobs, who: str) -> Iterator[ask.OrphanBlob]:
        """Find blobs that no recording names; delete them only where that is asked."""
        orphans = self.retention.orphans
        if request.delete:
            with self.database.transaction() as session:
                detail = f"older than {request.days} days"
                self.act(who).note(session, "blobs.swept", "orphans", detail)
        found = orphans.delete(request.days) if request.delete else orphans.find(request.days)
        return (ask.OrphanBlob(key=key) for key in found)


def _check_known(session: Session, secret: str) -> None:
    """Raise `NotFoundError` where no secret is so named, and none was that has recordings."""
    named = select(SecretRow.id).where(SecretRow.name == secret)
    recorded = select(SessionRow.id).where(SessionRow.secret == secret)
    if secret != TERMINAL and not any(
        session.scalar(query.limit(1)) for query in (named, recorded)
    ):
        raise NotFoundError(
            f"no secret is named `{secret}`, and no recording is of one that was; "
            "`proxyd secret list` shows them, `proxyd secret add` makes one"
        )


def _name(scope: str, name: str) -> str:
    return f"{scope} {name}".strip()


def _deleted(one: Deleted) -> ask.DeletedRecording:
    return ask.DeletedRecording(session=one.session_id, ended_at=one.ended_at, rule=one.reason)
