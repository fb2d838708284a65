"""`proxyd session export`: a recording as a file for other programs, or for people."""

import sys
from collections.abc import Callable, Iterator
from typing import Final

import click

from proxyd.cli.bundle import bundle_pieces
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_json
from proxyd.cli.output_file import STANDARD_OUTPUT, write_all
from proxyd.cli.pictures import picture_pieces
from proxyd.cli.session_files import file_pieces
from proxyd.cli.stored import StoredSession, find
from recorder.events import KnownEvent
from recorder.replay import export as exporting
from recorder.replay.asciicast import cast_lines
from recorder.replay.salvage import Resumed, recorded
from recorder.replay.timeline import Recording, placed
from recorder.replay.transcript import transcript_lines


def _salvaged(session: StoredSession, recording: Recording) -> Iterator[KnownEvent | Resumed]:
    """Read a desktop on behind gaps; `recording` is told of the first."""
    salvage = session.salvage()
    yield from salvage.events()
    recording.broken = salvage.broken


def _output(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    return exporting.output_bytes(recording.events())


def _input(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    if session.is_desktop:
        return exporting.typed_text(recorded(_salvaged(session, recording)))
    return exporting.input_bytes(recording.events())


def _events(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    return exporting.event_lines(recording.recorded())


def _text(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    if session.is_desktop:
        return transcript_lines(recorded(_salvaged(session, recording)))
    return transcript_lines(recording.events())


def _cast(session: StoredSession, recording: Recording, channel: int | None) -> Iterator[bytes]:
    # The header needs the terminal's size, so the recording is begun twice.
    return cast_lines(placed(recording.events()), session.terminal(channel))


def _video(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    return picture_pieces(session, _salvaged(session, recording), "video")


def _storyboard(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    return picture_pieces(session, _salvaged(session, recording), "storyboard")


def _files(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    return file_pieces(recording.events())


def _bundle(session: StoredSession, recording: Recording, _: int | None) -> Iterator[bytes]:
    # Its chunks are read as they are, whole or not; what is wrong with them is told.
    for _event in _salvaged(session, recording) if session.is_desktop else recording.recorded():
        pass
    return bundle_pieces(session)


FORMATS: dict[str, Callable[[StoredSession, Recording, int | None], Iterator[bytes]]] = {
    "output": _output,
    "input": _input,
    "events": _events,
    "cast": _cast,
    "text": _text,
    "video": _video,
    "storyboard": _storyboard,
    "files": _files,
    "bundle": _bundle,
}

_GO_ON: Final = frozenset({"video", "storyboard", "text", "input", "bundle"})
"""Formats that a desktop has behind gaps, too."""


@click.command()
@click.argument("session_id", metavar="ID")
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), required=True)
@click.option(
    "--out", metavar="FILE", default=STANDARD_OUTPUT, help="Default: -, standard output."
)
@click.option("--channel", type=int, help="The terminal in a cast. Default: the first.")
@pass_invocation
def export(
    invocation: Invocation, session_id: str, *, format_: str, out: str, channel: int | None
) -> None:
    """Write a session's recording to a file, exactly as it was captured.

    A recording with a hole is written up to the hole, with a warning; video, storyboard,
    text, input and bundle of a desktop go on behind it.
    """
    _refuse_terminal(out)
    with invocation.operator() as operator:
        session = find(operator, session_id)
        recording = session.recording()
        size_bytes = write_all(FORMATS[format_](session, recording, channel), out)
    if recording.broken is not None:
        _warn(session, recording.broken, format_)
    if out != STANDARD_OUTPUT:
        _report(invocation, {"session": session.summary.id, "out": out, "bytes": size_bytes})


def _refuse_terminal(out: str) -> None:
    if out == STANDARD_OUTPUT and sys.stdout.isatty():
        raise click.UsageError(
            "recorded bytes can take over a terminal: give --out FILE, pipe them somewhere, "
            "or use `proxyd session play`"
        )


def _warn(session: StoredSession, broken: str, format_: str) -> None:
    if session.live:
        text = "the session is still live; this is what has been stored of it so far"
    else:
        goes_on = session.is_desktop and format_ in _GO_ON
        how = "was exported without what is missing" if goes_on else "was exported up to there"
        text = (
            f"warning: the recording is not whole ({broken}) and {how}; "
            "ask `proxyd session verify`"
        )
    click.echo(f"proxyd: {text}", err=True)


def _report(invocation: Invocation, written: dict[str, object]) -> None:
    if invocation.output is OutputFormat.JSON:
        print_json(written)
    else:
        click.echo(f"wrote {written['bytes']} bytes to {written['out']}", err=True)
