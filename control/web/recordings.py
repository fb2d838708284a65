"""What the player's pages work with, beside the page itself."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from control import sessions
from control.audit import Act
from control.playback import Playback
from control.watching import Watchers
from control.web.films import Films
from recorder.ports import Clock
from storage.database import Database

Export = Callable[[UUID, str, int | None, str], Iterator[bytes]]
"""Yields an export of a session: its format, the channel of a cast, and who asks."""

_ONE_VIEWING_S: Final = 6 * 3600.0
"""Who goes on within this time is not written down anew, nor asked who he is."""
_MOST_VIEWINGS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """One a page."""

    database: Database
    playback: Playback
    export: Export
    clock: Clock
    watchers: Watchers = field(default_factory=Watchers)
    films: Films = field(default_factory=Films)
    _viewings: OrderedDict[tuple[UUID, str], float] = field(default_factory=OrderedDict)

    def admit(self, session_id: UUID, who: str, *, anew: bool) -> bool:
        """Let `who` see a recording, and write that down; raise `NotFoundError`. Blocking.

        Unless `anew`, only who began to see it a while ago may go on: says whether he may.
        """
        now_s = time.monotonic()
        since_s = self._viewings.get((session_id, who))
        if since_s is not None and now_s - since_s < _ONE_VIEWING_S:
            return True
        if not anew:
            return False
        self.note(session_id, who, "session.played")
        self._viewings[session_id, who] = now_s
        while len(self._viewings) > _MOST_VIEWINGS:
            self._viewings.popitem(last=False)
        return True

    def note(self, session_id: UUID, who: str, action: str, detail: str = "") -> None:
        """Write down what `who` does with a recording; raise `NotFoundError`. Blocking."""
        with self.database.transaction() as session:
            sessions.find_recording(session, session_id)
            Act(who, self.clock.now()).note(session, action, str(session_id), detail)
