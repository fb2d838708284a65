"""What the player's pages work with, beside the page itself."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from control import approvals, sessions
from control.audit import Act
from control.playback import Playback
from control.requests import SearchHit
from control.watching import Watchers
from control.web.films import Films
from recorder.ports import Clock
from storage.database import Database

Export = Callable[[UUID, str, int | None, str], Iterator[bytes]]
"""Yields an export of a session: its format, the channel of a cast, and who asks."""

_MOST_VIEWINGS: Final = 10_000


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
    viewing_idle_s: float = 1800
    """A viewing ends when nothing of the recording was asked for so long."""
    needs_approval: bool = False
    """Whether another person must let somebody see a recording."""
    _viewings: OrderedDict[tuple[UUID, bytes, Looks], int] = field(default_factory=OrderedDict)

    def admit(self, session_id: UUID, viewer: Viewer, looks: Looks = Looks.PLAYED) -> bool:
        """Let somebody look, and write that down once a viewing. Blocking.

        Says whether he may: who has not proved himself goes on, and begins nothing. Raises
        `NotFoundError`, and `NotApprovedError` where another person has not let him.
        """
        if looks is Looks.PLAYED and not self.lets(session_id, viewer.name):
            raise NotApprovedError
        viewing = (session_id, viewer.login, looks)
        now_ms = self.clock.monotonic_ms()
        seen_ms = self._viewings.get(viewing)
        if seen_ms is None or now_ms - seen_ms > self.viewing_idle_s * 1000:
            if not viewer.has_proved_himself and looks is not Looks.OPENED:
                return False
            self.note(session_id, viewer.name, looks)
        self._viewings[viewing] = now_ms
        self._viewings.move_to_end(viewing)
        while len(self._viewings) > _MOST_VIEWINGS:
            self._viewings.popitem(last=False)
        return True

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
        find = sessions.find if action == Looks.OPENED else sessions.find_recording
        with self.database.transaction() as session:
            find(session, session_id)
            Act(who, self.clock.now()).note(session, action, str(session_id), detail)
