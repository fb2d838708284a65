"""`proxyd session verify`: whether a recording is whole and as it was made."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import click

from proxyd.cli.errors import INTEGRITY
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_json, printable
from proxyd.cli.stored import StoredSession, find
from recorder.replay.verify import Facts, Finding, Kept
from recorder.replay.verify import verify as findings_in

_CHUNK_FILES = "*.chunk"


@click.command()
@click.argument("what", metavar="ID|FOLDER")
@pass_invocation
@click.pass_context
def verify(ctx: click.Context, invocation: Invocation, what: str) -> None:
    """Check every chunk of a session, or of a folder of .chunk files.

    Prints a line for each thing that is wrong, and exits with 6 if there is one.
    """
    if Path(what).exists():
        findings = list(findings_in(_in_folder(Path(what)), Facts()))
    else:
        with invocation.operator() as operator:
            findings = _in_store(find(operator, what))
    if invocation.output is OutputFormat.JSON:
        print_json(findings)
    else:
        for finding in findings:
            click.echo(printable(f"{finding.problem}: {finding.text}"))
    if findings:
        ctx.exit(INTEGRITY)
    click.echo("proxyd: the recording is whole, and as it was made", err=True)


def _in_store(session: StoredSession) -> list[Finding]:
    summary = session.summary
    chunks = (
        Kept(sequence=one.sequence, digest=one.digest, encoded=one.encoded)
        for one in session.chunks()
    )
    facts = Facts(session_id=summary.id, live=session.live, chunks=summary.chunks)
    return list(findings_in(chunks, facts))


def _in_folder(folder: Path) -> Iterator[Kept]:
    files = sorted(folder.glob(_CHUNK_FILES), key=_sequence)
    if not files:
        raise click.UsageError(f"{folder} is no folder with {_CHUNK_FILES} files")
    for file in files:
        encoded = file.read_bytes()
        digest = hashlib.sha256(encoded).digest()
        yield Kept(sequence=_sequence(file), digest=digest, encoded=encoded)


def _sequence(file: Path) -> int:
    if not file.stem.isdecimal():
        raise click.UsageError(f"{file} is not named after the number of a chunk")
    return int(file.stem)
