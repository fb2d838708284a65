"""`proxyd rotate-recording-key` and `rotate-signing-key`: the keys that recordings rest on."""

import click

from control.proof_requests import RotateRecordingKey
from control.requests import Done
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import printable


@click.command("rotate-recording-key")
@pass_invocation
def rotate_recording_key(invocation: Invocation) -> None:
    """Make a new key for the recordings to come. The old ones go on to read the others."""
    with invocation.operator() as operator:
        done: Done = operator.call(RotateRecordingKey())
    click.echo(printable(done.detail), err=True)


@click.command("rotate-signing-key")
@pass_invocation
def rotate_signing_key(invocation: Invocation) -> None:
    """Make the next signing key of this node's engine; it counts from the next start."""
    from proxyd.control import credentials_dir  # noqa: PLC0415 - brings the database
    from proxyd.sealing_keys import signing_key_file  # noqa: PLC0415

    file = signing_key_file(invocation.settings().state_dir, credentials_dir())
    file.read_or_make_successor()
    click.echo(
        printable(
            f"the next signing key is {file.successor_path}: restart proxyd, which then signs "
            "with it; what the old key signed stays good, and is stored for 30 days yet"
        ),
        err=True,
    )
