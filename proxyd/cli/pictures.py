"""Pictures of a stored desktop, made by a process that can reach nothing."""

from collections.abc import Iterable, Iterator

from control.errors import NotFoundError
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.stored import StoredSession
from recorder.events import KnownEvent
from recorder.replay.frames import survey
from recorder.replay.salvage import Resumed
from storage.errors import ChildLostError, ChildUnavailableError


def picture_pieces(
    session: StoredSession, events: Iterable[KnownEvent | Resumed], what: str
) -> Iterator[bytes]:
    """Yield a video or a storyboard of what `events` show.

    Raises `NotFoundError` where no desktop was shown, `CommandFailedError` where no picture
    could be made.
    """
    from storage.video import Pictures, pieces  # noqa: PLC0415 - `--help` needs none of it

    # The size of the picture comes first, so the recording is begun twice.
    shown = survey(session.salvage().events())
    if shown is None:
        raise NotFoundError(
            f"session {session.summary.id} showed no desktop, or its secret has no picture "
            "recorded; `export --format events` has everything"
        )
    try:
        yield from pieces(events, shown, Pictures(what))
    except (ChildLostError, ChildUnavailableError) as error:
        raise CommandFailedError(f"no picture could be made: {error}") from error
