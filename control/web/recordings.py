"""What the player's pages work with, beside the page itself."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from control import approvals, sessions
from control.audit import Act
from control.playback import Playback
from control.requests import SearchHit
from control.watching import Watchers
from control.web.exports import Exports
from control.web.films import Films
from recorder.ports import Clock
from storage.account_tables import ViewingRow
from storage.database import Database

Export = Callable[[UUID, str, int | None, str], Iterator[bytes]]
"""Yields an export of a session: its format, the channel of a cast, and who asks."""

_NOTED: Final = 10
"""Times in a viewing's idle limit that it is noted to go on: each is a write."""


class Looks(StrEnum):
    """What somebody does with a session; the name is that of the audit trail."""

    OPENED = "session.opened"
    """Its facts alone."""
    PLAYED = "session.played"
    WATCHED = "session.watched"
    """What it shows now."""


class Viewer(NamedTuple):
    """Who looks, and in which log-in: a viewing ends with that."""

    name: str
    login: bytes
    has_proved_himself: bool


_Key = tuple[bytes, UUID, str]
"""Log-in, session, and what is done with it: one viewing."""


class NotApprovedError(Exception):
    """He may look once another person says so."""


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """One a page."""

    database: Database
    playback: Playback
    export: Export
    clock: Clock
    watchers: Watchers = field(default_factory=Watchers)
    films: Films = field(default_factory=Films)
    exports: Exports = field(default_factory=Exports)
    viewing_idle_s: float = 1800
    """A viewing ends when nothing of the recording was asked for so long."""
    needs_approval: bool = False
    """Whether another person must let somebody see a recording."""

    def admit(self, session_id: UUID, viewer: Viewer, looks: Looks = Looks.PLAYED) -> bool:
        """Let somebody look, and write that down once a viewing. Blocking.

        Says whether he may: who has not proved himself goes on, and begins nothing. Raises
        `NotFoundError`, and `NotApprovedError` where another person has not let him.
        """
        if looks is Looks.PLAYED and not self.lets(session_id, viewer.name):
            raise NotApprovedError
        key = (viewer.login, session_id, looks.value)
        with self.database.read() as session:
            row = self._going_on(session, key)
        if row is not None:
            if self.clock.now() - row.seen_at > self._idle_limit / _NOTED:
                with self.database.transaction() as session:
                    session.merge(_viewing(key, self.clock.now()))
            return True
        if not viewer.has_proved_himself and looks is not Looks.OPENED:
            return False
        with self.database.transaction() as session:
            # What a player asks for at once is one viewing.
            if self._going_on(session, key) is None:
                self._begin(session, key, viewer.name)
        return True

    @property
    def _idle_limit(self) -> dt.timedelta:
        return dt.timedelta(seconds=self.viewing_idle_s)

    def _going_on(self, session: Session, key: _Key) -> ViewingRow | None:
        row = session.get(ViewingRow, key)
        is_over = row is None or self.clock.now() - row.seen_at > self._idle_limit
        return None if is_over else row

    def _begin(self, session: Session, key: _Key, who: str) -> None:
        _, session_id, looks = key
        now = self.clock.now()
        self._note(session, session_id, who, looks)
        over = now - self._idle_limit
        session.execute(delete(ViewingRow).where(ViewingRow.seen_at < over))
        session.merge(_viewing(key, now))

    def lets(self, session_id: UUID, who: str) -> bool:
        """Say whether `who` may see a recording as far as others have a say. Blocking."""
        return not self.needs_approval or session_id in self._approved(who)

    def shown(self, hits: list[SearchHit], who: str) -> list[SearchHit]:
        """Return those of the hits that `who` may see. Blocking."""
        if not self.needs_approval:
            return hits
        may = self._approved(who)
        return [hit for hit in hits if hit.session in may]

    def _approved(self, who: str) -> set[UUID]:
        with self.database.read() as session:
            return approvals.may_view(session, who, self.clock.now())

    def note(self, session_id: UUID, who: str, action: str, detail: str = "") -> None:
        """Write down what `who` does with a recording; raise `NotFoundError`. Blocking."""
        with self.database.transaction() as session:
            self._note(session, session_id, who, action, detail)

    def _note(
        self, session: Session, session_id: UUID, who: str, action: str, detail: str = ""
    ) -> None:
        find = sessions.find if action == Looks.OPENED else sessions.find_recording
        find(session, session_id)
        Act(who, self.clock.now()).note(session, action, str(session_id), detail)


def _viewing(key: _Key, now: dt.datetime) -> ViewingRow:
    login, session_id, looks = key
    return ViewingRow(login=login, session_id=session_id, looks=looks, seen_at=now)
