"""`proxyd session verify`: whether a recording is whole and as it was made."""

import re
from pathlib import Path
from typing import Final

import click

from control.proof_requests import FetchProof, SessionProof
from control.verification import findings_of
from proxyd.cli.bundle import BundleFile
from proxyd.cli.errors import INTEGRITY, NOT_FOUND, CommandFailedError
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_json, printable
from proxyd.cli.stored import StoredSession, find
from recorder.data_key import key_id
from recorder.errors import CorruptChunkError
from recorder.replay import bundle
from recorder.replay.verify import Finding, Problem

_ID: Final = re.compile(r"[0-9A-Fa-f-]+")


@click.command()
@click.argument("what", metavar="ID|FILE")
@click.option(
    "--storage-key",
    metavar="KEY",
    help="The key that must have exported FILE, as `proxyd log head` shows it.",
)
@pass_invocation
@click.pass_context
def verify(
    ctx: click.Context, invocation: Invocation, what: str, storage_key: str | None
) -> None:
    """Check every chunk of a session that is stored, or of an exported bundle.

    Prints a line for each thing that is wrong, and exits with 6 if there is one. For a
    bundle nothing else is needed.
    """
    if Path(what).exists():
        findings = _in_bundle(Path(what), storage_key)
    elif not _ID.fullmatch(what):
        text = f"{what} is no file that is there, and no session's id: name a bundle or an id"
        raise CommandFailedError(text, NOT_FOUND)
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
    proof: SessionProof = session.operator.call(FetchProof(id=session.summary.id))
    return findings_of(session.summary, proof, session.chunks())


def _in_bundle(path: Path, storage_key: str | None) -> list[Finding]:
    if not path.is_file():
        raise click.UsageError(f"{path} is no file: give the bundle that was exported")
    try:
        with BundleFile(path) as file:
            findings = list(bundle.check(file.names, file.read, storage_key))
            if not findings:
                _tell_keys(bundle.decode_manifest(file.read(bundle.MANIFEST)))
            return findings
    except CorruptChunkError as error:
        return [Finding(problem=Problem.DAMAGED, sequence=None, text=str(error))]


def _tell_keys(manifest: bundle.Manifest) -> None:
    """Say whose word all this is: that is for a person to believe or not."""
    for signer in manifest.signers:
        click.echo(f"proxyd: sealed by {signer.engine_id}, key {signer.key_id}", err=True)
    exported_by = key_id(manifest.storage_key)
    click.echo(
        f"proxyd: exported {manifest.exported_at:%Y-%m-%d %H:%M:%SZ} under storage key "
        f"{exported_by}; compare it with that of `proxyd log head`",
        err=True,
    )
