"""One session as the command line reads it: found by a prefix of its id, read as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import click

from control.errors import ControlError, IntegrityError, NotFoundError
from control.requests import (
    FetchChunks,
    ListSessions,
    SessionSummary,
    ShowSession,
    StoredChunk,
)
from proxyd.cli.invocation import Operator
from recorder.replay.asciicast import PlayedTerminal, find_terminal
from recorder.replay.salvage import Salvage
from recorder.replay.timeline import Recording
from recorder.session_info import TargetProtocol

SHORTEST_PREFIX = 4
_EVERY_SESSION = 100_000


@dataclass(frozen=True)
class StoredSession:
    """What is stored of one session."""

    operator: Operator
    summary: SessionSummary

    @property
    def live(self) -> bool:
        """Whether it was still going on when it was looked up."""
        return self.summary.state == "live"

    @property
    def is_desktop(self) -> bool:
        """Whether there are pictures and no terminal."""
        return self.summary.protocol == TargetProtocol.RDP

    def chunks(self, from_sequence: int = 0) -> Iterator[StoredChunk]:
        """Fetch the chunks as they are, one at a time."""
        return self.operator.stream(
            FetchChunks(id=self.summary.id, from_sequence=from_sequence)
        )

    def recording(self) -> Recording:
        """Return the recording, to be read once from its beginning."""
        return Recording(self.chunks())

    def salvage(self) -> Salvage:
        """Return what can be read of a desktop, behind gaps too, to be read once."""
        return Salvage(self.chunks())

    def terminal(self, channel: int | None = None) -> PlayedTerminal:
        """Return what to play on.

        Raises `NotFoundError` where nothing was shown, `IntegrityError` where the recording
        breaks off before that.
        """
        if self.is_desktop:
            raise NotFoundError(
                f"session {self.summary.id} is a desktop, which no terminal shows: "
                f"`proxyd session export {self.summary.id} --format video --out FILE` makes a "
                "video of it"
            )
        recording = self.recording()
        found = find_terminal(recording.events(), channel)
        if found is not None:
            return found
        if recording.broken is not None and not self.live:
            raise self._nothing_whole(recording.broken)
        what = "no session channel" if channel is None else f"no session channel {channel}"
        raise NotFoundError(
            f"session {self.summary.id} opened {what}, so there is nothing to show; "
            "`export --format events` has everything"
        )

    def _nothing_whole(self, broken: str) -> ControlError:
        if not self.summary.chunks:
            return NotFoundError(
                f"nothing of session {self.summary.id} was stored, so there is nothing to show"
            )
        return IntegrityError(
            f"session {self.summary.id} cannot be shown: its recording is not whole "
            f"({broken}); ask `proxyd session verify`"
        )


def find(operator: Operator, text: str) -> StoredSession:
    """Return the session that `text` means; raise `NotFoundError` where it means none."""
    return StoredSession(operator, operator.call(ShowSession(id=find_id(operator, text))))


def find_id(operator: Operator, text: str) -> UUID:
    """Return the one id that begins with `text`; a whole id is not looked up."""
    try:
        return UUID(text)
    except ValueError:
        return _by_prefix(operator, text.lower())


def _by_prefix(operator: Operator, prefix: str) -> UUID:
    if len(prefix) < SHORTEST_PREFIX:
        raise click.UsageError(
            f"{prefix!r} is too short for a session: give at least {SHORTEST_PREFIX} characters"
        )
    sessions: Iterator[SessionSummary] = operator.stream(ListSessions(limit=_EVERY_SESSION))
    found = [one.id for one in sessions if str(one.id).startswith(prefix)]
    if not found:
        raise NotFoundError(f"no session begins with {prefix!r}; `proxyd session list` has all")
    if len(found) > 1:
        raise click.UsageError(f"{len(found)} sessions begin with {prefix!r}; give more of it")
    return found[0]
