"""Dead letters: shown, replayed, discarded."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from bus.dead_letters import DeadLetter, DeadLetters
from bus.errors import BusUnavailableError
from control.audit import Act
from control.bus_requests import (
    DeadLetterSummary,
    DiscardDeadLetters,
    ListDeadLetters,
    ReplayDeadLetters,
)
from control.errors import NotFoundError, UnreachableError
from control.requests import Done
from storage.database import Database

Letters = DeadLetters


def of(
    letters: Letters | None, database: Database, act: Callable[[str], Act]
) -> "DeadLetterOperations":
    """Return what operators can do about `letters`; None: this node has no broker."""
    return DeadLetterOperations(letters=letters, database=database, act=act)


@dataclass(frozen=True, kw_only=True)
class DeadLetterOperations:
    """What operators do about them. Without a broker there are none."""

    letters: DeadLetters | None
    database: Database
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Any]]:
        """Say which request is whose."""
        return {
            ListDeadLetters: self.all,
            ReplayDeadLetters: self.replay,
            DiscardDeadLetters: self.discard,
        }

    def all(self, _request: ListDeadLetters, _who: str) -> Iterable[DeadLetterSummary]:
        """List all, oldest first."""
        letters = self._letters()
        try:
            return [DeadLetterSummary(**asdict(one)) for one in letters.all()]
        except BusUnavailableError as error:
            raise UnreachableError(str(error)) from error

    def replay(self, request: ReplayDeadLetters, who: str) -> Done:
        """Send them to the workers again."""
        return self._treat("dead_letter.replayed", self._letters().replay, request.ids, who)

    def discard(self, request: DiscardDeadLetters, who: str) -> Done:
        """Throw them away."""
        return self._treat("dead_letter.discarded", self._letters().discard, request.ids, who)

    def _treat(
        self,
        action: str,
        treat: Callable[[Callable[[DeadLetter], bool]], list[DeadLetter]],
        ids: tuple[str, ...],
        who: str,
    ) -> Done:
        try:
            treated = treat(lambda one: not ids or one.id in ids)
        except BusUnavailableError as error:
            raise UnreachableError(str(error)) from error
        with self.database.transaction() as session:
            for one in treated:
                self.act(who).note(session, action, one.id)
        unknown = set(ids) - {one.id for one in treated}
        if unknown:
            raise NotFoundError(
                f"no dead letter is {', '.join(sorted(unknown))}: "
                "`proxyd bus dead-letters list` shows them"
            )
        return Done(detail=f"{len(treated)} dead letters {action.partition('.')[2]}")

    def _letters(self) -> DeadLetters:
        if self.letters is None:
            raise UnreachableError(
                "dead letters lie on a broker, and this node has none: ask the control node"
            )
        return self.letters
