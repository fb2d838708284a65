"""What `session watch` does with a desktop: pictures, into a file or a pipe."""

import sys
from collections.abc import Iterator

import click

from control.requests import LivePicture, WatchDesktop
from proxyd.cli.output_file import STANDARD_OUTPUT, write_all
from proxyd.cli.stored import StoredSession


def watch_pictures(session: StoredSession, out: str) -> None:
    """Write each picture as it comes, until the session ends.

    A file always holds the newest one, whole; a pipe gets one PNG behind the other. Raises
    the errors of `control.errors`, and `CommandFailedError` where nothing can be written.
    """
    if out == STANDARD_OUTPUT and is_terminal():
        raise click.UsageError(
            "a desktop is shown as pictures, which a terminal cannot show: `--out FILE` keeps "
            "the newest one in a file, and a pipe gets all of them, one PNG behind the other: "
            f"`proxyd session watch {session.summary.id} | ffplay -f image2pipe -c:v png -i -`"
        )
    pictures: Iterator[LivePicture] = session.operator.stream(
        WatchDesktop(id=session.summary.id)
    )
    for picture in pictures:
        write_all([picture.png], out)


def is_terminal() -> bool:
    """Say whether standard output is one."""
    return sys.stdout.isatty()
