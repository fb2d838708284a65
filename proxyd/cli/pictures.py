"""Pictures of a stored desktop, made by a process that can reach nothing."""

from collections.abc import Iterator

from control.errors import NotFoundError
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.stored import StoredSession
from recorder.replay.frames import survey
from recorder.replay.timeline import Recording
from storage.errors import ChildLostError, ChildUnavailableError


def picture_pieces(session: StoredSession, recording: Recording, what: str) -> Iterator[bytes]:
    """Yield a video or a storyboard of what `recording` holds.

    Raises `NotFoundError` where no desktop was shown, `CommandFailedError` where no picture
    could be made.
    """
    from storage.video import Pictures, pieces  # noqa: PLC0415 - `--help` needs none of it

    # The size of the picture comes first, so the recording is begun twice.
    shown = survey(session.recording().events())
    if shown is None:
        raise NotFoundError(
            f"session {session.summary.id} showed no desktop, so there is no picture of it; "
            "`export --format events` has everything"
        )
    try:
        yield from pieces(recording.events(), shown, Pictures(what))
    except (ChildLostError, ChildUnavailableError) as error:
        raise CommandFailedError(f"no picture could be made: {error}") from error
