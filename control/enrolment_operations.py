"""Carries out what operators ask about engines; see `control.operations`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import engines, sessions, succession
from control import enrolment_requests as ask
from control.answers import Result
from control.audit import Act
from control.errors import DeniedError
from control.node_keys import CONTROL
from control.requests import Done
from control.storage_keys import StorageKeys
from control.trust import ControlKeyFile, public
from storage.database import Database
from storage.tables import SessionRow


@dataclass(frozen=True)
class EnrolmentOperations:
    """Engines, and the keys that control and storage speak to them with."""

    database: Database
    control_key: ControlKeyFile
    storage_keys: StorageKeys
    act: Callable[[str], Act]
    end: Callable[[list[SessionRow], str], None]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result | Iterable[Result]]]:
        """Say which request is whose."""
        return {
            ask.ListEngines: self.list,
            ask.ApproveEngine: self.approve,
            ask.RevokeEngine: self.revoke,
            ask.RotateControlKey: self.rotate,
            ask.RotateStorageKey: self.rotate_storage,
        }

    def list(self, _request: ask.ListEngines, who: str) -> Iterable[ask.EngineSummary]:
        """List all."""
        with self.database.read() as session:
            return engines.list_all(session, self.act(who).at)

    def approve(self, request: ask.ApproveEngine, who: str) -> ask.EngineSummary:
        """Let an engine serve its site."""
        act = self.act(who)
        try:
            with self.database.transaction() as session:
                summary = engines.approve(session, request.id, request.code, act)
                detail = f"for site {summary.site}, {summary.fingerprint}"
                act.note(session, "engine.approved", request.id, detail)
        except DeniedError:
            with self.database.transaction() as session:
                act.note(session, "engine.approval_refused", request.id, "wrong code")
            raise
        return summary

    def revoke(self, request: ask.RevokeEngine, who: str) -> Done:
        """End an engine and its sessions, at once."""
        act = self.act(who)
        with self.database.transaction() as session:
            engines.revoke(session, request.id, act.at)
            ending = sessions.live_of(session, engine=request.id)
            act.note(session, "engine.revoked", request.id)
        self.end(ending, "the engine was revoked")
        return Done()

    def rotate(self, _request: ask.RotateControlKey, who: str) -> Done:
        """Announce control's next key; the running node lets it take over."""
        successor = public(self.control_key.read_or_make_successor())
        with self.database.transaction() as session:
            succession.announce(session, CONTROL, successor, self.act(who))
            waiting = succession.waiting_for(session, successor)
        return Done(detail=succession.takes_over(waiting))

    def rotate_storage(self, _request: ask.RotateStorageKey, who: str) -> Done:
        """Announce storage's next signing key; the running node lets it take over."""
        waiting = self.storage_keys.announce_signing_key(self.act(who))
        return Done(detail=succession.takes_over(waiting))
